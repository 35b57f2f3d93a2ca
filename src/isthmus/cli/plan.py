"""`isthmus plan`: checks and shows the plan of a fleet before its clusters exist.

The judgements are in `network`; this prints them. Paths and firewall stay empty until the plan knows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import finding
    from isthmus.network import addresses, ranges

app = typer.Typer(no_args_is_help=True, help="Plan the fleet: addresses before clusters exist.")

Source = Annotated[Path, typer.Option("--file", "-f", metavar="DIR|FILE", help="The folder, or one file.")]
Only = Annotated[str | None, typer.Option("--only", metavar="A,B", help="Show these clusters only.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
FailOn = Annotated[output.FailOn, typer.Option("--fail-on", help="The least severity that exits 1.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")]


@app.command()
def check(
    source: Source = Path(),
    only: Only = None,
    form: Form = output.Output.TEXT,
    fail_on: FailOn = output.FailOn.ERROR,
    _verbose: Verbose = False,
) -> None:
    """Check the addresses and votes of the fleet, and say everything that is wrong.

    Exits 0 without an error finding, 1 with one, 2 when the documents cannot be read.

    Examples:
        isthmus plan check -f shop
        isthmus plan check -o json --fail-on warning
    """
    _, clusters, findings = _plan(source, only, form)
    if form is output.Output.TEXT:
        output.print_findings(findings, err=False)
        typer.echo(_verdict(clusters, findings))
    else:
        output.emit(_contract(clusters, findings), form)
    raise typer.Exit(int(output.exit_code(findings, fail_on)))


@app.command()
def show(
    source: Source = Path(),
    only: Only = None,
    form: Form = output.Output.TEXT,
    fail_on: FailOn = output.FailOn.ERROR,
    _verbose: Verbose = False,
) -> None:
    """Show the ranges of each cluster, given by the plan or pinned in the folder.

    Examples:
        isthmus plan show -f shop
        isthmus plan show --only west,east -o yaml
    """
    plan, clusters, findings = _plan(source, only, form)
    if form is output.Output.TEXT:
        _table(plan, clusters)
        output.print_findings(findings)
    else:
        output.emit(_contract(clusters, findings), form)
    raise typer.Exit(int(output.exit_code(findings, fail_on)))


def _plan(
    source: Path, only: str | None, form: output.Output
) -> tuple[addresses.Addresses, Sequence[ranges.Ranges], Sequence[finding.Finding]]:
    """Return the plan, and of it the clusters and findings that `--only` keeps."""
    from isthmus.network import addresses

    parsed = output.read_or_leave(source, form)
    assert parsed.folder is not None
    plan = addresses.plan(parsed.folder)
    kept = set(output.pick([each.cluster.name for each in plan.clusters], only))
    clusters = [each for each in plan.clusters if each.cluster.name in kept]
    findings = [
        each for each in (*parsed.findings, *plan.findings) if each.cluster is None or each.cluster in kept
    ]
    return plan, clusters, findings


def _contract(clusters: Sequence[ranges.Ranges], findings: Sequence[finding.Finding]) -> dict[str, Any]:
    """Return the public JSON of the plan."""
    return {
        "findings": [each.to_json() for each in findings],
        "clusters": [each.to_json() for each in clusters],
        "paths": [],
        "firewall": [],
    }


def _verdict(clusters: Sequence[ranges.Ranges], findings: Sequence[finding.Finding]) -> str:
    counts = [sum(each.severity is severity for each in findings) for severity in output.RANK]
    words = [
        f"{count} {severity.value}{'s' * (count > 1)}"
        for severity, count in zip(output.RANK, counts, strict=True)
        if count
    ]
    plural = "s" if len(clusters) != 1 else ""
    return f"{len(clusters)} cluster{plural} planned: {', '.join(words) or 'nothing to say'}"


HEADINGS = ("CLUSTER", "ID", "REGION", "NODES", "PODS", "SERVICES", "NODE RANGE")


def _table(plan: addresses.Addresses, clusters: Sequence[ranges.Ranges]) -> None:
    """Print one line a cluster. A cut range is worthless, so no column is ever narrowed to the terminal."""
    rows = [HEADINGS, *(_row(each) for each in clusters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.secho("  ".join(cells).rstrip(), bold=True if number == 0 else None)
    room = ", ".join(f"{role.value} {count:,}" for role, count in plan.headroom.items())
    if room:
        typer.echo(f"* given by this plan; room for more clusters as large as the largest: {room}")


def _row(each: ranges.Ranges) -> tuple[str, ...]:
    from isthmus.network import ranges

    cluster = each.cluster
    planned = ranges.planned_nodes(cluster)
    nodes = str(cluster.nodes) if planned == cluster.nodes else f"{cluster.nodes} → {planned}"
    cells = []
    for role in (ranges.Role.PODS, ranges.Role.SERVICES, ranges.Role.NODES):
        given = each.of(role)
        star = "*" if ranges.pinned(cluster, role) is None else ""
        cells.append("-" if given is None else f"{given}{star}")
    return (cluster.name, str(cluster.id), cluster.region or "-", nodes, *cells)
