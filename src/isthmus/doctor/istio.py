"""Reads Istio of one cluster: trust domain, roots, remote Secrets, and what istiod says of other clusters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis.istio import remotes, roots
from isthmus.analysis.snapshot import ISTIO, Istio, Json, Missing
from isthmus.clients import kinds
from isthmus.mesh import istiod
from isthmus.network.imports import cluster as clusters
from isthmus.network.imports import objects

if TYPE_CHECKING:
    from isthmus.doctor import parts

PUBLIC: Final = ("root-cert.pem", "ca-cert.pem", "ca.crt", "cert-chain.pem")


async def read(reader: parts.Reader, told: objects.Objects) -> Istio | Missing | None:
    """Return Istio of a cluster, None where there is none."""
    if told.istio_home is None and f"Namespace {ISTIO}" not in told.denied:
        return None  # so what is refused in it is nothing that could be there
    denied = next((why for what, why in told.denied.items() if ISTIO in what), None)
    if denied is not None and not told.istiod and not told.mesh:
        return Missing(why=denied, remedy="isthmus permissions doctor prints the rights that it takes")
    if not told.istiod and not any(objects.dig(each, "data", "mesh") for each in told.mesh):
        return None
    plugged, own, secrets, said = await asyncio.gather(
        reader.one(kinds.SECRET, roots.PLUGGED, ISTIO),
        reader.one(kinds.SECRET, roots.OWN, ISTIO),
        reader.many(kinds.SECRET, ISTIO, labels=f"{remotes.LABEL}=true"),
        _told(reader) if told.istiod else _nothing(),
    )
    stated = clusters.live(told).istio
    return Istio(
        cluster_id=_id(told),
        has_istiod=bool(told.istiod),
        trust_domain=(stated.trust_domain if stated else None) or "",
        roots=_public(plugged, own),
        remotes=secrets,
        told=said,
    )


async def _nothing() -> istiod.Told:
    return istiod.Told()


async def _told(reader: parts.Reader) -> istiod.Told | Missing:
    pods = await reader.many(kinds.POD, ISTIO, labels="app=istiod")
    if isinstance(pods, Missing):
        return pods
    running = [each for each in pods if objects.dig(each, "status", "phase") == "Running"]
    if not running:
        return Missing(why="no pod of istiod runs")
    asked = (reader.told(running[0], "discovery", words) for words in istiod.REQUESTS)
    pages: list[Any] = await asyncio.gather(*asked)
    missing = next((each for each in pages if isinstance(each, Missing)), None)
    if missing is not None:
        return missing
    try:
        return istiod.parse(*pages)
    except ValueError as error:
        return Missing(why=f"istiod: {error}")


def _id(told: objects.Objects) -> str:
    """Return CLUSTER_ID of istiod, which the chart takes from `global.multiCluster.clusterName`."""
    for deployment in told.istiod:
        for container in objects.items(objects.dig(deployment, "spec", "template", "spec", "containers")):
            for each in objects.items(objects.dig(container, "env")):
                if objects.dig(each, "name") == "CLUSTER_ID" and objects.dig(each, "value"):
                    return str(each["value"])
    return ""


def _public(*secrets: Json | Missing | None) -> tuple[Json, ...] | Missing:
    """Return the Secrets without keys."""
    missing = next((each for each in secrets if isinstance(each, Missing)), None)
    if missing is not None:
        return missing
    return tuple(
        {"metadata": {"name": each["metadata"]["name"]},
         "data": {key: text for key, text in (each.get("data") or {}).items() if key in PUBLIC}}
        for each in secrets
        if isinstance(each, dict)
    )  # fmt: skip
