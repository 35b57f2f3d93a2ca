"""Faults as values: they are kept as they were made, and a path is what all of its faults make it."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from isthmus.lab.faults import book, deeds, paths
from isthmus.lab.network import layout

if TYPE_CHECKING:
    from pathlib import Path

PATH = layout.Path(between=("a", "b"), mtu=1500)
NAMES = st.text("abc-1", min_size=1, max_size=8)
BETWEEN = st.sampled_from([("a", "b"), ("a", "c")])
ON_PATH = st.one_of(
    st.builds(deeds.Cut, between=BETWEEN),
    st.builds(deeds.Delay, between=BETWEEN, round_trip=st.floats(0, 60), loss=st.floats(0, 1)),
    st.builds(deeds.Shrink, between=BETWEEN, mtu=st.integers(576, 1499), is_silent=st.booleans()),
)
ANY = st.one_of(
    ON_PATH,
    st.builds(deeds.Kill, cluster=NAMES, program=NAMES, pids=st.lists(st.integers(1)).map(tuple)),
    st.builds(
        deeds.Freeze,
        cluster=NAMES,
        program=NAMES,
        processes=st.lists(st.tuples(st.integers(1), st.floats(0, 1e10))).map(tuple),
    ),
    st.builds(deeds.Expire, cluster=NAMES, what=NAMES, before=st.text(), after=st.text()),
    st.builds(deeds.Rotate, cluster=NAMES),
)


@given(ANY)
def test_a_fault_is_read_as_it_was_written(deed: deeds.Deed) -> None:
    made = deeds.Fault(id=f"{deeds.kind(deed)}-1", since="2026-01-01T00:00:00+00:00", deed=deed)

    assert deeds.Fault.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert deeds.words(deed)


@given(st.lists(ON_PATH, max_size=4, unique_by=deeds.kind))
def test_faults_of_different_kinds_give_one_condition_in_any_order(made: list[deeds.OnPath]) -> None:
    found = {paths.condition(PATH, order) for order in itertools.permutations(made)}

    assert len(found) == 1


@given(st.lists(ON_PATH))
def test_faults_of_other_paths_change_nothing(made: list[deeds.OnPath]) -> None:
    own = [each for each in made if each.between == PATH.between]

    assert paths.condition(PATH, made) == paths.condition(PATH, own)


def test_a_path_without_faults_is_a_link() -> None:
    assert not paths.condition(PATH, []).needs_wire
    assert paths.condition(PATH, []).mtu == PATH.mtu


def test_ids_of_faults_that_stand_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path
    deed = deeds.Cut(between=("a", "b"))
    first, second = book.add(folder, deed), book.add(folder, deed)
    book.strike(folder, first)
    third = book.add(folder, deed)

    assert [each.id for each in book.read(folder)] == [second.id, third.id]
    book.strike(folder, second)
    book.strike(folder, third)
    assert list(folder.iterdir()) == []
