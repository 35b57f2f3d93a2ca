"""What `plan render` can make of a plan, by name. A new target is a function and one entry here."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.model import errors, fleet
from isthmus.render import matrix
from isthmus.render.files import capi, commands, kind, request, stubs, tfvars, values
from isthmus.render.firewall import nftables, pages, sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A form of the plan for some tool; `files` has texts by name, below a folder named as the target."""

    name: str
    line: str
    files: Callable[[request.Request], request.Files]


_ALL = (
    Target(name="cilium", line="Helm values of Cilium, one file a cluster", files=values.cilium),
    Target(
        name="istio",
        line="Helm values, objects and patches of Istio, by cluster",
        files=values.istio,
    ),
    Target(name="kind", line="kind configurations with the same ranges, to try the plan", files=kind.configs),
    Target(name="cluster-api", line="Cluster API: the network of each Cluster", files=capi.clusters),
    Target(name="terraform", line="Terraform variables, one file an account", files=tfvars.variables),
    Target(
        name="commands",
        line="gcloud, eksctl, az and kubeadm: what builds the clusters with their ranges",
        files=commands.commands,
    ),
    Target(name="dns", line="DNS stub zones, for clusters without a mesh of names", files=stubs.zones),
    Target(
        name="firewall-csv",
        line="the firewall matrix as a table for a spreadsheet",
        files=matrix.of(sheet.csv_files),
    ),
    Target(
        name="firewall-markdown", line="the firewall matrix as a page", files=matrix.of(sheet.markdown_files)
    ),
    Target(
        name="nftables",
        line="the firewall matrix for a Linux router: nft -f",
        files=matrix.of(nftables.table_files),
    ),
    Target(
        name="terraform-firewall",
        line="security rules of AWS, GCP and Azure, one module a cluster",
        files=matrix.modules,
    ),
    Target(
        name="team-pages", line="what each team must open, one page a team", files=matrix.of(pages.page_files)
    ),
)

TARGETS: Final[Mapping[str, Target]] = {each.name: each for each in _ALL}
"""The targets, in the order in which they are listed."""


def find(name: str) -> Target:
    """Return a target, or refuse naming the near ones."""
    if name not in TARGETS:
        raise errors.InputError(
            f"no target '{name}'",
            remedy=f"use one of: {fleet.near(name, TARGETS)}; `isthmus plan render` lists all",
        )
    return TARGETS[name]


def render(names: tuple[str, ...], wish: request.Request) -> dict[str, str]:
    """Return the files of targets, each below a folder named after its target."""
    return {
        f"{name}/{file}": text
        for name in dict.fromkeys(names)
        for file, text in sorted(find(name).files(wish).items())
    }
