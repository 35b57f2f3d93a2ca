"""Keeps examples in help texts line by line.

Typer fills paragraphs of help; a paragraph with indented lines is an example and must stay as written.
This module does not choose words, it marks such paragraphs in the way that Typer understands.
"""

from __future__ import annotations

import inspect
from typing import Any

AS_WRITTEN = "\b"
"""On a line of its own before a paragraph: do not fill it."""


def keep_examples(command: Any) -> Any:
    """Mark the examples in the help of a command and of all commands below it."""
    if command.help:
        command.help = mark(command.help)
    for child in getattr(command, "commands", {}).values():
        keep_examples(child)
    return command


def mark(text: str) -> str:
    """Return the text with each paragraph that has indented lines marked."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(f"{AS_WRITTEN}\n{part}" if _is_example(part) else part for part in paragraphs)


def _is_example(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    return lines[0] != AS_WRITTEN and any(line.startswith("  ") for line in lines)
