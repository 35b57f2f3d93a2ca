"""Target `terraform`: one file of variables per provider and account, and the type that they have.

The names are those that `plan import` reads back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.network.ipam import ranges
from isthmus.render.files import emit, request

if TYPE_CHECKING:
    from isthmus.model import fleet

VARIABLE: Final = """\
variable "clusters" {
  description = "The clusters of one account by name, with the ranges that the plan gives them."
  type = map(object({
    id                  = number
    region              = string
    account             = string
    vpc                 = string
    owner               = string
    mtu                 = number
    nodes               = number
    planned_nodes       = number
    pods_per_node       = number
    node_cidrs          = list(string)
    pod_cidrs           = list(string)
    pods_range_name     = string
    pod_node_masks      = map(number)
    service_cidrs       = list(string)
    services_range_name = string
  }))
}
"""


def variables(wish: request.Request) -> request.Files:
    """Return a `.tfvars.json` for each provider and account, and the variable's declaration."""
    accounts: dict[str, dict[str, Any]] = {}
    for each in wish.clusters:
        accounts.setdefault(_account(each.cluster), {})[each.cluster.name] = _cluster(wish.fleet, each)
    notes = ("terraform plan -var-file ACCOUNT.tfvars.json",)
    return {
        "variables.tf": emit.header("terraform", notes) + VARIABLE,
        **{f"{name}.tfvars.json": emit.json_text({"clusters": found}) for name, found in accounts.items()},
    }


def _account(cluster: fleet.Cluster) -> str:
    """Return provider and account as the name of a file."""
    parts = (cluster.provider.value if cluster.provider else "any", cluster.account or "any")
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts)).strip(".-") or "any"


def _cluster(known: fleet.Fleet, each: ranges.Ranges) -> dict[str, Any]:
    cluster = each.cluster
    masks = {
        "ipv6" if family.is_v6 else "ipv4": ranges.node_mask(known.spec.addressing, family.bits)
        for family in each.pods
    }
    return {
        "id": cluster.id,
        "region": cluster.region,
        "account": cluster.account,
        "vpc": cluster.vpc,
        "owner": cluster.owner,
        "mtu": cluster.mtu,
        "nodes": cluster.nodes,
        "planned_nodes": ranges.planned_nodes(cluster),
        "pods_per_node": cluster.pods_per_node,
        "node_cidrs": request.texts(each.nodes),
        "pod_cidrs": request.texts(each.pods),
        "pods_range_name": range_name(cluster, "pods"),
        "pod_node_masks": masks,
        "service_cidrs": request.texts(each.services),
        "services_range_name": range_name(cluster, "services"),
    }


def range_name(cluster: fleet.Cluster, role: str) -> str:
    """Return the name of a secondary range of a cluster's subnet, the same in each target."""
    return f"{cluster.name}-{role}"
