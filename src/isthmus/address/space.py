"""Sets of addresses as sorted intervals that neither touch nor overlap: union, difference, intersection.

Every operation is one walk over sorted lists and returns a new set. Taking blocks one after another is
`pool.py`.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NamedTuple

from isthmus.address import prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Interval = tuple[int, int]


class Space(NamedTuple):
    """A set of addresses; `intervals` are (first, end) in rising order with gaps between."""

    intervals: tuple[Interval, ...] = ()

    @property
    def size(self) -> int:
        """How many addresses the set has."""
        return sum(end - first for first, end in self.intervals)

    def __or__(self, other: Space) -> Space:
        return merge((*self.intervals, *other.intervals))

    def __sub__(self, other: Space) -> Space:
        return Space(tuple(_subtract(self.intervals, other.intervals)))

    def __and__(self, other: Space) -> Space:
        return self - (self - other)

    def overlaps(self, first: int, end: int) -> bool:
        """Say whether any address of [first, end) is in the set."""
        place = bisect.bisect_left(self.intervals, (end,))
        return place > 0 and self.intervals[place - 1][1] > first

    def covers(self, each: prefix.Prefix) -> bool:
        """Say whether every address of a prefix is in the set."""
        place = bisect.bisect_left(self.intervals, (each.first + 1,))
        return place > 0 and self.intervals[place - 1][1] >= each.end

    def prefixes(self) -> Iterator[prefix.Prefix]:
        """Yield the fewest prefixes that make up the set, in rising order."""
        for first, end in self.intervals:
            yield from _cut(first, end)


def of(prefixes: Iterable[prefix.Prefix]) -> Space:
    """Return the set of all addresses of some prefixes."""
    return merge((each.first, each.end) for each in prefixes)


def merge(intervals: Iterable[Interval]) -> Space:
    """Return the set of all addresses of some intervals, which may overlap."""
    merged: list[Interval] = []
    for first, end in sorted(intervals):
        # IPv4 ends at 2^32 and IPv6 begins at 2^128, so the families never touch.
        if merged and first <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((first, end))
    return Space(tuple(merged))


def _subtract(keep: tuple[Interval, ...], drop: tuple[Interval, ...]) -> Iterator[Interval]:
    start = 0
    for low, end in keep:
        first = low
        while start < len(drop) and drop[start][1] <= first:
            start += 1
        place = start
        while place < len(drop) and drop[place][0] < end:
            if drop[place][0] > first:
                yield first, drop[place][0]
            first = max(first, drop[place][1])
            place += 1
        if first < end:
            yield first, end


def _cut(first: int, end: int) -> Iterator[prefix.Prefix]:
    top = prefix.V6 if first >= prefix.V6 else 1 << 32  # no prefix is larger than its family
    while first < end:
        aligned = first & -first if first else top
        fitting = 1 << ((end - first).bit_length() - 1)
        each = prefix.Prefix(first, min(aligned, fitting, top))
        yield each
        first = each.end
