"""What every verb of `plan` begins with: the folder read, planned, and narrowed to some clusters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import finding, folder
    from isthmus.network import plan as plans
    from isthmus.network.ipam import ranges

Source = Annotated[Path, typer.Option("--file", "-f", metavar="DIR|FILE", help="The folder, or one file.")]
Only = Annotated[str | None, typer.Option("--only", metavar="A,B", help="Show these clusters only.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
FailOn = Annotated[output.FailOn, typer.Option("--fail-on", help="The least severity that exits 1.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")]


@dataclasses.dataclass(frozen=True)
class Reading:
    """A folder and its plan, with the clusters and findings that `--only` keeps."""

    folder: folder.Folder
    plan: plans.Plan
    clusters: Sequence[ranges.Ranges]
    findings: Sequence[finding.Finding]

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON of the plan."""
        kept = {each.cluster.name for each in self.clusters}
        return {"findings": [each.to_json() for each in self.findings], **self.plan.to_json(kept)}


def read(source: Path, only: str | None, form: output.Output) -> Reading:
    """Read and plan the folder, or leave with 2 saying why it cannot be read."""
    from isthmus.network import plan as plans

    parsed = output.read_or_leave(source, form)
    assert parsed.folder is not None
    plan = plans.plan(parsed.folder)
    names = [each.cluster.name for each in plan.addresses.clusters]
    kept = set(output.pick(names, only))
    clusters = [each for each in plan.addresses.clusters if each.cluster.name in kept]
    findings = [
        each for each in (*parsed.findings, *plan.findings) if each.cluster is None or each.cluster in kept
    ]
    return Reading(parsed.folder, plan, clusters, findings)
