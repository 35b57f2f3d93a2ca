"""Sets of addresses against sets of integers: the line is short, so that every address can be counted."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import prefix, space

BLOCKS = st.integers(0, 6).flatmap(
    lambda width: st.builds(
        lambda place: prefix.Prefix(place << width, 1 << width), st.integers(0, (64 >> width) - 1)
    )
)
SETS = st.lists(BLOCKS, max_size=8)


def addresses(blocks: list[prefix.Prefix]) -> set[int]:
    return {address for each in blocks for address in range(each.first, each.end)}


def counted(one: space.Space) -> set[int]:
    return {address for first, end in one.intervals for address in range(first, end)}


@given(SETS, SETS)
def test_the_algebra_is_that_of_sets(one: list[prefix.Prefix], other: list[prefix.Prefix]) -> None:
    a, b = space.of(one), space.of(other)

    assert counted(a | b) == addresses(one) | addresses(other)
    assert counted(a - b) == addresses(one) - addresses(other)
    assert counted(a & b) == addresses(one) & addresses(other)
    assert a.size == len(addresses(one))


@given(SETS, SETS)
def test_one_set_has_one_form(one: list[prefix.Prefix], other: list[prefix.Prefix]) -> None:
    a, b = space.of(one), space.of(other)

    assert (a == b) == (addresses(one) == addresses(other))
    assert all(left[1] < right[0] for left, right in itertools.pairwise(a.intervals))


@given(SETS)
def test_prefixes_are_the_fewest_that_make_up_the_set(one: list[prefix.Prefix]) -> None:
    cut = list(space.of(one).prefixes())

    assert space.of(cut) == space.of(one)
    assert cut == sorted(cut)
    for left, right in itertools.pairwise(cut):
        can_join = left.size == right.size and left.end == right.first and left.first % (2 * left.size) == 0
        assert not can_join


@given(SETS, BLOCKS)
def test_overlaps_and_covers_look_at_every_address(one: list[prefix.Prefix], block: prefix.Prefix) -> None:
    inside = addresses([block]) & addresses(one)

    assert space.of(one).overlaps(block.first, block.end) == bool(inside)
    assert space.of(one).covers(block) == (inside == addresses([block]))
