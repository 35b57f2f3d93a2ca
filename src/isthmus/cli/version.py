"""`isthmus version`: what is installed, and what the lab would build."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Annotated

import typer

import isthmus
from isthmus.cli import output

LIBRARIES = ("lightkube", "pydantic", "httpx2", "typer")


def version(
    form: Annotated[
        output.Output, typer.Option("--output", "-o", help="How to print it.")
    ] = output.Output.TEXT,
) -> None:
    """Show the versions of everything: isthmus, Python, helm, what the lab is made of.

    Examples:
        isthmus version
        isthmus version -o json
    """
    facts = {
        "isthmus": isthmus.__version__,
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
    if form is not output.Output.TEXT:
        output.emit(facts, form)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for part, found in value.items():
                print(f"  {part:<24}{found or 'not found'}")
        else:
            print(f"{name:<26}{value}")
