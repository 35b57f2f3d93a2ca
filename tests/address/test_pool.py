from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import pool, prefix, space
from tests.address import test_space

SIZES = st.lists(st.sampled_from([1, 2, 4, 8, 16]), max_size=12)


def lowest(free: set[int], size: int) -> int | None:
    """Return where the lowest free aligned block begins, by looking at every place."""
    places = (first for first in range(0, 64, size) if free.issuperset(range(first, first + size)))
    return next(places, None)


@given(test_space.SETS, SIZES)
def test_each_block_is_the_lowest_free_one(blocks: list[prefix.Prefix], sizes: list[int]) -> None:
    free = test_space.addresses(blocks)
    left = pool.Pool(space.of(blocks))
    for size in sizes:
        expected = lowest(free, size)
        assert left.headroom(size) == sum(
            free.issuperset(range(first, first + size)) for first in range(0, 64, size)
        )
        taken = left.take(size)
        assert (taken and taken.first) == expected
        if taken is not None:
            free -= set(range(taken.first, taken.end))


@given(test_space.SETS, SIZES, SIZES)
def test_who_comes_later_moves_nobody(blocks: list[prefix.Prefix], sizes: list[int], more: list[int]) -> None:
    alone, followed = pool.Pool(space.of(blocks)), pool.Pool(space.of(blocks))

    before = [alone.take(size) for size in sizes]
    assert [followed.take(size) for size in sizes + more][: len(sizes)] == before


def test_the_largest_free_block_is_told() -> None:
    left = pool.Pool(space.of([prefix.parse("10.0.0.0/24")]))

    assert left.largest() == 256
    left.take(1)
    assert left.largest() == 128
    assert pool.Pool(space.Space()).largest() == 0
