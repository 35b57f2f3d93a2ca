"""Asks every proxy of the mesh what it presents and whom it trusts, and waits until that is as it has to be.

It changes nothing. A proxy that cannot be asked is named with the reason, and hides no other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.engine import world as worlds
from isthmus.mesh.trust import proxies
from isthmus.model import errors
from isthmus.rollout.connect import rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]

SECONDS: Final = 15.0
"""For one answer."""
AT_ONCE: Final = 16
"""Proxies of one cluster that are asked at the same time."""
TICK: Final = 2.0
"""Seconds between rounds of questions."""
NAMED: Final = 10
"""Proxies that a message names; more are counted."""


async def look(world: worlds.World, names: Sequence[str]) -> tuple[rotation.Proxy, ...]:
    """Return what each proxy of these clusters holds; UnreachableError where a cluster is silent."""
    found = await worlds.each(tuple(names), lambda name: _look(world, world.cluster(name)))
    gathered: list[rotation.Proxy] = []
    for name, one in found.items():
        if isinstance(one, errors.IsthmusError):
            raise errors.UnreachableError(
                "every cluster has to answer while a root is replaced",
                where=name,
                why=world.secrets.clean(one.brief),
                remedy="bring it back; then run the same again: it goes on where it stopped",
            )
        gathered += one
    return tuple(gathered)


async def wait(
    world: worlds.World,
    names: Sequence[str],
    behind: Callable[[Sequence[rotation.Proxy]], Sequence[str]],
    *,
    what: str,
    seconds: float,
    say: Callable[[str], None],
) -> int:
    """Wait until no proxy is `behind`, and return how many there are; DeadlineError names those that are.

    `what` is what has to hold, in words, and `say` is called when something changes while it does not.
    """
    deadline = world.clock.monotonic() + seconds
    said = ""
    while True:
        seen = await look(world, names)
        left = list(behind(seen))
        if not left:
            return len(seen)
        if world.clock.monotonic() >= deadline:
            raise errors.DeadlineError(
                f"waited {seconds:g}s until {what}: {len(left)} of {len(seen)} proxies are behind",
                why=named(left),
                remedy="restart these pods (kubectl rollout restart), or wait until they renew their "
                "certificates (half a day, by Istio's defaults); then run the same again: it goes on here",
            )
        if (now := f"waiting until {what}: {len(left)} of {len(seen)} are behind") != said:
            said = now
            say(now)
        await world.clock.sleep(TICK)


def named(left: Sequence[str]) -> str:
    """Return the proxies that are behind as one text."""
    more = f"; and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return "; ".join(left[:NAMED]) + more


async def _look(world: worlds.World, server: kube.Cluster) -> list[rotation.Proxy]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(pod: Json) -> rotation.Proxy:
        space, name = str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"])
        async with gate:
            said = await _ask(world, server, space, name)
        silent = said if isinstance(said, str) else ""
        held = None if isinstance(said, str) else said
        return rotation.Proxy(cluster=server.name, namespace=space, pod=name, held=held, silent=silent)

    pods = await server.list(kinds.POD, labels=proxies.LABEL)
    return list(await asyncio.gather(*(one(each) for each in pods if proxies.runs(each))))


async def _ask(world: worlds.World, server: kube.Cluster, space: str, name: str) -> proxies.Held | str:
    """Return what a proxy holds, or why that is not known."""
    try:
        done = await server.run(space, name, proxies.REQUEST, container=proxies.CONTAINER, seconds=SECONDS)
    except errors.IsthmusError as error:
        return world.secrets.clean(error.brief)
    try:
        return proxies.parse(done.stdout.decode(errors="replace"))
    except ValueError as error:
        return str(error)
