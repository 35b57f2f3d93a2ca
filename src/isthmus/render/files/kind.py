"""Target `kind`: a cluster on one machine with the same ranges, to try the plan before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import settings
from isthmus.render.files import emit, request

if TYPE_CHECKING:
    from isthmus.network.ipam import ranges

MOST_WORKERS: Final = 3
"""Each is a container with a kubelet of about 100 MiB and an agent of about 180; a trial needs no more."""


def configs(wish: request.Request) -> request.Files:
    """Return a kind configuration for each cluster."""
    return {f"{each.cluster.name}.yaml": _file(wish, each) for each in wish.clusters}


def _file(wish: request.Request, each: ranges.Ranges) -> str:
    wanted = each.cluster.nodes
    workers = max(1, min(MOST_WORKERS, wanted - 1))
    notes = [f"kind create cluster --config {each.cluster.name}.yaml"]
    if workers + 1 < wanted:
        notes.append(f"The Fleet has {wanted} nodes here; one machine gets 1 and {workers} workers.")
    return emit.yaml_text("kind", [_config(wish, each, workers)], notes)


def _config(wish: request.Request, each: ranges.Ranges, workers: int) -> dict[str, Any]:
    networking: dict[str, Any] = {"ipFamily": _family(each)}
    if each.pods:
        networking["podSubnet"] = ",".join(request.texts(each.pods))
    if each.services:
        networking["serviceSubnet"] = ",".join(request.texts(each.services))
    if settings.uses_cilium(wish.fleet):
        networking["disableDefaultCNI"] = True
        if settings.cilium(wish.fleet, each.cluster).kube_proxy_replacement:
            networking["kubeProxyMode"] = "none"
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": each.cluster.name,
        "networking": networking,
        "nodes": [{"role": "control-plane"}, *({"role": "worker"} for _ in range(workers))],
    }


def _family(each: ranges.Ranges) -> str:
    families = {family.is_v6 for family in (*each.pods, *each.services)}
    if len(families) == 2:
        return "dual"
    return "ipv6" if families == {True} else "ipv4"
