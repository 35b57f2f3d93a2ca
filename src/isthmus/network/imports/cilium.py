"""What ConfigMap kube-system/cilium-config tells, in the words of the Fleet.

Keys are those of Cilium 1.20 install/kubernetes/cilium/templates/cilium-configmap.yaml, and `tunnel` of
1.13 and before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.model import datapath
from isthmus.network.imports import objects
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from isthmus.network.imports import notes

SOURCE: Final = "ConfigMap kube-system/cilium-config"
POOLS: Final = ("cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr")
REPLACES: Final = {"true": True, "strict": True, "false": False, "disabled": False}
"""Words of kube-proxy-replacement; `probe` and `partial` of 1.13 and before say neither."""


def read(found: objects.Objects, into: notes.Notes) -> None:
    """Note the id, the pools and the datapath."""
    data = objects.mapping(objects.dig(found.cilium, "data"))
    if not data:
        return
    into.count("id", data.get("cluster-id"), SOURCE)
    if data.get("ipam", "cluster-pool") == "cluster-pool":
        into.ranges("pods", [data[key] for key in POOLS if data.get(key)], SOURCE)
        _mask(data, into)
    into.section("network", datapath.ClusterNetwork, _network(found, data), SOURCE)


def _mask(data: objects.Json, into: notes.Notes) -> None:
    """Note the length of a node's block; a Fleet states it beside supernets, which nobody can know."""
    into.count("node_mask", data.get("cluster-pool-ipv4-mask-size"), SOURCE)
    length, usual = into.value("node_mask"), ranges.NODE_MASK[32]
    if length not in {None, usual}:
        into.say(
            "node-mask-not-written",
            f"each node has a /{length} of pod addresses here, and a Fleet that says nothing means /{usual}",
            f"write `addressing: {{pods: {{supernets: [...], nodeMask: {length}}}}}`",
        )


def name(found: objects.Objects) -> str | None:
    """Return the cluster's name in its mesh."""
    told = objects.dig(found.cilium, "data", "cluster-name")
    return told if isinstance(told, str) else None


def _network(found: objects.Objects, data: objects.Json) -> dict[str, Any]:
    versions = [each for each in (objects.image_version(one, "cilium-agent") for one in found.agents) if each]
    chaining = data.get("cni-chaining-mode")
    return {
        "version": versions[0] if versions else None,
        **_routing(data),
        "underlay": {"ipv4": "ipv4", "ipv6": "ipv6"}.get(str(data.get("underlay-protocol"))),
        "encryption": _encryption(data),
        "mtu": _number(data.get("mtu")),
        "max_connected_clusters": _number(data.get("max-connected-clusters")),
        "exposure": objects.dig(found.gateway, "spec", "type"),
        "kube_proxy_replacement": REPLACES.get(str(data.get("kube-proxy-replacement"))),
        "egress_gateway": _switch(data.get("enable-egress-gateway", data.get("enable-ipv4-egress-gateway"))),
        "ipam": data.get("ipam"),
        "chaining": None if chaining in (None, "", "none") else chaining,
    }


def _routing(data: objects.Json) -> dict[str, Any]:
    old = data.get("tunnel")
    if old is not None and "routing-mode" not in data:
        is_native = old == "disabled"
        return {"routing": "native" if is_native else "tunnel", "encapsulation": None if is_native else old}
    routing = data.get("routing-mode")
    return {"routing": routing, "encapsulation": None if routing == "native" else data.get("tunnel-protocol")}


def _encryption(data: objects.Json) -> str:
    # The chart writes these keys only where encryption is on.
    if data.get("enable-wireguard") == "true":
        return "wireguard"
    return "ipsec" if data.get("enable-ipsec") == "true" else "none"


def _number(value: object) -> int | None:
    """Return a number above 0; Cilium's 0 means that it looks for itself."""
    text = str(value).strip()
    return int(text[:9]) or None if text.isascii() and text.isdigit() else None


def _switch(value: object) -> bool | None:
    return {"true": True, "false": False}.get(str(value))
