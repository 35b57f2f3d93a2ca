"""Takes aligned blocks out of a space, the lowest that fits first.

The free space is kept as the largest aligned blocks it has. Aligned blocks nest or are apart, so a block
fits exactly when one of these holds it; the lowest of those gives the lowest place. Taking one costs a look
at one heap per size, however many blocks are out already.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from isthmus.address import prefix, space

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pool:
    """Free space that blocks are taken from; the only value here that changes."""

    def __init__(self, free: space.Space) -> None:
        self._heaps: dict[int, list[int]] = {}
        for each in free.prefixes():
            heapq.heappush(self._heaps.setdefault(each.size, []), each.first)

    def take(self, size: int) -> prefix.Prefix | None:
        """Take the lowest free block of that size, a power of two; None when there is none."""
        best = min(
            ((heap[0], each) for each, heap in self._heaps.items() if each >= size and heap), default=None
        )
        if best is None:
            return None
        first, each = best
        heapq.heappop(self._heaps[each])
        while each > size:  # keep the lower half, give the upper one back
            each //= 2
            heapq.heappush(self._heaps.setdefault(each, []), first + each)
        return prefix.Prefix(first, size)

    def headroom(self, size: int) -> int:
        """Return how many more blocks of that size can be taken."""
        return sum(len(heap) * (each // size) for each, heap in self._heaps.items() if each >= size)

    def largest(self) -> int:
        """Return the size of the largest free block, zero when nothing is free."""
        return max((each for each, heap in self._heaps.items() if heap), default=0)


def first_free(within: prefix.Prefix, size: int, taken: Iterable[prefix.Prefix]) -> prefix.Prefix | None:
    """Return the lowest aligned block of that size in a prefix that shares nothing with what is taken."""
    return Pool(space.of([within]) - space.of(taken)).take(size)
