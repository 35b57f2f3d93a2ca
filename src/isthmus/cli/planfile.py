"""Saved plans: what `diff --save` writes and `up --plan` reads, of `deploy` and of `connect`.

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

_REMEDY = "save a new one: isthmus {} diff --save"


def write(path: Path, made: plan.Plan) -> None:
    """Save a plan with its digest, and say how to run it."""
    from isthmus.clients import files

    files.write_atomic(path, json.dumps({**made.to_json(), "digest": made.digest}, indent=2) + "\n")
    typer.echo(f"plan saved in {path}; run it with: isthmus {_verb(made)} up --plan {path}", err=True)


def _verb(made: plan.Plan) -> str:
    from isthmus.model import plan

    return "connect" if (made.namespace, made.app) == plan.NETWORK else "deploy"


def read(path: Path, verb: str = "deploy") -> plan.Plan:
    """Return a saved plan of a verb; InputError when it is none, is another verb's, or was edited."""
    from isthmus.clients import files
    from isthmus.model import plan

    text = files.read_text(path)
    try:
        body = json.loads(text)
        found = plan.Plan.from_json(body)
        digest = body.get("digest")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = _REMEDY.format(verb)
        raise errors.InputError("is no saved plan", where=str(path), remedy=remedy) from error
    if _verb(found) != verb:
        raise errors.InputError(
            f"this is a plan of {_verb(found)}",
            where=str(path),
            remedy=f"isthmus {_verb(found)} up --plan {path}",
        )
    if found.digest != digest:
        raise errors.InputError(
            "the plan was changed after it was saved",
            where=str(path),
            why="its digest does not fit its content",
            remedy=_REMEDY.format(verb),
        )
    return found
