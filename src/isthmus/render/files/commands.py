"""Target `commands`: what to run, or to feed to eksctl and kubeadm, to build clusters with their ranges.

It builds networks and clusters only as far as ranges go; machine types, versions and rights are left to
whoever runs it. Each cloud has a module of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import settings
from isthmus.model import datapath, errors
from isthmus.render.files import aks, eks, emit, gke, request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from isthmus.network.ipam import ranges


def commands(wish: request.Request) -> request.Files:
    """Return the files of each cluster whose provider has a command line."""
    files: dict[str, str] = {}
    for each in wish.clusters:
        make = MAKERS.get(each.cluster.provider) if each.cluster.provider else None
        if make is not None:
            files |= make(wish, each)
    if not files:
        known = ", ".join(provider.value for provider in MAKERS)
        raise errors.InputError(
            "no cluster to render has a provider with commands",
            why="`provider` is missing, or its clusters come another way: `plan render kind` for kind",
            remedy=f"write `provider` in the cluster, one of: {known}",
        )
    return files


def kubeadm(wish: request.Request, each: ranges.Ranges) -> dict[str, str]:
    """Return the ClusterConfiguration of kubeadm."""
    networking: dict[str, Any] = {}
    if each.pods:
        networking["podSubnet"] = ",".join(request.texts(each.pods))
    if each.services:
        networking["serviceSubnet"] = ",".join(request.texts(each.services))
    config: dict[str, Any] = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": each.cluster.name,
        "networking": networking,
    }
    if settings.uses_cilium(wish.fleet) and settings.cilium(wish.fleet, each.cluster).kube_proxy_replacement:
        config["proxy"] = {"disabled": True}
    name = f"kubeadm-{each.cluster.name}.yaml"
    return {name: emit.yaml_text("commands", [config], [f"kubeadm init --config {name}"])}


MAKERS: Final[Mapping[datapath.Provider, Callable[[request.Request, ranges.Ranges], dict[str, str]]]] = {
    datapath.Provider.GCP: gke.files,
    datapath.Provider.AWS: eks.files,
    datapath.Provider.AZURE: aks.files,
    datapath.Provider.KUBEADM: kubeadm,
}
"""What makes the files of a provider."""
