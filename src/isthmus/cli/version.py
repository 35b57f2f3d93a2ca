"""`isthmus version`: what is installed, and what the lab would build."""

from __future__ import annotations

import asyncio
import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

import isthmus
from isthmus.cli import output
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.lab import binaries

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
        "helm": _helm(),
        "lab": _pins(),
    }
    if form is not output.Output.TEXT:
        output.emit(facts, form)
        return
    for name, value in facts.items():
        if value is None:
            print(f"{name:<26}not found")
        elif isinstance(value, dict):
            print(f"{name}:")
            for part, found in value.items():
                print(f"  {part:<24}{found}")
        else:
            print(f"{name:<26}{value}")


def _helm() -> dict[str, str] | None:
    """Return path and version of the helm that `deploy` would run."""
    from isthmus.cli import connection

    try:
        found = asyncio.run(connection.find_helm())
    except errors.ToolError:
        return None
    return {"version": found.version, "path": str(found.path)}


def _pins() -> dict[str, str]:
    """Return the version of each module of others that the lab is built from."""
    from isthmus.lab import binaries

    found = {each.name: _pinned(each) for each in binaries.FAMILIES}
    return {name: version for name, version in found.items() if version is not None}


def _pinned(family: binaries.Family) -> str | None:
    """Return the version of the module that a family is built from; None of our own."""
    package = next(iter(family.packages.values()))
    text = (family.pins / "go.mod").read_text(encoding="utf-8")
    required: dict[str, str] = dict(
        re.findall(r"^(?:require )?\s*([\w./-]+\.[\w./-]+) (v\S+)", text, re.MULTILINE)
    )
    owners = [module for module in required if package == module or package.startswith(f"{module}/")]
    return required[max(owners, key=len)] if owners else None
