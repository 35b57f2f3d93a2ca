"""Reads the documents and names links that lead nowhere and commands that do not exist.

A command in a document is text between backquotes, or a line of a code block, that starts with `isthmus`;
its verbs and long options must be those of the program. Prints the findings and exits 1 when there are any.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import main as cli

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
COMMAND = re.compile(r"(?:`|^\s*(?:\$ )?)(isthmus [^`\n]*)", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Return every document of the project."""
    return sorted([*Path().glob("*.md"), *Path("docs").rglob("*.md")])


def links(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with the links of a document."""
    for target in LINK.findall(FENCE.sub("", text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists():
            yield f"{path}: {target} leads nowhere"
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"{path}: {target} names no heading"


def anchors(text: str) -> set[str]:
    """Return the anchors that a document's headings have."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


def commands(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with the commands in a document."""
    for line in COMMAND.findall(text):
        wrong = check(re.split(r"[|;#>]", line)[0].split()[1:])
        if wrong:
            yield f"{path}: `{line.strip()}`: {wrong}"


def check(words: list[str]) -> str:
    """Return what is wrong with one command line, or nothing."""
    if not words or not re.fullmatch(r"[a-z-]+", words[0]) or words[0].startswith("-"):
        return ""
    if words[0] not in {verb.name for verb in cli.present()}:
        return f"no verb {words[0]}"
    command, rest = descend(cli.load(words[0]), words[1:])
    if getattr(command, "commands", None) and rest and re.fullmatch(r"[a-z]+", rest[0]):
        return f"no verb {rest[0]}"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    return f"no option {', '.join(unknown)}" if unknown else ""


def descend(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words lead to, and the words left."""
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def main() -> int:
    """Read the documents and report."""
    findings = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        findings += [*links(path, text), *commands(path, text)]
    print("\n".join(findings) or f"documents: {len(documents())}, every link and command leads somewhere")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
