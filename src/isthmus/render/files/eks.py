"""EKS for the target `commands`: a ClusterConfig of eksctl and the script that feeds it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix
from isthmus.mesh import settings
from isthmus.model import errors
from isthmus.render.files import emit, request, shell

if TYPE_CHECKING:
    from isthmus.network.ipam import ranges


LENGTHS: Final = (16, 24)
"""Lengths that eksctl takes for a VPC of its own (eksctl, VPC configuration)."""


def files(wish: request.Request, each: ranges.Ranges) -> dict[str, str]:
    """Return a ClusterConfig of eksctl and the script that feeds it."""
    cluster, name = each.cluster, f"eks-{each.cluster.name}.yaml"
    network = _network(each)
    group: dict[str, Any] = {
        "name": "nodes",
        "desiredCapacity": cluster.nodes,
        "minSize": 1,
        "maxSize": max(cluster.nodes, math.ceil(cluster.nodes * cluster.growth)),
        "maxPodsPerNode": cluster.pods_per_node,
        "privateNetworking": True,
    }
    config: dict[str, Any] = {
        "apiVersion": "eksctl.io/v1alpha5",
        "kind": "ClusterConfig",
        "metadata": {"name": cluster.name, "region": cluster.region or "REGION"},
        "kubernetesNetworkConfig": network,
        "vpc": {"id": cluster.vpc} if cluster.vpc else {"cidr": _vpc(each)},
    }
    own = settings.cilium(wish.fleet, cluster)
    without_cni = settings.uses_cilium(wish.fleet) and not own.is_chained_to_aws
    if without_cni:
        # The default add-ons bring the VPC CNI, which would give pods addresses of the VPC.
        config["addonsConfig"] = {"disableDefaultAddons": True}
        kept = ["coredns"] if own.kube_proxy_replacement else ["coredns", "kube-proxy"]
        config["addons"] = [{"name": each} for each in kept]
        key, _, rest = shell.TAINT.partition("=")
        value, _, effect = rest.partition(":")
        group["taints"] = [{"key": key, "value": value, "effect": effect}]
    config["managedNodeGroups"] = [group]
    return {
        name: emit.yaml_text("commands", [config], _notes(each)),
        f"eks-{cluster.name}.sh": shell.script([], _steps(name, without_cni=without_cni)),
    }


def _vpc(each: ranges.Ranges) -> str:
    """Return the range of a VPC that eksctl makes, or refuse one that it would not take."""
    nodes = prefix.parse(shell.v4(each, "nodes"))
    if not LENGTHS[0] <= nodes.length <= LENGTHS[1]:
        raise errors.InputError(
            f"cluster '{each.cluster.name}' names no `vpc`, and eksctl makes none of {nodes}",
            why=f"it takes /{LENGTHS[0]} to /{LENGTHS[1]}, which it cuts into subnets",
            remedy="name the `vpc` that has this range, or pin a `nodeRange` of that size",
        )
    return str(nodes)


def _network(each: ranges.Ranges) -> dict[str, Any]:
    v4 = [found for found in each.services if not found.is_v6]
    if not v4:
        return {"ipFamily": "IPv6"}  # EKS then gives the services a range of its own
    return {"ipFamily": "IPv4", "serviceIPv4CIDR": str(v4[0])}


def _notes(each: ranges.Ranges) -> list[str]:
    notes = ["serviceIPv4CIDR can be chosen when the cluster is made, and never after."]
    if not each.cluster.region:
        notes.append("The Fleet names no region: write it instead of REGION.")
    if each.cluster.vpc:
        notes.append(f"Add vpc.subnets: those of the VPC with the node range {shell.v4(each, 'nodes')}.")
    return notes


def _steps(name: str, *, without_cni: bool) -> list[str]:
    if not without_cni:
        return [f"eksctl create cluster -f {name}"]
    return [
        "# Nodes without a CNI are never Ready and a node group would fail, so Cilium comes between.",
        f"eksctl create cluster -f {name} --without-nodegroup",
        "# Install Cilium here: `isthmus plan render cilium`, helm upgrade --install without --wait.",
        f"eksctl create nodegroup -f {name}",
    ]
