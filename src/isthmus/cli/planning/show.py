"""`isthmus plan show`: the plan to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network import addresses, ranges


def show(
    source: reading.Source = Path(),
    only: reading.Only = None,
    form: reading.Form = output.Output.TEXT,
    fail_on: reading.FailOn = output.FailOn.ERROR,
    _verbose: reading.Verbose = False,
) -> None:
    """Show the ranges of each cluster, given by the plan or pinned in the folder.

    Examples:
        isthmus plan show -f shop
        isthmus plan show --only west,east -o yaml
    """
    found = reading.read(source, only, form)
    if form is output.Output.TEXT:
        _table(found.plan.addresses, found.clusters)
        output.print_findings(found.findings)
    else:
        output.emit(found.to_json(), form)
    raise typer.Exit(int(output.exit_code(found.findings, fail_on)))


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
        pins = ranges.pinned(cluster, role)
        texts = [f"{given}" if given in pins else f"{given}*" for given in each.of(role)]
        cells.append(",".join(texts) or "-")
    return (cluster.name, str(cluster.id), cluster.region or "-", nodes, *cells)
