"""Reads what the network devices of nodes do by themselves, from a pod on each that is removed again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from isthmus.analysis import addresses
from isthmus.analysis.snapshot import Interface, Missing, Site
from isthmus.doctor import parts
from isthmus.engine import world as worlds
from isthmus.engine.connect import hosts
from isthmus.model import errors
from isthmus.network.imports import objects
from isthmus.rollout.connect.proof import objects as probes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Interfaces = dict[str, tuple[Interface, ...] | Missing]

NO_ADDRESS = Missing(why="the node has no InternalIP")


async def read(
    world: worlds.World, sites: Sequence[Site], *, image: str, say: Callable[[str, str], None]
) -> dict[str, Interfaces | Missing]:
    """Return, by cluster and node, the devices that hold the node's InternalIPs."""
    known = {each.cluster: each for each in sites}

    async def one(name: str) -> Interfaces | Missing:
        nodes = known[name].nodes
        return nodes if isinstance(nodes, Missing) else await _site(world, name, nodes, image, say)

    found = await worlds.each(tuple(known), one)
    return {
        name: _missing(each) if isinstance(each, errors.IsthmusError) else each
        for name, each in found.items()
    }


async def _site(
    world: worlds.World,
    name: str,
    nodes: Sequence[Mapping[str, Any]],
    image: str,
    say: Callable[[str, str], None],
) -> Interfaces:
    held = {str(objects.dig(each, "metadata", "name")): addresses.of_node(dict(each)) for each in nodes}
    asked = hosts.Hosts(
        server=world.cluster(name),
        run=secrets.token_hex(4),
        image=image or probes.IMAGE,
        clock=world.clock,
        say=lambda words: say(name, words),
    )
    say(name, "asking nodes for their interfaces")
    found = await asked.read({node: own for node, own in held.items() if own})
    return {
        node: _missing(told) if isinstance(told, errors.IsthmusError) else interfaces(told)
        for node, told in found.items()
    } | {node: NO_ADDRESS for node, own in held.items() if not own}


def interfaces(told: Mapping[str, Any]) -> tuple[Interface, ...]:
    """Return the devices, of what `probe offloads` prints."""
    return tuple(
        Interface(name=name, driver=str(each["driver"]), features=each["features"])
        for name, each in sorted(told.items())
    )


def _missing(error: errors.IsthmusError) -> Missing:
    remedy = parts.RIGHTS if isinstance(error, errors.DeniedError) else error.remedy
    return Missing(why=error.brief, remedy=remedy)
