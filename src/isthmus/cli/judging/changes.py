"""`isthmus access diff OLD NEW`: which connections open and close between two sets of manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from isthmus.cli import output
from isthmus.cli.judging import matrix, reading

if TYPE_CHECKING:
    from pathlib import Path


def show(old: Path, new: Path, cilium: str | None, form: output.Output) -> bool:
    """Print what opens and closes from old to new manifests, and say whether anything does."""
    from isthmus.policy.reach import diff
    from isthmus.render import connections

    before, after = (reading.read([str(each)], None, cilium) for each in (old, new))
    found = list(diff.changes(matrix.of(before), matrix.of(after)))
    if form is not output.Output.TEXT:
        output.emit({"changes": [connections.change_json(each) for each in found]}, form)
    else:
        for each in found:
            typer.echo(connections.change(each))
        typer.echo(f"{len(found)} connections change" if found else "no connection changes")
    output.print_findings((*before.findings, *reading.all_findings(after)))
    return bool(found)
