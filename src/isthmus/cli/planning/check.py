"""`isthmus plan check`: everything that is wrong with the plan."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output
from isthmus.cli.planning import applied, reading, signed
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network.ipam import ranges

Signed = Annotated[
    bool, typer.Option("--require-signatures", help="Fail while an owner has not signed what it owns.")
]
Trust = Annotated[
    str | None,
    typer.Option("--trust", metavar="SHA256", help="The agreed teams that the signatures must come from."),
]
Live = Annotated[bool, typer.Option("--live", help="Compare with the clusters that run, too.")]
Record = Annotated[
    bool, typer.Option("--record", help="Record this plan as applied, for later checks to compare with.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Record without asking what changes the record.")]


def check(
    source: reading.Source = Path(),
    only: reading.Only = None,
    form: reading.Form = output.Output.TEXT,
    fail_on: reading.FailOn = output.FailOn.ERROR,
    require_signatures: Signed = False,
    trust: Trust = None,
    live: Live = False,
    record: Record = False,
    yes: Yes = False,
    _verbose: reading.Verbose = False,
) -> None:
    """Check the plan of the fleet, and say everything that is wrong.

    Exits 0 without an error finding, 1 with one, 2 when the documents cannot be read, 3 when a cluster that
    `--live` asks does not answer. A plan that was recorded in `plan.lock.json` is what the next one is held
    against: what cannot be changed in place is an error that tells the way round.

    Examples:
        isthmus plan check -f shop
        isthmus plan check -o json --fail-on warning
        isthmus plan check --require-signatures --trust sha256:4be1...
        isthmus plan check --record
    """
    found = reading.read(source, only, form)
    plain = found.findings
    changes = applied.recorded(found, source)
    told, code = applied.live(found) if live else ((), None)
    signatures = signed.findings(
        found, source, required=require_signatures or trust is not None, trusted=trust
    )
    found = _with(found, (*changes, *told, *signatures))
    if form is output.Output.TEXT:
        output.print_findings(found.findings, err=False)
        typer.echo(_verdict(found.clusters, found.findings))
    else:
        output.emit(found.to_json(), form)
    if record:
        _record(found, source, [*plain, *told], changes, yes=yes)
        fresh = [each for each in found.findings if each not in changes]
        found = dataclasses.replace(found, findings=fresh)
    raise typer.Exit(int(code or output.exit_code(found.findings, fail_on)))


def _with(found: reading.Reading, more: Sequence[finding.Finding]) -> reading.Reading:
    """Return the reading with more findings, of the clusters that `--only` keeps."""
    kept = {each.cluster.name for each in found.clusters}
    return dataclasses.replace(
        found,
        findings=[*found.findings, *(each for each in more if each.cluster is None or each.cluster in kept)],
    )


def _record(
    found: reading.Reading,
    source: Path,
    others: Sequence[finding.Finding],
    changes: Sequence[finding.Finding],
    *,
    yes: bool,
) -> None:
    """Record the plan, unless it is wrong, or changes what was applied and nobody says that it is done."""
    if finding.has_errors(list(others)):
        raise errors.InputError(
            "the plan is not recorded: it has errors", remedy="mend them first: isthmus plan check"
        )
    if changes and not yes:
        if not sys.stdin.isatty():
            raise errors.InputError(
                "the plan is not recorded: it changes what was applied",
                remedy="when the clusters have been changed as told above, repeat with --yes",
            )
        typer.confirm("Are the clusters changed as told above, so that this plan is applied?", abort=True)
    path, count = applied.keep(found, source)
    typer.echo(f"recorded {count} cluster{'s' * (count != 1)} in {path}", err=True)


def _verdict(clusters: Sequence[ranges.Ranges], findings: Sequence[finding.Finding]) -> str:
    counts = [sum(each.severity is severity for each in findings) for severity in output.RANK]
    words = [
        f"{count} {severity.value}{'s' * (count > 1)}"
        for severity, count in zip(output.RANK, counts, strict=True)
        if count
    ]
    plural = "s" if len(clusters) != 1 else ""
    return f"{len(clusters)} cluster{plural} planned: {', '.join(words) or 'nothing to say'}"
