"""Target `cluster-api`: the network of each Cluster; what runs it (control plane, machines) is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.render.files import emit, request

if TYPE_CHECKING:
    from isthmus.network.ipam import ranges

NOTES = ("Lay this over your Cluster: the references to a control plane and to infrastructure are yours.",)


def clusters(wish: request.Request) -> request.Files:
    """Return the manifest of each Cluster."""
    return {
        f"{each.cluster.name}.yaml": emit.yaml_text("cluster-api", [_manifest(each)], NOTES)
        for each in wish.clusters
    }


def _manifest(each: ranges.Ranges) -> dict[str, Any]:
    """Return a Cluster; `clusterNetwork` is the same in v1beta1."""
    network: dict[str, Any] = {}
    if each.services:
        network["services"] = {"cidrBlocks": request.texts(each.services)}
    if each.pods:
        network["pods"] = {"cidrBlocks": request.texts(each.pods)}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "metadata": {"name": each.cluster.name},
        "spec": {"clusterNetwork": network | {"serviceDomain": "cluster.local"}},
    }
