"""What every cluster says of its network: nodes, the mesh's Service, certificates, Helm's records.

It changes nothing, and one silent cluster hides no other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import urllib.parse
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds, kube, releases
from isthmus.engine import issued, steps
from isthmus.engine import world as worlds
from isthmus.mesh import settings
from isthmus.mesh.trust import leaves
from isthmus.model import datapath, errors
from isthmus.rollout.connect import facts, names, system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import fleet
    from isthmus.rollout import release

Json = dict[str, Any]

SERVICE = "clustermesh-apiserver"
IPSEC = "cilium-ipsec-keys"


async def look(world: worlds.World, known: fleet.Fleet) -> dict[str, facts.Facts]:
    """Return what each cluster of the Fleet says."""

    async def one(name: str) -> facts.Facts:
        own = settings.cilium(known, known.cluster(name))
        needs_nodes = own.exposure is datapath.Exposure.NODE_PORT and len(known.clusters) > 1
        return await _look(world.cluster(name), needs_nodes=needs_nodes)

    found = await worlds.each(tuple(each.name for each in known.clusters), one)
    return {
        name: facts.Facts(cluster=name, error=world.secrets.clean(str(seen)))
        if isinstance(seen, errors.IsthmusError)
        else seen
        for name, seen in found.items()
    }


async def certificates(server: kube.Cluster) -> dict[str, Json]:
    """Return the Secrets of trust that are there, by name."""
    found = await asyncio.gather(
        *(server.get(kinds.SECRET, name, leaves.NAMESPACE) for name in leaves.SECRETS)
    )
    return {name: body for name, body in zip(leaves.SECRETS, found, strict=True) if body is not None}


async def _look(server: kube.Cluster, *, needs_nodes: bool) -> facts.Facts:
    asked = asyncio.gather(
        nodes(server) if needs_nodes else _no_nodes(),
        server.get(kinds.SERVICE, SERVICE, system.NAMESPACE),
        certificates(server),
        releases.history(server, system.NAME, system.NAMESPACE),
        server.get(kinds.DAEMON_SET, system.NAME, system.NAMESPACE),
        server.get(kinds.SECRET, IPSEC, system.NAMESPACE),
    )
    (listed, service, secrets, history, agents, ipsec), dns, managed = await asyncio.gather(
        asked, _dns(server), issued.standing(server, system.NAMESPACE)
    )
    newest = history[-1] if history and history[-1].status != "uninstalled" else None
    return facts.Facts(
        cluster=server.name,
        api_server=address(server.server),
        nodes=listed,
        service=service,
        secrets=secrets,
        managed=managed,
        release=newest,
        is_ours=is_ours(history),
        has_agents=agents is not None,
        has_ipsec_keys=ipsec is not None,
        dns=dns,
    )


def address(server: str) -> tuple[str, int]:
    """Return host and port of an API server's address."""
    found = urllib.parse.urlsplit(server)
    return found.hostname or "", found.port or (80 if found.scheme == "http" else 443)


def is_loopback(host: str) -> bool:
    """Say whether a host is the machine itself, and so another one on each node."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_ours(history: Sequence[release.Release]) -> bool:
    """Say whether what stands was written by us: a first try of ours that failed leaves nothing of others."""
    standing = [one for one in history if one.status in {"deployed", "superseded"}] or history
    return bool(standing) and steps.OPERATION_LABEL in standing[-1].labels


async def _dns(server: kube.Cluster) -> dict[str, Json]:
    labels = (names.CONFIG, names.CUSTOM)
    found = await asyncio.gather(*(server.get(kinds.CONFIG_MAP, name, system.NAMESPACE) for name in labels))
    return {name: body for name, body in zip(labels, found, strict=True) if body is not None}


async def nodes(server: kube.Cluster) -> tuple[tuple[str, ...], ...]:
    """Return the InternalIPs of each node, in the order of their names."""
    found = await server.list(kinds.NODE)
    listed = sorted(found, key=lambda node: str(node["metadata"]["name"]))
    return tuple(_internal(node) for node in listed)


def _internal(node: Json) -> tuple[str, ...]:
    given = (node.get("status") or {}).get("addresses") or ()
    return tuple(str(one["address"]) for one in given if one.get("type") == "InternalIP")


async def _no_nodes() -> tuple[tuple[str, ...], ...]:
    return ()
