"""The matrix as Terraform modules, one for each cluster of AWS, GCP or Azure.

A module has the rules that let in what the cluster needs; where they are attached (security group, network,
resource group) comes in as variables, and so do ranges that no plan knows. Clusters elsewhere have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.model import datapath
from isthmus.network.needs import flows, rules
from isthmus.render.files import emit
from isthmus.render.firewall import aws, azure, gcp, hcl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isthmus.model import fleet, folder
    from isthmus.network.needs import firewall

CLOUDS: Final[Mapping[datapath.Provider, Callable[[str, Sequence[rules.Rule]], list[hcl.Block]]]] = {
    datapath.Provider.AWS: aws.blocks,
    datapath.Provider.GCP: gcp.blocks,
    datapath.Provider.AZURE: azure.blocks,
}
"""What makes the blocks of a module of a cluster's name and its rules."""

AUTHORIZED: Final = {
    datapath.Provider.GCP: "open it by the authorized networks of the control plane",
    datapath.Provider.AZURE: "open it by the authorized IP ranges of the API server",
}


def module_files(rows: Sequence[firewall.Row], source: folder.Folder) -> dict[str, str]:
    """Return `CLUSTER/firewall.tf` of each cluster whose cloud has security rules."""
    return {
        f"{each.name}/firewall.tf": _module(rows, each)
        for each in source.fleet.clusters
        if each.provider in CLOUDS
    }


def _module(rows: Sequence[firewall.Row], cluster: fleet.Cluster) -> str:
    assert cluster.provider is not None  # the caller has looked
    chosen = rules.of_cluster(rows, cluster.name)
    left = [f"left out, optional: {each}" for each in rules.optional(rows, cluster.name)]
    notes = [f"what cluster {cluster.name} must let in", *_not_here(cluster.provider, chosen), *left]
    # Comments end with their line, and what the user wrote may have several.
    head = emit.header("terraform-firewall", [" ".join(note.split()) for note in notes])
    return f"{head}\n{hcl.text(CLOUDS[cluster.provider](cluster.name, chosen))}"


def _not_here(provider: datapath.Provider, chosen: Sequence[rules.Rule]) -> list[str]:
    """Return what the rules of a cloud cannot open, and what opens it."""
    if provider is datapath.Provider.AWS:
        return []
    to_api = [each.entry for each in chosen if each.target.place is flows.Place.API]
    notes = [
        f"not here: {each.port}/{each.protocol} {each.purpose}; {AUTHORIZED[provider]}" for each in to_api
    ]
    if provider is datapath.Provider.AZURE:
        other = [each.entry for each in chosen if each.entry.protocol not in azure.PROTOCOLS]
        notes += [
            f"not here: {each.port}/{each.protocol} {each.purpose}; Azure has no rule for it"
            for each in other
        ]
    return notes
