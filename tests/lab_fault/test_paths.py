"""What a path is like under a fault, as packets between two nodes see it, and that healing ends it."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import statistics
import sys
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.lab import process
from isthmus.lab.faults import deeds

if TYPE_CHECKING:
    from tests.lab_fault.ends import Ends

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("network"),
]

PATH = ("west", "east")
CUT = deeds.Cut(between=PATH)
SLOW = deeds.Delay(between=PATH, round_trip=0.06, loss=0.0)
NARROW = deeds.Shrink(between=PATH, mtu=1400, is_silent=False)
HOLE = deeds.Shrink(between=PATH, mtu=1400, is_silent=True)


def test_nothing_passes_a_cut_and_everything_once_it_is_healed(ends: Ends) -> None:
    before = ends.ask(count=5)
    ends.make(CUT)
    during = ends.ask(count=5, patience=0.2)
    ends.heal()
    after = ends.ask(count=5)

    assert (before.answered, during.answered, after.answered) == (5, 0, 5)


@pytest.mark.parametrize("round_trip", [0.02, 0.06])
def test_a_round_trip_takes_as_much_longer_as_was_asked(ends: Ends, round_trip: float) -> None:
    ends.make(deeds.Delay(between=PATH, round_trip=round_trip, loss=0.0))

    found = ends.ask(count=30)

    assert found.answered == 30
    assert min(found.trips) >= round_trip
    # Between the first quarter and asked lies what this machine takes; the others wait for a processor.
    assert statistics.quantiles(found.trips)[0] < round_trip + 0.01


def test_as_much_is_lost_as_was_asked_and_every_packet_is_accounted_for(ends: Ends) -> None:
    sent, loss = 4000, 0.05
    ends.make(deeds.Delay(between=PATH, round_trip=0.0, loss=loss))

    back = ends.count(sent)
    ends.heal()

    told = _counted(ends)
    there = told["there"]
    assert there["carried"] + there["lost"] == sent
    assert told["back"]["carried"] == back
    assert told["back"]["carried"] + told["back"]["lost"] == there["carried"]
    assert abs(there["lost"] - sent * loss) < _bound(sent, loss)
    assert abs(back - sent * (1 - loss) ** 2) < _bound(sent, (1 - loss) ** 2)


def _bound(tries: int, chance: float) -> float:
    """Return five standard deviations of a binomial count: one run in two million is beyond."""
    return 5 * math.sqrt(tries * chance * (1 - chance))


def _counted(ends: Ends) -> dict[str, Any]:
    """Return what the last forwarder that ended said."""
    lines = (ends.lab.folder / "wires" / "wire0.log").read_text().splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def test_packets_above_a_shrunken_path_are_answered_and_the_size_is_learned(ends: Ends) -> None:
    ends.make(NARROW)

    above, below = ends.ask(size=1401), ends.ask(size=1400)
    ends.heal()
    after = ends.ask(size=1500)

    assert (above.answered, above.mtu) == (0, 1400)
    assert below.answered == 1
    assert (after.answered, after.mtu) == (1, 1500)  # what was learned is forgotten


def test_packets_above_a_black_hole_vanish_and_nothing_is_learned(ends: Ends) -> None:
    ends.make(HOLE)

    above, below = ends.ask(size=1401), ends.ask(size=1400)
    ends.heal()
    after = ends.ask(size=1500)

    assert (above.answered, above.mtu) == (0, 1500)
    assert below.answered == 1
    assert after.answered == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::2])
def test_faults_of_one_path_add_up_and_are_healed_in_any_order(ends: Ends, order: tuple[int, ...]) -> None:
    made = ends.make(SLOW, HOLE, CUT)
    assert ends.states() == {"delay": "in force", "shrink": "in force", "cut": "in force"}
    left = set(range(3))
    for number in order:
        ends.heal(made[number])
        left -= {number}
        small, large = ends.ask(patience=0.2), ends.ask(size=1500, patience=0.2)
        assert small.answered == (2 not in left)
        assert large.answered == (not left & {1, 2})
        assert all((trip >= 0.06) is (0 in left) for trip in small.trips)


def test_a_second_delay_takes_the_place_of_the_first(ends: Ends) -> None:
    ends.make(SLOW, deeds.Delay(between=PATH, round_trip=0.02, loss=0.0))

    with ends.faults() as faults:
        assert [each.id for each in faults.all] == ["delay-2"]
    assert statistics.quantiles(ends.ask(count=10).trips)[0] < 0.05


def test_a_forwarder_that_is_killed_is_told_and_healed_and_may_be_made_again(ends: Ends) -> None:
    ends.make(SLOW)
    record = process.Process.read(ends.lab.folder / "wires" / "wire0.json")
    assert record is not None

    os.kill(record.pid, signal.SIGKILL)
    process.end([record], patience=5)

    assert ends.states() == {"delay": "gone"}
    assert ends.ask().answered == 1  # the path is as the lab laid it
    ends.make(SLOW)
    assert ends.states() == {"delay": "in force"}
    assert ends.ask().trips[0] >= 0.06
    ends.heal()
    assert list((ends.lab.folder / "wires").glob("*.json")) == []


def test_a_path_with_a_forwarder_carries_a_stream(ends: Ends, capsys: pytest.CaptureFixture[str]) -> None:
    bare = ends.pour(1.0)
    ends.make(deeds.Delay(between=PATH, round_trip=0.002, loss=0.0))
    slow = ends.pour(2.0)

    with capsys.disabled():
        sys.stdout.write(f"\none TCP stream, Gbit/s: {bare:.2f} by the link, {slow:.2f} by the forwarder\n")
    assert slow > 0.01
