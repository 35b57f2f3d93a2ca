"""GKE for the target `commands`: a subnet with two named secondary ranges, and the cluster on it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from isthmus.mesh import settings
from isthmus.render.files import request, shell, tfvars

if TYPE_CHECKING:
    from isthmus.network.ipam import ranges

ZONES: Final = 3
"""Of a regional cluster; --num-nodes counts per zone."""


def files(wish: request.Request, each: ranges.Ranges) -> dict[str, str]:
    """Return a script for gcloud: one subnet with two named secondary ranges, and the cluster on it."""
    cluster = each.cluster
    nodes, pods, services = shell.v4(each, "nodes"), shell.v4(each, "pods"), shell.v4(each, "services")
    named = [("pods", pods), ("services", services)]
    secondary = ",".join(f"{tfvars.range_name(cluster, role)}={found}" for role, found in named)
    place = [f"--project {shell.text(cluster.account, 'PROJECT')}"]
    subnet = f"{cluster.name}-nodes"
    region = shell.text(cluster.region, "REGION")
    body = [
        "# Secondary ranges cannot be replaced once a cluster uses them.",
        shell.command(
            f"gcloud compute networks subnets create {subnet}",
            *place,
            f"--network {shell.text(cluster.vpc, 'NETWORK')}",
            f"--region {region}",
            f"--range {nodes}",
            f"--secondary-range {secondary}",
        ),
        f"# --num-nodes counts per zone: {cluster.nodes} nodes over {ZONES} zones.",
        shell.command(
            f"gcloud container clusters create {cluster.name}",
            *place,
            f"--location {region}",
            f"--network {shell.text(cluster.vpc, 'NETWORK')}",
            f"--subnetwork {subnet}",
            "--enable-ip-alias",
            f"--cluster-secondary-range-name {tfvars.range_name(cluster, 'pods')}",
            f"--services-secondary-range-name {tfvars.range_name(cluster, 'services')}",
            f"--default-max-pods-per-node {cluster.pods_per_node}",
            f"--num-nodes {math.ceil(cluster.nodes / ZONES)}",
            *([f"--node-taints {shell.TAINT}"] if settings.uses_cilium(wish.fleet) else []),
        ),
    ]
    notes = ["IPv6 ranges of GKE are given by Google and are not set here."] if shell.has_v6(each) else []
    return {f"gke-{cluster.name}.sh": shell.script(notes, body)}
