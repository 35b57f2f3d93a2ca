"""Cuts a supernet into rows that can be drawn: equal stretches of addresses, long equal ones told once.

A supernet is mostly free, and its clusters are slivers of it. So a row is as long as a few clusters of the
usual size, rows that hold one thing only are drawn once with their number, and every block keeps its place.
"""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING, NamedTuple

from isthmus.address import prefix, space

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.render.plan import shares

WIDE, MANY = 4, 48
"""Clusters of the usual size in a row, and from how many clusters on it holds twice as many."""


class Run(NamedTuple):
    """A stretch of addresses with one thing in it: a block, free space (None), or what is kept out."""

    first: int
    end: int
    block: shares.Block | None
    is_closed: bool = False


class Piece(NamedTuple):
    """A part of a row, from 0 to 1, and the run that it is a part of."""

    start: float
    end: float
    run: Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One stretch, or `alike` stretches that hold the same thing from end to end."""

    where: prefix.Prefix
    """The first stretch."""
    alike: int
    pieces: tuple[Piece, ...]


def rows(supernet: shares.Supernet) -> tuple[Row, ...]:
    """Return the rows of a supernet in rising order."""
    step = _step(supernet)
    mixed: dict[int, list[Piece]] = {}
    result: list[Row] = []
    for run in runs(supernet):
        first, end = -(-run.first // step), run.end // step
        if first < end:
            where = prefix.Prefix(first * step, step)
            result.append(Row(where=where, alike=end - first, pieces=(Piece(0.0, 1.0, run),)))
        for low, high in _rest(run, step):
            number = low // step
            piece = Piece((low - number * step) / step, (high - number * step) / step, run)
            mixed.setdefault(number, []).append(piece)
    result += [
        Row(where=prefix.Prefix(number * step, step), alike=1, pieces=tuple(pieces))
        for number, pieces in mixed.items()
    ]
    return tuple(sorted(result, key=lambda row: row.where.first))


def runs(supernet: shares.Supernet) -> Iterator[Run]:
    """Yield what a supernet holds from its first address to its last, without gaps."""
    held = [Run(each.where.first, each.where.end, each) for each in supernet.blocks]
    held += [Run(first, end, None, is_closed=True) for first, end in supernet.closed.intervals]
    place = supernet.where.first
    for run in sorted(held, key=lambda each: each.first):
        if place < run.first:
            yield Run(place, run.first, None)
        yield run
        place = run.end
    if place < supernet.where.end:
        yield Run(place, supernet.where.end, None)


def free(supernet: shares.Supernet) -> space.Space:
    """Return what is left to give."""
    return space.Space(
        tuple((run.first, run.end) for run in runs(supernet) if run.block is None and not run.is_closed)
    )


def _step(supernet: shares.Supernet) -> int:
    """Return the addresses of a row: some clusters of the usual size, never more than there are."""
    sizes: Sequence[int] = [each.where.size for each in supernet.blocks]
    if not sizes:
        return supernet.where.size
    wide = WIDE if len(sizes) < MANY else 2 * WIDE
    return min(supernet.where.size, statistics.median_low(sizes) * wide)


def _rest(run: Run, step: int) -> Iterator[tuple[int, int]]:
    """Yield the ends of a run that fill no row."""
    first, end = -(-run.first // step) * step, run.end // step * step
    if first > end:  # within one row
        yield run.first, run.end
        return
    if run.first < first:
        yield run.first, first
    if end < run.end:
        yield end, run.end
