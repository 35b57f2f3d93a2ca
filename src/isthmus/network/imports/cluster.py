"""One live cluster from its objects; the best source of each field comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.model import datapath
from isthmus.network.imports import cilium, istio, names, nodes, notes, objects

if TYPE_CHECKING:
    from isthmus.network import imported

KUBEADM: Final = "ConfigMap kube-system/kubeadm-config"


def live(found: objects.Objects) -> imported.Live:
    """Return what the objects of one cluster say of its network."""
    into = notes.Notes()
    for what, why in found.denied.items():
        into.say(
            "not-allowed",
            f"cannot read {what}: {why}",
            "ask for the right to read it (get and list), then import again",
        )
    cilium.read(found, into)
    networking = objects.kubeadm_network(found)
    into.ranges("pods", [networking.get("podSubnet") or ""], KUBEADM)
    into.ranges(
        "pods",
        [objects.argument(found, "--cluster-cidr") or ""],
        "--cluster-cidr of kube-controller-manager",
    )
    nodes.blocks(found, into)
    _services(found, into)
    nodes.read(found, into)
    istio.read(found, into)
    if found.kubeadm is not None:
        into.put("provider", datapath.Provider.KUBEADM, KUBEADM)
    told = names.of_context(found.context)
    into.put("region", told.region, "the name of the context")
    into.put("account", told.account, "the name of the context")
    return into.live(
        _name(found, told.name), context=found.context, uid=objects.dig(found.system, "metadata", "uid")
    )


def _name(found: objects.Objects, told: str) -> str:
    """Return the name in the mesh, else the one that kind gave, else what is left of the context."""
    for each in (cilium.name(found), nodes.kind_name(found)):
        if each and names.is_name(each):
            return each
    return told if names.is_name(told) else "cluster"


def _services(found: objects.Objects, into: notes.Notes) -> None:
    into.ranges("services", [objects.kubeadm_network(found).get("serviceSubnet") or ""], KUBEADM)
    stated = {
        str(objects.dig(each, "metadata", "name")): objects.items(objects.dig(each, "spec", "cidrs"))
        for each in found.service_ranges
    }
    # The API server keeps the range of its flag under this name; others were added to it later.
    into.ranges("services", stated.get("kubernetes", []), "ServiceCIDR kubernetes")
    into.ranges("services", [text for texts in stated.values() for text in texts], "the ServiceCIDRs")
    flag = "--service-cluster-ip-range"
    into.ranges("services", [objects.argument(found, flag) or ""], f"{flag} of kube-apiserver")
    seen = [
        each
        for service in found.services
        for text in objects.items(objects.dig(service, "spec", "clusterIPs"))
        for each in _address(text)
    ]
    into.around("services", seen, "clusterIPs of the Services")


def _address(text: object) -> list[prefix.Prefix]:
    """Return the address; headless Services have `None`."""
    try:
        return [prefix.parse(str(text))]
    except ValueError:
        return []
