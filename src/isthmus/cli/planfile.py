"""Saved plans: what `deploy diff --save` writes and `deploy up --plan` reads.

A file that was edited is refused: its digest says what was looked at.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.model import plan

_REMEDY = "save a new one: isthmus deploy diff --save"


def write(path: Path, made: plan.Plan) -> None:
    """Save a plan with its digest, and say how to run it."""
    from isthmus.clients import files

    files.write_atomic(path, json.dumps({**made.to_json(), "digest": made.digest}, indent=2) + "\n")
    typer.echo(f"plan saved in {path}; run it with: isthmus deploy up --plan {path}", err=True)


def read(path: Path) -> plan.Plan:
    """Return a saved plan; InputError when it is none, ConflictError when it was edited."""
    from isthmus.clients import files
    from isthmus.model import plan

    text = files.read_text(path)
    try:
        body = json.loads(text)
        found = plan.Plan.from_json(body)
        digest = body.get("digest")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.InputError("is no saved plan", where=str(path), remedy=_REMEDY) from error
    if found.digest != digest:
        raise errors.InputError(
            "the plan was changed after it was saved",
            where=str(path),
            why="its digest does not fit its content",
            remedy=_REMEDY,
        )
    return found
