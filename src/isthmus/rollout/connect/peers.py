"""Where a cluster reaches the ClusterMesh API servers of all others: from the Fleet and what they say.

What cannot be known yet is left out, and what a silent cluster had before stays: a peer is never dropped
because it did not answer.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import cilium, settings
from isthmus.model import datapath

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.model import fleet
    from isthmus.rollout.connect import facts as asked

NODES: Final = 3
"""Nodes that are named for a NodePort: any of them leads to the server, and each change restarts it."""


def of(known: fleet.Fleet, viewer: fleet.Cluster, facts: Mapping[str, asked.Facts]) -> dict[str, cilium.Peer]:
    """Return how one cluster reaches each other, as far as that is known."""
    found = {}
    for each in known.clusters:
        if each.name == viewer.name:
            continue
        before = facts[viewer.name].entry(each.name) if viewer.name in facts else None
        place = _place(known, each, facts.get(each.name), before) or _kept(before)
        if place is not None:
            found[each.name] = place
    return found


def names(facts: asked.Facts | None) -> tuple[str, ...]:
    """Return the host names by which a load balancer is reached; its certificate has to name them."""
    return tuple(sorted(text for text in ingress(facts.service if facts else None) if not _is_address(text)))


def _place(
    known: fleet.Fleet,
    cluster: fleet.Cluster,
    facts: asked.Facts | None,
    before: Mapping[str, Any] | None,
) -> cilium.Peer | None:
    if facts is None or facts.error:
        return None
    own = settings.cilium(known, cluster)
    if own.exposure is datapath.Exposure.NODE_PORT:
        stays = [str(text) for text in (before or {}).get("ips") or ()]
        ips = nodes(facts.nodes, own.datapath.underlay, stays)
        return cilium.Peer(ips=ips, port=own.node_port or cilium.NODE_PORT) if ips else None
    if own.exposure is datapath.Exposure.CLUSTER_IP:
        ip = str(((facts.service or {}).get("spec") or {}).get("clusterIP") or "")
        return cilium.Peer(ips=(ip,)) if _is_address(ip) else None
    hosts = ingress(facts.service)
    addresses = tuple(text for text in hosts if _is_address(text))
    if addresses:
        return cilium.Peer(ips=addresses)
    return cilium.Peer(address=hosts[0]) if hosts else None


def nodes(
    given: Sequence[Sequence[str]], underlay: datapath.Underlay, stays: Sequence[str]
) -> tuple[str, ...]:
    """Return one address each of some nodes, of which all InternalIPs are `given`.

    Those that are named already stay, while they exist.
    """
    version = 6 if underlay is datapath.Underlay.IPV6 else 4
    candidates = [
        next(
            (text for text in node if _is_address(text) and ipaddress.ip_address(text).version == version), ""
        )
        for node in given
    ]
    present = [text for text in candidates if text]
    kept = [text for text in stays if text in present]
    return tuple([*kept, *(text for text in present if text not in kept)][:NODES])


def _kept(before: Mapping[str, Any] | None) -> cilium.Peer | None:
    if not before:
        return None
    ips = tuple(str(text) for text in before.get("ips") or ())
    port = before.get("port")
    return cilium.Peer(
        address=str(before.get("address") or ""),
        ips=ips,
        port=port if isinstance(port, int) else cilium.MESH_PORT,
    )


def ingress(service: Mapping[str, Any] | None) -> list[str]:
    """Return the addresses and names of a Service's load balancer."""
    status = ((service or {}).get("status") or {}).get("loadBalancer") or {}
    return [str(one.get("ip") or one.get("hostname")) for one in status.get("ingress") or () if one]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
