"""The gate `mesh`: waits until KVStoreMesh and agents read every other cluster, by their own words.

Clusters are asked as the user. One that is silent is named like any agent that does not read a cluster yet.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.engine import work as works
from isthmus.engine import world as worlds
from isthmus.engine.connect import reading as asking
from isthmus.model import app as apps
from isthmus.model import errors, operation
from isthmus.rollout.connect import reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TICK: Final = 1.0
"""Seconds between rounds of questions."""
REMEDY: Final = (
    "compare addresses and certificates with `isthmus connect status`, and try the way from that pod with "
    "`cilium-dbg troubleshoot clustermesh`, or `clustermesh-apiserver kvstoremesh-dbg troubleshoot`"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """One cluster in one round: whom it is told of, what its pods say, why it is silent."""

    peers: tuple[str, ...] = ()
    readers: tuple[reading.Reader, ...] = ()
    agents: int = 0
    silent: str = ""


async def wait(work: works.Work, number: int, begin: Callable[[], Awaitable[None]]) -> str:
    """Wait until every cluster up to this wave reads the others; return what was seen.

    `begin` is called once something has to be waited for. Raises DeadlineError that names each agent and
    cluster with its own words.
    """
    deadline = work.clock.monotonic() + work.plan.timeout
    through: dict[str, set[str]] = {}
    said = ""
    while True:
        work.check()
        seen = await _round(work, _names(work, number), through)
        waits = [text for name, one in seen.items() if (text := _waits(name, one))]
        if not waits:
            return _told(seen)
        await begin()
        if work.clock.monotonic() >= deadline:
            raise errors.DeadlineError(f"{'; '.join(waits)}; {REMEDY}", remedy=REMEDY)
        if (now := "; ".join(waits)) != said:
            said = now
            work.say(now)
        await work.clock.sleep(TICK)


def _names(work: works.Work, number: int) -> tuple[str, ...]:
    """Return the clusters to ask: required, and through up to this wave."""
    required = {step.cluster for step in work.plan.steps if step.membership is apps.Membership.REQUIRED}
    return tuple(
        run.cluster
        for run in work.current.runs
        if run.state is operation.State.DONE and run.wave <= number and run.cluster in required
    )


async def _round(work: works.Work, names: tuple[str, ...], through: dict[str, set[str]]) -> dict[str, Seen]:
    found = await worlds.each(names, lambda name: _look(work, name, names, through))
    return {name: _seen(work, name, each) for name, each in found.items()}


async def _look(work: works.Work, name: str, among: tuple[str, ...], through: dict[str, set[str]]) -> Seen:
    server = work.world.cluster(name)
    peers = await asking.told(server, among)
    if not peers:
        return Seen()
    first = await asking.ask(server, asking.KVSTOREMESH, peers)
    if not all(each.is_through for each in first):
        return Seen(peers=peers, readers=first)  # agents may go on with what they had: nothing new comes
    known = through.setdefault(name, set())
    agents = await asking.ask(server, asking.AGENT, peers, through=known)
    known.update(each.pod for each in agents if each.is_through)
    return Seen(peers=peers, readers=agents, agents=len(agents))


def _seen(work: works.Work, name: str, found: Seen | errors.IsthmusError) -> Seen:
    return Seen(silent=work.told(found, name)) if isinstance(found, errors.IsthmusError) else found


def _waits(name: str, one: Seen) -> str:
    if one.silent:
        return f"{name} does not answer: {one.silent}"
    if one.peers and not one.readers:
        return f"{name} has no agent that could be asked"
    return reading.waits(name, one.readers)


def _told(seen: dict[str, Seen]) -> str:
    agents = sum(one.agents for one in seen.values())
    pairs = sum(len(one.peers) for one in seen.values())
    whole = len(seen) * (len(seen) - 1)
    if not pairs:
        return "no cluster has been told of another" if whole else ""
    later = f"; {whole - pairs} ways are not known to the clusters yet" if pairs < whole else ""
    return f"{agents} agents in {len(seen)} clusters read the others{later}"
