"""Gives clusters their ranges of one role after another; a pure function of the Fleet.

Pinned ranges come first; the others are given in the order of cluster ids, lowest free block first. An id is
permanent and a new cluster takes the next one, so adding a cluster moves no other. Giving the largest first
would pack tighter and move half a fleet with each large newcomer; a moved pod range is a rebuilt cluster.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.address import pool, prefix, space
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import fleet


@dataclasses.dataclass(frozen=True)
class Miss:
    """A cluster that got nothing: what it needs, and the largest block that was free then."""

    cluster: fleet.Cluster
    wanted: prefix.Prefix
    largest: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """What clusters got for one role in one family."""

    role: ranges.Role
    bits: int
    given: dict[str, prefix.Prefix]
    missed: tuple[Miss, ...] = ()
    headroom: int | None = None
    """How many more clusters as large as the largest would fit; None without supernets."""
    smallest: int = 0
    """How many more clusters as large as the smallest would fit."""


def shares(known: fleet.Fleet) -> tuple[Share, ...]:
    """Return the ranges of every cluster, by role and family, IPv4 first."""
    addressing = known.spec.addressing
    pins = {role: _pins(known, role) for role in ranges.Role}
    taken = [each for given in pins.values() for family in given.values() for each in family.values()]
    taken += [prefix.parse(text) for text, _ in prefix.RESERVED]
    taken += [prefix.parse(text) for text in (addressing.avoid if addressing else ())]
    closed = space.of(taken)
    result: list[Share] = []
    for role in ranges.Role:
        supernets = space.of(ranges.supernets(addressing, role))
        free = supernets - closed
        families = ranges.families(addressing, role)
        result += [_share(known, role, bits, pins[role][bits], free) for bits in families]
        result += [
            Share(role=role, bits=bits, given=given)
            for bits, given in pins[role].items()
            if given and bits not in families
        ]
        closed |= supernets  # two roles may not share a supernet; `sizes` tells so
    return tuple(sorted(result, key=lambda share: share.bits))


def newcomer(known: fleet.Fleet, clusters: Sequence[ranges.Ranges], cluster: fleet.Cluster) -> ranges.Ranges:
    """Return what one more cluster gets beside those that a plan gave ranges to, without giving all again.

    It is what the whole plan would give it, if its id is the highest and it pins nothing that others have.
    """
    addressing = known.spec.addressing
    taken = [each for one in clusters for role in ranges.Role for each in one.of(role)]
    taken += [prefix.parse(text) for text, _ in prefix.RESERVED]
    taken += [prefix.parse(text) for text in (addressing.avoid if addressing else ())]
    closed = space.of([*taken, *(each for role in ranges.Role for each in ranges.pinned(cluster, role))])
    found: dict[ranges.Role, ranges.Family] = {}
    for role in ranges.Role:
        supernets = space.of(ranges.supernets(addressing, role))
        pins = {each.bits: each for each in ranges.pinned(cluster, role)}
        for bits in ranges.families(addressing, role):
            block = (
                None if bits in pins else _block(known, cluster, role, _pool(supernets - closed, bits), bits)
            )
            if block is not None:
                pins[bits] = block
        found[role] = tuple(pins[bits] for bits in sorted(pins))
        closed |= supernets
    return ranges.Ranges(
        cluster, found[ranges.Role.PODS], found[ranges.Role.SERVICES], found[ranges.Role.NODES]
    )


def _pins(known: fleet.Fleet, role: ranges.Role) -> dict[int, dict[str, prefix.Prefix]]:
    pins: dict[int, dict[str, prefix.Prefix]] = {32: {}, 128: {}}
    for cluster in known.clusters:
        for each in ranges.pinned(cluster, role):
            pins[each.bits][cluster.name] = each
    return pins


def _share(
    known: fleet.Fleet, role: ranges.Role, bits: int, given: dict[str, prefix.Prefix], free: space.Space
) -> Share:
    addressing = known.spec.addressing
    left = _pool(free, bits)
    missed: list[Miss] = []
    sizes: list[int] = []
    for cluster in sorted(known.clusters, key=lambda each: each.id):
        try:
            size = ranges.wanted(addressing, cluster, role, bits)
        except ValueError:
            return Share(role=role, bits=bits, given=given)  # no such mask in the family; `sizes` tells so
        sizes.append(size)
        block = None if cluster.name in given else left.take(size)
        if block is not None:
            given[cluster.name] = block
        elif cluster.name not in given:
            missed.append(Miss(cluster, prefix.Prefix(prefix.V6 * (bits == 128), size), left.largest()))
    return Share(
        role=role,
        bits=bits,
        given=given,
        missed=tuple(missed),
        headroom=left.headroom(max(sizes)),
        smallest=left.headroom(min(sizes)),
    )


def _block(
    known: fleet.Fleet, cluster: fleet.Cluster, role: ranges.Role, left: pool.Pool, bits: int
) -> prefix.Prefix | None:
    try:
        return left.take(ranges.wanted(known.spec.addressing, cluster, role, bits))
    except ValueError:
        return None  # no such mask in the family; `sizes` tells so


def _pool(free: space.Space, bits: int) -> pool.Pool:
    is_v6 = bits == 128
    return pool.Pool(space.Space(tuple(each for each in free.intervals if (each[0] >= prefix.V6) == is_v6)))
