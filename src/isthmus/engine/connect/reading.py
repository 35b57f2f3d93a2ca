"""Asks KVStoreMesh and every agent of a cluster whether they read the other clusters of their mesh.

It changes nothing. One that does not answer is named with the reason and hides no other.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.model import errors
from isthmus.rollout.connect import reading, system

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Json = dict[str, Any]

TOLD: Final = "cilium-clustermesh"
"""The Secret whose keys are the clusters that agents are told of (Cilium 1.20 clustermesh-config)."""

SECONDS: Final = 15.0
"""For one answer."""
AT_ONCE: Final = 16
"""Pods of one cluster that are asked at the same time."""


async def told(server: kube.Cluster, among: Collection[str]) -> tuple[str, ...]:
    """Return which clusters the agents of this one are told of."""
    found = await server.get(kinds.SECRET, TOLD, system.NAMESPACE)
    known = (found or {}).get("data") or {}
    return tuple(sorted(name for name in known if name in among and name != server.name))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """One kind of pods that read other clusters, and how they are asked; `of` finds them in the answer."""

    what: str
    labels: str
    container: str
    words: tuple[str, ...]
    of: Callable[[Any], Sequence[Any]]


AGENT: Final = Asked(
    what="agent",
    labels="k8s-app=cilium",
    container="cilium-agent",
    words=("cilium-dbg", "status", "-o", "json"),
    of=reading.of_agent,
)
KVSTOREMESH: Final = Asked(
    what="KVStoreMesh",
    labels="k8s-app=clustermesh-apiserver",
    container="kvstoremesh",
    words=("/usr/bin/clustermesh-apiserver", "kvstoremesh-dbg", "status", "-o", "json"),
    of=lambda said: said or (),
)


async def ask(
    server: kube.Cluster, asked: Asked, peers: Sequence[str], *, through: Collection[str] = ()
) -> tuple[reading.Reader, ...]:
    """Return what each pod says of its peers; those in `through` have said so and are not asked."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, node: str) -> reading.Reader:
        if name in through:
            return reading.Reader(pod=name, node=node, what=asked.what)
        async with gate:
            said = await _ask(server, asked, name)
        if isinstance(said, str):
            return reading.Reader(pod=name, node=node, what=asked.what, silent=said)
        found = reading.unread(asked.of(said[0]), peers)
        return reading.Reader(pod=name, node=node, what=asked.what, unread=found)

    pods = await server.list(kinds.POD, system.NAMESPACE, labels=asked.labels)
    alive = sorted(_place(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])
    return tuple(await asyncio.gather(*(one(name, node) for name, node in alive)))


async def _ask(server: kube.Cluster, asked: Asked, name: str) -> tuple[Any] | str:
    """Return what a pod says, or why it says nothing."""
    try:
        done = await server.run(
            system.NAMESPACE, name, asked.words, container=asked.container, seconds=SECONDS
        )
    except errors.IsthmusError as error:
        return error.brief
    try:
        return (json.loads(done.stdout),)
    except ValueError:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        return words[:200] or "it says nothing"


def _place(pod: Json) -> tuple[str, str]:
    return str(pod["metadata"]["name"]), str(pod["spec"].get("nodeName") or "no node")
