"""The field where cases are tried: policies on real agents, connections between real pods."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.clients import kinds
from tests.fidelity import cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from isthmus.clients import kube
    from tests.fidelity import cases

Json = dict[str, Any]
AGENT: Final = "k8s-app=cilium"
KINDS: Final = {
    "NetworkPolicy": kinds.NETWORK_POLICY,
    "CiliumNetworkPolicy": kinds.CILIUM_POLICY,
    "CiliumClusterwideNetworkPolicy": kinds.CILIUM_CLUSTER_POLICY,
}
NAME: Final = "io.cilium.k8s.policy.name"
UID: Final = "io.cilium.k8s.policy.uid"
SECONDS: Final = 60.0
STAYS: Final = 12
"""Looks in a row, a tenth of a second and a command apart, after which nothing more is expected."""


class Spot(NamedTuple):
    """A pod of the cast."""

    cluster: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}:{self.namespace}/{self.name}"


class Try(NamedTuple):
    """One connection."""

    source: Spot
    destination: Spot
    door: cast.Door

    def __str__(self) -> str:
        return f"{self.source} → {self.destination} {self.door.protocol} {self.door.port}"


@dataclasses.dataclass
class Field:
    """Clusters with the cast in them."""

    clusters: Mapping[str, kube.Cluster]
    addresses: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """Of pods, by cluster and `namespace/name`."""
    pods: dict[str, list[Json]] = dataclasses.field(default_factory=dict)
    """Everything of a cluster that a verdict needs beside the policies."""
    _agents: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def spots(self) -> list[Spot]:
        """All pods of the cast."""
        return [Spot(cluster, *pod[:2]) for cluster in self.clusters for pod in cast.PODS]

    async def look(self) -> None:
        """Wait until every pod answers, and note addresses and agents."""
        for name, cluster in self.clusters.items():
            found: list[Json] = []
            async with asyncio.timeout(120):
                while not _are_ready(found):
                    await asyncio.sleep(0.5)
                    found = [
                        each
                        for namespace in cast.NAMESPACES
                        for each in await cluster.list(kinds.POD, namespace)
                    ]
            agents = await cluster.list(kinds.POD, "kube-system", labels=AGENT)
            self._agents[name] = agents[0]["metadata"]["name"]
            self.addresses[name] = {
                f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["status"]["podIP"]
                for each in found
            }
            spaces = [each for each in await cluster.list(kinds.NAMESPACE) if _is_ours(each)]
            self.pods[name] = [*spaces, *found, *await cluster.list(kinds.NODE)]

    @contextlib.asynccontextmanager
    async def holding(self, case: cases.Case) -> AsyncIterator[None]:
        """Hold a case's policies in the clusters, settled, until the end."""
        await asyncio.gather(*(self._bring(*each) for each in case.objects.items()))
        try:
            await asyncio.gather(*(self._settle(*each) for each in case.objects.items()))
            yield
        finally:
            await asyncio.gather(*(self._take(*each) for each in case.objects.items()))

    async def connect(self, tries: Iterable[Try], *, timeout: str = "900ms") -> dict[Try, bool]:
        """Return which connections were answered."""
        by_source: dict[Spot, list[Try]] = {}
        for each in tries:
            by_source.setdefault(each.source, []).append(each)
        told = await asyncio.gather(*(self._ask(spot, own, timeout) for spot, own in by_source.items()))
        return {one: answered for found in told for one, answered in found.items()}

    async def _ask(self, spot: Spot, tries: Sequence[Try], timeout: str) -> dict[Try, bool]:
        lines = []
        for number, each in enumerate(tries):
            place = self.addresses[each.destination.cluster][
                f"{each.destination.namespace}/{each.destination.name}"
            ]
            target = f"{place}:{each.door.port}"
            asking = f"probe {each.door.protocol} -timeout {timeout} {target} >/dev/null 2>&1"
            lines.append(f"({asking} && echo {number}) &")
        script = "\n".join([*lines, "wait"])
        done = await self.clusters[spot.cluster].run(
            spot.namespace, spot.name, ["sh", "-c", script], container="one", seconds=60
        )
        answered = {int(line) for line in done.stdout.split()}
        return {each: number in answered for number, each in enumerate(tries)}

    async def _bring(self, name: str, objects: Sequence[Json]) -> None:
        for each in objects:
            await self.clusters[name].create(
                KINDS[each["kind"]], each, namespace=each["metadata"].get("namespace")
            )

    async def _take(self, name: str, objects: Sequence[Json]) -> None:
        for each in objects:
            kind, metadata = KINDS[each["kind"]], each["metadata"]
            await self.clusters[name].delete(kind, metadata["name"], metadata.get("namespace"))
        await self._settle(name, ())

    async def _settle(self, name: str, objects: Sequence[Json]) -> None:
        """Wait until the agent has just these policies, and every endpoint their revision.

        A policy whose rules select nothing leaves no trace there, so a state that stays is taken too.
        """
        wanted = sorted(each["metadata"]["name"] for each in objects)
        last, stays = (0, [""]), 0
        async with asyncio.timeout(SECONDS):
            while last[1] != wanted and stays < STAYS:
                found = await self._policies(name)
                stays = stays + 1 if found == last and not set(found[1]) - set(wanted) else 0
                last = found
                await asyncio.sleep(0.1)
        await self._dbg(name, "policy", "wait", str(last[0]), "--max-wait-time", "15", "--sleep-time", "1")

    async def _policies(self, name: str) -> tuple[int, list[str]]:
        """Return the agent's revision and the names of policies it has, each once for an object."""
        said = json.loads(await self._dbg(name, "policy", "get", "-o", "json"))
        held = json.loads(said["policy"] or "[]") or []
        found = set()
        for each in held:
            labels = {one["key"]: one["value"] for one in each.get("Labels") or ()}
            own = labels.get(NAME, "")
            if own.startswith("fid-"):
                found.add((own, labels.get(UID)))
        return int(said["revision"]), sorted(own for own, _ in found)

    async def _dbg(self, name: str, *words: str) -> str:
        done = await self.clusters[name].run(
            "kube-system", self._agents[name], ["cilium-dbg", *words], container="cilium-agent", seconds=30
        )
        assert done.code == 0, (done.stderr or done.stdout).decode()
        return done.stdout.decode()


def _are_ready(found: Sequence[Json]) -> bool:
    return len(found) == len(cast.PODS) and all(
        any(
            one["type"] == "Ready" and one["status"] == "True" for one in each["status"].get("conditions", ())
        )
        for each in found
    )


def _is_ours(each: Json) -> bool:
    return each["metadata"]["name"] in cast.NAMESPACES
