"""`isthmus plan quotas`: what must be asked of each cloud account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network.needs import asks

HEADINGS = ("PROVIDER", "ACCOUNT", "REGION", "VPC", "WHAT", "COUNT", "DEFAULT", "WHY")


def quotas(
    source: reading.Source = Path(),
    only: reading.Only = None,
    form: reading.Form = output.Output.TEXT,
    fail_on: reading.FailOn = output.FailOn.ERROR,
    _verbose: reading.Verbose = False,
) -> None:
    """Count what must be asked of each cloud account before clusters are built.

    Nodes after growth, load balancers, ranges, routes, peerings and firewall rules, each with its reason; the
    source of each, and of the cloud's own limit, is in the JSON.

    Examples:
        isthmus plan quotas -f shop
        isthmus plan quotas --only west -o json
    """
    from isthmus.network.needs import quotas as judgement

    found = reading.read(source, only, form)
    made = judgement.quotas(found.folder, found.plan.addresses.clusters, found.plan.firewall)
    kept = {each.cluster.name for each in found.clusters}
    shown = [ask for ask in made.asks if kept.intersection(ask.clusters)]
    findings = [*found.findings, *(each for each in made.findings if each.cluster in {None, *kept})]
    if form is output.Output.TEXT:
        _table(shown)
        output.print_findings(findings)
    else:
        body = {"findings": [each.to_json() for each in findings], "quotas": [ask.to_json() for ask in shown]}
        output.emit(body, form)
    raise typer.Exit(int(output.exit_code(findings, fail_on)))


def _table(shown: Sequence[asks.Ask]) -> None:
    """Print one line for each ask; the reason wraps and nothing else is cut."""
    import shutil

    from isthmus.render import table

    rows = [
        (
            ask.provider,
            ask.account,
            ask.region,
            ask.vpc,
            ask.what,
            f"{ask.count:,}",
            "-" if ask.default is None else f"{ask.default:,}",
            ask.why,
        )
        for ask in shown
    ]
    width = shutil.get_terminal_size((table.WIDTH, 24)).columns if output.is_terminal() else table.WIDTH
    for line in table.columns(rows, HEADINGS, width=width):
        typer.echo(line)
