"""What the engine says of a case, and where the field says otherwise."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from isthmus.policy import world
from isthmus.policy.manifests import cluster as clusters
from isthmus.policy.manifests import enforcers
from isthmus.policy.verdict import answer, judge, question
from tests.fidelity import cast, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fidelity import cases

VERSION = (1, 20)


def expected(case: cases.Case, ground: field.Field, tries: Sequence[field.Try]) -> dict[field.Try, bool]:
    """Return which connections the engine lets through."""
    objects = {
        name: tuple(world.Object(each) for each in (*ground.pods[name], *case.objects[name]))
        for name in ground.clusters
    }
    settings = {name: enforcers.settings(name, found, VERSION) for name, found in objects.items()}
    known = judge.Judge(clusters.read(objects, settings)[0])
    return {each: known.ask(_asked(each)).verdict is answer.Word.ALLOW for each in tries}


def _asked(each: field.Try) -> question.Question:
    return question.Question(
        source=_named(each.source),
        destination=_named(each.destination),
        port=each.door.port,
        protocol=question.protocol(each.door.protocol),
    )


def _named(spot: field.Spot) -> question.Workload:
    return question.Workload(spot.namespace, spot.name, spot.cluster)


def chosen(seed: int, ground: field.Field, count: int) -> list[field.Try]:
    """Return connections to try, the same for a seed."""
    spots = ground.spots
    every = [
        field.Try(source, destination, door)
        for source in spots
        for destination in spots
        for door in cast.DOORS
        if source != destination
    ]
    return random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311  # nothing secret


async def disagreements(
    case: cases.Case, ground: field.Field, tries: Sequence[field.Try]
) -> tuple[dict[field.Try, bool], list[str]]:
    """Play a case; return what the engine expects, and each connection that fares otherwise.

    What fares otherwise is tried once more with more time: a machine that is busy answers late.
    """
    wanted = expected(case, ground, tries)
    async with ground.holding(case):
        seen = await ground.connect(tries)
        doubtful = [each for each in tries if seen[each] is not wanted[each]]
        if doubtful:
            seen |= await ground.connect(doubtful, timeout="3s")
    return wanted, [
        f"{each}: the engine says {_word(wanted[each])}, the packets say {_word(seen[each])}"
        for each in tries
        if seen[each] is not wanted[each]
    ]


def _word(passes: bool) -> str:
    return "allow" if passes else "deny"
