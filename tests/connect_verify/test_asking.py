"""What is asked is enough for what is concluded, on networks that are slow, lose packets, or are wide."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import TYPE_CHECKING, Any, cast

import pytest

from isthmus.clients import commands
from isthmus.engine.connect import asking, probes, verify
from isthmus.rollout.connect.proof import judge, questions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from isthmus.clients import kube
    from isthmus.engine import clock as clocks

Leg = questions.Leg
State = judge.State


@dataclasses.dataclass(kw_only=True)
class World:
    """A clock, and a network between probes that prints what they would print."""

    clusters: Sequence[str]
    answers_in: float = 0.001
    """Seconds from a request to its answer."""
    loss: float = 0.0
    """The share of requests that get no answer."""
    denied: frozenset[int] = frozenset()
    """Ports that a policy shuts, and that the network does shut."""
    opens: float = 0.0
    """Seconds until the network knows of the pods."""
    chance: random.Random = dataclasses.field(default_factory=lambda: _seeded(1))
    time: float = 0.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    async def run(
        self, _namespace: str, _pod: str, words: Sequence[str], *, container: str, seconds: float
    ) -> commands.Done:
        """Answer as the program probe does."""
        told = dict(each.lstrip("-").split("=") for each in words if each.startswith("-"))
        timeout = float(told["timeout"].rstrip("s"))
        lines = [self._try(words[-1], timeout) for _ in range(int(told["count"]))]
        assert sum(each["millis"] for each in lines) / 1000 <= seconds, "the command had ended before"
        return commands.Done(code=0, stdout="\n".join(map(json.dumps, lines)).encode(), stderr=b"")

    def _try(self, target: str, timeout: float) -> dict[str, Any]:
        shut = any(f":{port}" in target for port in self.denied)
        lost = self.chance.random() < self.loss or self.time < self.opens
        took = timeout if shut or lost else min(timeout, self.answers_in)
        self.time += took
        if took >= timeout:
            return {"millis": took * 1000, "error": "i/o timeout"}
        name = self.chance.choice(self.clusters) if questions.SERVICE in target else self.clusters[-1]
        return {"millis": took * 1000, "answer": name}


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same losses in every run


def _asker(world: World) -> asking.Asker:
    pod = probes.Pod(name="probe", address="10.0.1.9", node="n1")
    return asking.Asker(
        servers=dict.fromkeys(world.clusters, cast("kube.Cluster", world)),
        pairs=dict.fromkeys(world.clusters, probes.Pair(asking=pod, answering=pod)),
        clock=cast("clocks.Clock", world),
        patience=asking.Patience(),
    )


async def _policed(world: World, *, works: bool) -> State:
    """Ask about a policy that the network knows, or does not."""
    asker, question = _asker(world), questions.Question(source="west", leg=Leg.POLICY, targets=("east",))
    before = await asking.before(asker, question)
    world.denied = frozenset({questions.TCP}) if works else frozenset()
    return (await asking.policed(asker, question, before))["east"].state


@pytest.mark.parametrize("answers_in", [0.001, 0.6, 1.2, 1.9])
async def test_a_slow_path_is_never_taken_for_a_policy(answers_in: float) -> None:
    world = World(clusters=("west", "east"), answers_in=answers_in)

    assert await _policed(world, works=False) is State.FAILED


async def test_lost_packets_are_not_taken_for_a_policy() -> None:
    """One lost request in twenty: chance may fool one run in a few hundred, not every second one."""
    fooled = 0
    for seed in range(200):
        world = World(clusters=("west", "east"), loss=0.05, chance=_seeded(seed))
        fooled += await _policed(world, works=False) is State.OK

    assert fooled <= 4


@pytest.mark.parametrize("answers_in", [0.001, 1.9])
async def test_a_policy_that_denies_is_proved_on_a_slow_path_too(answers_in: float) -> None:
    assert await _policed(World(clusters=("west", "east"), answers_in=answers_in), works=True) is State.OK


async def test_a_mesh_that_tells_late_of_its_pods_fails_no_question_that_came_early() -> None:
    world = World(clusters=("west", "east"), opens=asking.Patience().seconds + 1)
    asked = [
        questions.Question(source="west", leg=leg, targets=("east",)) for leg in (Leg.POD_UDP, Leg.POD_TCP)
    ]

    found = await verify.Round(_asker(world), {}, {}).all(asked)

    assert [each["east"].state for each in found] == [State.OK, State.OK]


@pytest.mark.parametrize("clusters", [2, 50, 200])
async def test_a_service_of_many_clusters_is_asked_until_each_has_answered(clusters: int) -> None:
    names = tuple(f"c{number}" for number in range(clusters))
    world = World(clusters=names)
    asked = questions.Question(
        source="c0", leg=Leg.SERVICE_LOCAL, targets=names, tries=questions.tries_for(clusters)
    )

    found = await _asker(world).ask(asked)

    assert {each.state for each in found.values()} == {State.OK}


async def test_a_cluster_among_many_that_never_answers_is_a_failure_not_a_doubt() -> None:
    names = tuple(f"c{number}" for number in range(100))
    world = World(clusters=names[:-1])
    asked = questions.Question(
        source="c0", leg=Leg.SERVICE_LOCAL, targets=names, tries=questions.tries_for(len(names))
    )

    found = await _asker(world).ask(asked)

    assert {name for name, each in found.items() if each.state is State.FAILED} == {"c99"}
    assert {each.state for name, each in found.items() if name != "c99"} == {State.OK}
