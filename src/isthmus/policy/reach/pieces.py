"""Ports by bit sets of places: the algebra of the matrix.

A `Pieces` gives each of some places one set of ports: no place is in two of its bit sets. A place in none has
no ports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.policy import ports

if TYPE_CHECKING:
    from collections.abc import Iterable

Pieces = dict[ports.Ports, int]


def add(pieces: Pieces, held: ports.Ports, places: int) -> None:
    """Give places that have none yet some ports."""
    pieces[held] = pieces.get(held, 0) | places


def spread(entries: Iterable[tuple[ports.Ports, int]]) -> Pieces:
    """Return the union: each place has all the ports that any entry gives it."""
    by_ports: Pieces = {}
    for held, places in entries:
        add(by_ports, held, places)
    whole = by_ports.pop(ports.ALL, 0)
    found: Pieces = {}
    for held, places in by_ports.items():
        rest = places & ~whole
        if not rest:
            continue
        if not found:
            found[held] = rest
            continue
        joined: Pieces = {}
        for other, there in found.items():
            shared = there & rest if rest else 0
            if shared:
                add(joined, ports.union(other, held), shared)
                rest ^= shared
            if there != shared:
                add(joined, other, there ^ shared)
        if rest:
            add(joined, held, rest)
        found = joined
    if whole:
        add(found, ports.ALL, whole)
    return found


def meet(one: Pieces, other: Pieces) -> Pieces:
    """Return what both give."""
    found: Pieces = {}
    for held, places in one.items():
        for wanted, there in other.items():
            shared = places & there
            if shared:
                both = held if held == wanted else ports.intersection(held, wanted)
                if both.intervals:
                    add(found, both, shared)
    return found


def less(one: Pieces, other: Pieces) -> Pieces:
    """Return what the first gives and the second does not."""
    found: Pieces = {}
    for held, places in one.items():
        rest = places
        for wanted, there in other.items():
            shared = rest & there
            if shared:
                rest ^= shared
                left = ports.difference(held, wanted)
                if left.intervals:
                    add(found, left, shared)
        if rest:
            add(found, held, rest)
    return found


def within(pieces: Pieces, places: int) -> Pieces:
    """Return the part of some places."""
    return {held: shared for held, there in pieces.items() if (shared := there & places)}
