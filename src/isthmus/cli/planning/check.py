"""`isthmus plan check`: everything that is wrong with the plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import finding
    from isthmus.network import ranges


def check(
    source: reading.Source = Path(),
    only: reading.Only = None,
    form: reading.Form = output.Output.TEXT,
    fail_on: reading.FailOn = output.FailOn.ERROR,
    _verbose: reading.Verbose = False,
) -> None:
    """Check the addresses and votes of the fleet, and say everything that is wrong.

    Exits 0 without an error finding, 1 with one, 2 when the documents cannot be read.

    Examples:
        isthmus plan check -f shop
        isthmus plan check -o json --fail-on warning
    """
    found = reading.read(source, only, form)
    if form is output.Output.TEXT:
        output.print_findings(found.findings, err=False)
        typer.echo(_verdict(found.clusters, found.findings))
    else:
        output.emit(found.to_json(), form)
    raise typer.Exit(int(output.exit_code(found.findings, fail_on)))


def _verdict(clusters: Sequence[ranges.Ranges], findings: Sequence[finding.Finding]) -> str:
    counts = [sum(each.severity is severity for each in findings) for severity in output.RANK]
    words = [
        f"{count} {severity.value}{'s' * (count > 1)}"
        for severity, count in zip(output.RANK, counts, strict=True)
        if count
    ]
    plural = "s" if len(clusters) != 1 else ""
    return f"{len(clusters)} cluster{plural} planned: {', '.join(words) or 'nothing to say'}"
