"""Takes the snapshot of every cluster at once: objects, what agents and KVStoreMesh say of themselves, Istio.

What any of it means is not known here. Keys of certificates stay in the snapshot, which is shown to nobody.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from isthmus.analysis import addresses, components, peering, services
from isthmus.analysis.istio import remotes
from isthmus.analysis.snapshot import SYSTEM, Json, Missing, Part, Site
from isthmus.clients import kinds, live, reach
from isthmus.doctor import agents, istio, parts
from isthmus.engine import world as worlds
from isthmus.mesh.trust import leaves
from isthmus.model import errors
from isthmus.network.imports import cluster as clusters
from isthmus.network.imports import objects

if TYPE_CHECKING:
    from isthmus.clients import kube

Say = Callable[[str, str], None]
T = TypeVar("T")

WORKLOADS: Final = {
    "agents": (kinds.DAEMON_SET, "cilium", "cilium-agent"),
    "operator": (kinds.DEPLOYMENT, "cilium-operator", "cilium-operator"),
    "mesh": (kinds.DEPLOYMENT, "clustermesh-apiserver", "apiserver"),
    "relay": (kinds.DEPLOYMENT, "hubble-relay", "hubble-relay"),
}
SECRETS: Final = (*leaves.SECRETS, peering.KVSTOREMESH, peering.AGENTS)
MESH: Final = "clustermesh-apiserver"
KVSTOREMESH: Final = ("clustermesh-apiserver", "kvstoremesh-dbg")
REACH: Final = 2.0
"""Seconds for a connection from this machine."""


async def collect(
    servers: Mapping[str, kube.Cluster], contexts: Mapping[str, str], *, say: Say
) -> dict[str, Site]:
    """Return every cluster as it was seen; `say` hears (cluster, words) as it goes."""

    async def one(name: str) -> Site:
        return await _site(servers[name], name, contexts[name], say)

    found = await worlds.each(tuple(servers), one)
    return {
        name: _silent(name, contexts[name], seen, say) if isinstance(seen, errors.IsthmusError) else seen
        for name, seen in found.items()
    }


def _silent(name: str, context: str, error: errors.IsthmusError, say: Say) -> Site:
    say(name, f"silent: {error.brief}")
    return Site(cluster=name, context=context, silent=Missing(why=error.brief, remedy=error.remedy))


async def _site(server: kube.Cluster, name: str, context: str, say: Say) -> Site:
    reader = parts.Reader(server)
    say(name, "reading objects")
    try:
        told, bare, workloads = await _objects(reader, server, Site(cluster=name, context=context))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    say(name, "asking agents")
    backends, seen, mesh, own = await asyncio.gather(
        _backends(reader, bare.services),
        agents.read(reader, workloads, port=bare.setting("cluster-health-port", agents.HEALTH_PORT)),
        _kvstoremesh(reader, workloads),
        istio.read(reader, told),
    )
    say(name, "done")
    return dataclasses.replace(
        bare,
        live=clusters.live(told),
        parts=_parts(workloads),
        agents=seen,
        kvstoremesh=mesh[0],
        troubleshoot=mesh[1],
        backends=backends,
        istio=own,
        reaches=await _reaches(own),
        authority=remotes.fingerprint(server.authority),
        server=addresses.of_url(server.server),
    )


async def _objects(
    reader: parts.Reader, server: kube.Cluster, site: Site
) -> tuple[objects.Objects, Site, dict[str, Json] | Missing]:
    """Read all objects at once; the first failure that is no refusal ends the others."""
    async with asyncio.TaskGroup() as group:
        told = group.create_task(live.read_objects(server, site.context))
        workloads = group.create_task(_workloads(reader))
        secrets = group.create_task(_secrets(reader))
        bundle = group.create_task(reader.one(kinds.CONFIG_MAP, "cilium-root-ca.crt", SYSTEM))
        users = group.create_task(reader.one(kinds.CONFIG_MAP, "clustermesh-remote-users", SYSTEM))
        spaces = group.create_task(reader.many(kinds.NAMESPACE))
        shared = group.create_task(reader.many(kinds.SERVICE))
        policies = group.create_task(_policies(reader))
    seen = dataclasses.replace(
        site,
        config=_data(_of(told.result(), f"ConfigMap {SYSTEM}/cilium-config", told.result().cilium)),
        nodes=_of(told.result(), "all nodes", told.result().nodes),
        service=_of(told.result(), f"Service {SYSTEM}/{MESH}", told.result().gateway),
        secrets=secrets.result(),
        bundle=_bundle(bundle.result()),
        users=users.result(),
        namespaces=spaces.result(),
        services=shared.result(),
        policies=policies.result(),
    )
    return told.result(), seen, workloads.result()


def _of(told: objects.Objects, what: str, value: T) -> T | Missing:
    """Return what was read of the network, or why it was refused."""
    return Missing(why=told.denied[what], remedy=parts.RIGHTS) if what in told.denied else value


# --- objects -------------------------------------------------------------------------------------
async def _workloads(reader: parts.Reader) -> dict[str, Json] | Missing:
    found = await asyncio.gather(*(reader.one(kind, label, SYSTEM) for kind, label, _ in WORKLOADS.values()))
    missing = next((each for each in found if isinstance(each, Missing)), None)
    if missing is not None:
        return missing
    return {name: body for name, body in zip(WORKLOADS, found, strict=True) if isinstance(body, dict)}


def _parts(workloads: Mapping[str, Json] | Missing) -> dict[str, Part] | Missing:
    if isinstance(workloads, Missing):
        return workloads
    found = {}
    for name, body in workloads.items():
        _, workload, container = WORKLOADS[name]
        ready, updated, desired = components.counts(body)
        version = objects.image_version(body, container)
        found[name] = Part(workload=workload, version=version, ready=ready, updated=updated, desired=desired)
    return found


async def _secrets(reader: parts.Reader) -> dict[str, Json] | Missing:
    found = await asyncio.gather(*(reader.one(kinds.SECRET, name, SYSTEM) for name in SECRETS))
    missing = next((each for each in found if isinstance(each, Missing)), None)
    if missing is not None:
        return missing
    return {name: body for name, body in zip(SECRETS, found, strict=True) if isinstance(body, dict)}


async def _policies(reader: parts.Reader) -> tuple[Json, ...] | Missing:
    found = await asyncio.gather(
        reader.many(kinds.NETWORK_POLICY),
        reader.served(kinds.CILIUM_POLICY),
        reader.served(kinds.CILIUM_CLUSTER_POLICY),
    )
    missing = next((each for each in found if isinstance(each, Missing)), None)
    if missing is not None:
        return missing
    return tuple(each for part in found if not isinstance(part, Missing) for each in part)


async def _backends(
    reader: parts.Reader, shared: Sequence[Json] | Missing
) -> dict[str, tuple[Json, ...]] | Missing:
    """Return the pods that are ready behind each global Service."""
    if isinstance(shared, Missing):
        return shared
    wanted = [
        each for each in shared if services.is_global(each) and (each.get("spec") or {}).get("selector")
    ]
    homes = tuple(dict.fromkeys(str(each["metadata"]["namespace"]) for each in wanted))
    found = await asyncio.gather(*(reader.many(kinds.POD, home) for home in homes))
    pods: dict[str, list[Json]] = {}
    for home, listed in zip(homes, found, strict=True):
        if isinstance(listed, Missing):
            return listed
        pods[home] = [each for each in listed if _is_ready(each)]
    return {
        services.key(each): tuple(pod for pod in pods[each["metadata"]["namespace"]] if _is_behind(each, pod))
        for each in wanted
    }


def _is_behind(service: Json, pod: Json) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in service["spec"]["selector"].items())


def _is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _data(body: Json | Missing | None) -> dict[str, str] | Missing | None:
    if not isinstance(body, dict):
        return body
    return {key: str(value) for key, value in (body.get("data") or {}).items()}


def _bundle(body: Json | Missing | None) -> str | Missing:
    return body if isinstance(body, Missing) else str(((body or {}).get("data") or {}).get("ca.crt") or "")


# --- what KVStoreMesh says, and what this machine reaches ----------------------------------------
async def _kvstoremesh(
    reader: parts.Reader, workloads: Mapping[str, Json] | Missing
) -> tuple[tuple[Json, ...] | Missing | None, str]:
    """Return what KVStoreMesh says of each peer, and, where one is not ready, what it finds out about why."""
    pod = await _pod_of_kvstoremesh(reader, workloads)
    if pod is None or isinstance(pod, Missing):
        return pod, ""
    said = await reader.told(pod, "kvstoremesh", (*KVSTOREMESH, "status", "-o", "json"))
    if isinstance(said, Missing):
        return said, ""
    known = tuple(each for each in objects.items(said) if isinstance(each, dict) and each.get("name"))
    if not any(peering.unready(each) for each in known):
        return known, ""
    text = await reader.said(pod, "kvstoremesh", (*KVSTOREMESH, "troubleshoot"))
    return known, "" if isinstance(text, Missing) else text


async def _pod_of_kvstoremesh(
    reader: parts.Reader, workloads: Mapping[str, Json] | Missing
) -> Json | Missing | None:
    """Return a running pod with KVStoreMesh, None where it is not installed."""
    if isinstance(workloads, Missing):
        return workloads
    containers = objects.items(objects.dig(workloads.get("mesh"), "spec", "template", "spec", "containers"))
    if not any(objects.dig(each, "name") == "kvstoremesh" for each in containers):
        return None
    pods = await reader.many(kinds.POD, SYSTEM, labels="k8s-app=clustermesh-apiserver")
    if isinstance(pods, Missing):
        return pods
    running = (each for each in pods if objects.dig(each, "status", "phase") == "Running")
    return next(running, Missing(why="no pod of clustermesh-apiserver runs"))


async def _reaches(own: Any) -> dict[str, str]:
    """Return which API servers that istiod is told of answer this machine."""
    if own is None or isinstance(own, Missing) or isinstance(own.remotes, Missing):
        return {}
    wanted = dict.fromkeys(each.server for each in remotes.remotes(own.remotes) if each.server)
    found = await asyncio.gather(*(reach.tcp(each, seconds=REACH) for each in wanted))
    return dict(zip(wanted, found, strict=True))
