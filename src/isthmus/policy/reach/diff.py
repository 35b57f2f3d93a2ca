"""Which connections open and close between two matrices, exactly.

Ranges outside are cut where either matrix cuts them and joined again where the change is the same, so that a
range that is only written otherwise is no change.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from isthmus.policy import ports
from isthmus.policy.reach import classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isthmus.policy.reach import matrix


class Change(NamedTuple):
    """What was let through between two ends before, and what is after."""

    source: str
    destination: str
    before: ports.Ports
    after: ports.Ports


class Span(NamedTuple):
    """A range outside with the ports of one way to or from a workload."""

    first: int
    end: int
    ports: ports.Ports


Ends = tuple[str, str]


def changes(old: matrix.Matrix, new: matrix.Matrix) -> Iterator[Change]:
    """Yield every difference: between workloads first, then with the outside."""
    before, out_before = _split(old)
    after, out_after = _split(new)
    for ends in dict.fromkeys((*before, *after)):
        change = Change(*ends, before.get(ends, ports.NONE), after.get(ends, ports.NONE))
        if change.before != change.after:
            yield change
    for ends in dict.fromkeys((*out_before, *out_after)):
        yield from _outside(ends, out_before.get(ends, []), out_after.get(ends, []))


def _split(held: matrix.Matrix) -> tuple[dict[Ends, ports.Ports], dict[Ends, list[Span]]]:
    """Return the rows between workloads, and those with the outside by (workload, "") or ("", workload)."""
    ranges = {each.title: each for each in (*held.places.source_ranges, *held.places.destination_ranges)}
    inside: dict[Ends, ports.Ports] = {}
    outside: dict[Ends, list[Span]] = {}
    for source, destination, reached in held.rows():
        if source in ranges:
            first, end = ranges[source]
            outside.setdefault(("", destination), []).append(Span(first, end, reached))
        elif destination in ranges:
            first, end = ranges[destination]
            outside.setdefault((source, ""), []).append(Span(first, end, reached))
        else:
            inside[source, destination] = reached
    return inside, outside


def _outside(ends: Ends, old: Iterable[Span], new: Iterable[Span]) -> Iterator[Change]:
    sides = sorted(old), sorted(new)
    edges = sorted({edge for side in sides for span in side for edge in span[:2]})
    joined: list[tuple[int, int, ports.Ports, ports.Ports]] = []
    places = [0, 0]
    for first, end in itertools.pairwise(edges):
        held = [_at(side, places, number, first) for number, side in enumerate(sides)]
        if joined and joined[-1][1] == first and joined[-1][2:] == tuple(held):
            joined[-1] = (joined[-1][0], end, *joined[-1][2:])
        else:
            joined.append((first, end, held[0], held[1]))
    for first, end, before, after in joined:
        if before != after:
            title = classes.Range(first, end).title
            yield Change(ends[0] or title, ends[1] or title, before, after)


def _at(side: list[Span], places: list[int], number: int, first: int) -> ports.Ports:
    """Return what a side gives at an address, walking on from where it was."""
    while places[number] < len(side) and side[places[number]].end <= first:
        places[number] += 1
    if places[number] < len(side) and side[places[number]].first <= first:
        return side[places[number]].ports
    return ports.NONE
