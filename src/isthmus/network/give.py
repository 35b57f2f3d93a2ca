"""Gives clusters their ranges of one role after another; a pure function of the Fleet.

Pinned ranges come first; the others are given in the order of cluster ids, lowest free block first. An id is
permanent and a new cluster takes the next one, so adding a cluster moves no other. Giving the largest first
would pack tighter and move half a fleet with each large newcomer; a moved pod range is a rebuilt cluster.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.address import pool, prefix, space
from isthmus.network import ranges

if TYPE_CHECKING:
    from isthmus.model import fleet


@dataclasses.dataclass(frozen=True)
class Miss:
    """A cluster that got nothing: what it needs, and the largest block that was free then."""

    cluster: fleet.Cluster
    wanted: prefix.Prefix
    largest: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """What clusters got for one role."""

    role: ranges.Role
    given: dict[str, prefix.Prefix]
    missed: tuple[Miss, ...] = ()
    headroom: int | None = None
    """How many more clusters as large as the largest would fit; None without supernets."""


def shares(known: fleet.Fleet) -> tuple[Share, ...]:
    """Return the ranges of every cluster, by role."""
    addressing = known.spec.addressing
    pins = {role: _pins(known, role) for role in ranges.Role}
    taken = [each for given in pins.values() for each in given.values()]
    taken += [prefix.parse(text) for text, _ in prefix.RESERVED]
    taken += [prefix.parse(text) for text in (addressing.avoid if addressing else ())]
    closed = space.of(taken)
    result: list[Share] = []
    for role in ranges.Role:
        supernets = space.of(ranges.supernets(addressing, role))
        result.append(_share(known, role, pins[role], supernets - closed))
        closed |= supernets  # two roles may not share a supernet; `sizes` tells so
    return tuple(result)


def _pins(known: fleet.Fleet, role: ranges.Role) -> dict[str, prefix.Prefix]:
    pins = {each.name: ranges.pinned(each, role) for each in known.clusters}
    return {name: each for name, each in pins.items() if each is not None}


def _share(
    known: fleet.Fleet, role: ranges.Role, given: dict[str, prefix.Prefix], free: space.Space
) -> Share:
    addressing = known.spec.addressing
    supernets = ranges.supernets(addressing, role)
    if not supernets:
        return Share(role=role, given=given)
    bits = supernets[0].bits
    left = pool.Pool(space.Space(tuple(each for each in free.intervals if _is_of(each[0], bits))))
    missed: list[Miss] = []
    largest = 1
    for cluster in sorted(known.clusters, key=lambda each: each.id):
        try:
            size = ranges.wanted(addressing, cluster, role, bits)
        except ValueError:
            return Share(role=role, given=given)  # the family has no such mask; `sizes` tells so
        largest = max(largest, size)
        block = None if cluster.name in given else left.take(size)
        if block is not None:
            given[cluster.name] = block
        elif cluster.name not in given:
            missed.append(Miss(cluster, prefix.Prefix(supernets[0].first, size), left.largest()))
    return Share(role=role, given=given, missed=tuple(missed), headroom=left.headroom(largest))


def _is_of(first: int, bits: int) -> bool:
    return (first >= prefix.V6) == (bits == 128)
