"""Asks every Cilium agent, by commands in its pod, for its status, health probes, and the node's devices."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis import datapath
from isthmus.analysis.snapshot import SYSTEM, Agent, Json, Missing
from isthmus.clients import kinds
from isthmus.network.imports import objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.doctor import parts

CONTAINER: Final = "cilium-agent"
STATUS: Final = ("cilium-dbg", "status", "-o", "json")
HEALTH: Final = ("cilium-health", "status", "-o", "json")
LINKS: Final = ("ip", "-j", "link")
HEALTH_PORT: Final = "4240"
"""Where every agent and every health endpoint listens; `cluster-health-port` of cilium-config."""
AGAIN: Final = 16
"""Addresses that one agent is asked again for, at most."""
AGAIN_SECONDS: Final = 2.0
CONNECT: Final = """
connect() { exec 3<>"/dev/tcp/$1/$port" && echo "$1"; }
port=$1 tenths=$2
shift 2
for address; do connect "$address" & done 2>/dev/null
while [ -n "$(jobs -r)" ] && [ $((tenths--)) -gt 0 ]; do sleep 0.1; done
kill $(jobs -p) 2>/dev/null
true
"""
"""Prints those of the addresses after PORT and TENTHS (of a second) that take a TCP connection in that time.

In bash alone: an agent's image has it, and neither nc nor ping.
"""
NOT_RUNNING: Final = Missing(why="its pod does not run")


async def read(
    reader: parts.Reader, workloads: Mapping[str, Json] | Missing, *, port: str = HEALTH_PORT
) -> tuple[Agent, ...] | Missing:
    """Return every agent, asked as far as it can be; `port` is the one that health probes connect to."""
    if isinstance(workloads, Missing):
        return workloads
    if "agents" not in workloads:
        return ()
    pods = await reader.many(kinds.POD, SYSTEM, labels="k8s-app=cilium")
    if isinstance(pods, Missing):
        return pods
    return tuple(await asyncio.gather(*(_agent(reader, each, port) for each in pods)))


async def _agent(reader: parts.Reader, pod: Json, port: str) -> Agent:
    node = str(objects.dig(pod, "spec", "nodeName") or "no node")
    name = str(pod["metadata"]["name"])
    version = objects.image_version({"spec": {"template": {"spec": pod.get("spec")}}}, CONTAINER)
    if objects.dig(pod, "status", "phase") != "Running":
        return Agent(pod=name, node=node, version=version, status=NOT_RUNNING, health=NOT_RUNNING,
                     mtus=NOT_RUNNING)  # fmt: skip
    status, health, links = await asyncio.gather(
        reader.mapping(pod, CONTAINER, STATUS),
        reader.mapping(pod, CONTAINER, HEALTH),
        reader.told(pod, CONTAINER, LINKS),
    )
    told = Agent(
        pod=name,
        node=node,
        version=version,
        status=status,
        health=health,
        mtus=links if isinstance(links, Missing) else mtus(links),
    )
    return dataclasses.replace(told, answering=await _answering(reader, pod, told, port))


async def _answering(reader: parts.Reader, pod: Json, agent: Agent, port: str) -> frozenset[str]:
    """Return which of the addresses that the agent calls dead take a connection from its pod now."""
    dead = [way.address for way in datapath.ways(agent) if way.is_dead and way.address]
    if not dead:
        return frozenset()
    words = ("bash", "-c", CONNECT, "bash", port, str(round(AGAIN_SECONDS * 10)), *dead[:AGAIN])
    said = await reader.said(pod, CONTAINER, words)
    return frozenset() if isinstance(said, Missing) else frozenset(said.split())


def mtus(links: Any) -> dict[str, int]:
    """Return the MTU of each device, of what `ip -j link` prints."""
    return {
        str(each["ifname"]): int(each["mtu"])
        for each in objects.items(links)
        if isinstance(each, dict) and "ifname" in each and str(each.get("mtu")).isdigit()
    }
