from __future__ import annotations

import logging
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.engine import lease
from tests import memory
from tests.engine_lock import schedules

SWEEP = int(os.environ.get("ISTHMUS_SCHEDULES", "150"))

faults = st.builds(
    schedules.Fault,
    kind=st.sampled_from(["cut", "pause", "outage", "crash"]),
    process=st.integers(0, 3),
    voter=st.integers(0, 4),
    start=st.floats(0, 120),
    length=st.floats(0.1, 60),
)
plans = st.builds(
    schedules.Schedule,
    voters=st.sampled_from([1, 2, 3, 4, 5]),
    processes=st.integers(2, 4),
    faults=st.lists(faults, max_size=8).map(tuple),
    seed=st.integers(0, 2**32),
    slow=st.sampled_from([0.0, 0.05, 0.3]),
    loss=st.sampled_from([0.0, 0.02, 0.2]),
    is_one_host=st.booleans(),
)


def play(schedule: schedules.Schedule) -> schedules.Story:
    async def story() -> schedules.Story:
        return await schedules.World(schedule).play()

    return memory.run(story())


def drawn(seed: int) -> schedules.Schedule:
    rng = random.Random(seed)  # noqa: S311 - a schedule must repeat
    return schedules.Schedule(
        voters=rng.choice([1, 3, 3, 3, 4, 5]),
        processes=rng.randint(2, 4),
        faults=tuple(
            schedules.Fault(
                kind=rng.choice(["cut", "cut", "pause", "pause", "outage", "crash"]),
                process=rng.randrange(4),
                voter=rng.randrange(5),
                start=rng.uniform(0, 120),
                length=rng.uniform(0.1, 60),
            )
            for _ in range(rng.randrange(9))
        ),
        seed=seed,
        slow=rng.choice([0.0, 0.05, 0.3]),
        loss=rng.choice([0.0, 0.02, 0.2]),
        is_one_host=rng.random() < 0.3,
    )


@given(plans)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_schedule_lets_two_processes_hold_the_lock_or_a_number_twice(schedule: schedules.Schedule) -> None:
    assert play(schedule).violations == []


def test_many_drawn_schedules_grant_renew_lose_and_refuse_and_never_twice() -> None:
    stories = [play(drawn(seed)) for seed in range(SWEEP)]

    assert [story.violations for story in stories if story.violations] == []
    totals = {
        "schedules": len(stories),
        "grants": sum(len(story.grants) for story in stories),
        "renewed": sum(story.renewed for story in stories),
        "lost": sum(story.lost for story in stories),
        "refused": sum(story.refusals for story in stories),
    }
    logging.getLogger(__name__).info("%s", totals)
    assert all(count >= len(stories) / 10 for count in totals.values()), totals


@pytest.mark.parametrize("drift", [0.3, 0.9])
def test_the_same_schedules_catch_an_observer_that_is_too_quick(
    drift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "DRIFT", drift)

    assert any(play(drawn(seed)).violations for seed in range(400))
