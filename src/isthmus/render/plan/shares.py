"""Who has which part of each supernet, as values without a form: what the terminal, SVG and HTML all draw.

A block is given to a cluster. It is in use today, will be after growth, or is left over because ranges are
powers of two. The rest of a supernet is free, or kept out: avoided, reserved or taken for something else.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from isthmus.address import prefix, space
from isthmus.network.ipam import provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isthmus.model import fleet


NAMED = 3
"""Clusters that are named where they share a range."""
APART = 16
"""How many times larger than what lies in it a range around ranges in no supernet may be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """A range that clusters have; more than one cluster where ranges are equal or lie in each other."""

    where: prefix.Prefix
    owners: tuple[str, ...]
    number: int
    """The id of the first owner: what stands for its name where a block is narrow."""
    used: int
    """Addresses that the nodes of today take."""
    grown: int
    """Addresses that they take after growth, those of today among them."""
    pinned: bool

    @property
    def label(self) -> str:
        """The clusters in a few words."""
        return ", ".join(self.owners) if len(self.owners) <= NAMED else f"{len(self.owners)} clusters"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Supernet:
    """A supernet, or the smallest range around blocks that lie in none."""

    role: ranges.Role
    where: prefix.Prefix
    stated: bool
    """Whether the Fleet states it; nothing is given from one that only surrounds what is pinned."""
    blocks: tuple[Block, ...]
    """In rising order, none inside another."""
    closed: space.Space
    """Kept out of it."""

    @property
    def used(self) -> float:
        """The share in use today, from 0 to 1."""
        return sum(each.used for each in self.blocks) / self.where.size

    @property
    def grown(self) -> float:
        """The share in use after growth, that of today included."""
        return sum(each.grown for each in self.blocks) / self.where.size

    @property
    def given(self) -> float:
        """The share that clusters have."""
        return sum(each.where.size for each in self.blocks) / self.where.size

    @property
    def free(self) -> float:
        """The share that is left to give."""
        return max(0.0, 1 - self.given - self.closed.size / self.where.size)

    @property
    def occupied(self) -> prefix.Prefix | None:
        """The smallest range around all blocks."""
        return around(each.where for each in self.blocks)


def supernets(known: fleet.Fleet, clusters: Sequence[ranges.Ranges]) -> tuple[Supernet, ...]:
    """Return every supernet with what these clusters have of it, pods first."""
    addressing = known.spec.addressing
    away = [prefix.parse(text) for text in (addressing.avoid if addressing else ())]
    away += [prefix.parse(text) for text, _ in prefix.RESERVED]
    result: list[Supernet] = []
    for role in ranges.Role:
        stated = ranges.supernets(addressing, role)
        blocks = _blocks(addressing, clusters, role)
        foreign = [each for other in ranges.Role if other is not role for each in _all(clusters, other)]
        closed = space.of([*away, *foreign])
        for where in stated:
            inside = [each for each in blocks if prefix.contains(where, each.where)]
            result.append(_supernet(role, where, inside, closed, stated=True))
        outside = [each for each in blocks if not any(prefix.contains(one, each.where) for one in stated)]
        for is_v6 in (False, True):
            family = [each for each in outside if each.where.is_v6 is is_v6]
            result += [
                _supernet(role, where, inside, space.Space(), stated=False) for where, inside in _near(family)
            ]
    return tuple(result)


def _near(family: Sequence[Block]) -> list[tuple[prefix.Prefix, list[Block]]]:
    """Return ranges around blocks in rising order; blocks far from one another get one each."""
    found: list[tuple[prefix.Prefix, list[Block]]] = []
    for each in family:
        if found:
            surround = prefix.spanning(found[-1][0], each.where)
            if surround.size <= APART * sum(one.where.size for one in (*found[-1][1], each)):
                found[-1] = (surround, [*found[-1][1], each])
                continue
        found.append((each.where, [each]))
    return found


def around(prefixes: Iterable[prefix.Prefix]) -> prefix.Prefix | None:
    """Return the smallest range that holds all of one family; None of nothing."""
    found: prefix.Prefix | None = None
    for each in prefixes:
        found = each if found is None else prefix.spanning(found, each)
    return found


def _supernet(
    role: ranges.Role, where: prefix.Prefix, blocks: Sequence[Block], closed: space.Space, *, stated: bool
) -> Supernet:
    own = space.of(each.where for each in blocks)
    kept_out = (closed & space.of([where])) - own
    return Supernet(role=role, where=where, stated=stated, blocks=tuple(blocks), closed=kept_out)


def _all(clusters: Sequence[ranges.Ranges], role: ranges.Role) -> list[prefix.Prefix]:
    return [each for cluster in clusters for each in cluster.of(role)]


def _blocks(
    addressing: fleet.Addressing | None, clusters: Sequence[ranges.Ranges], role: ranges.Role
) -> list[Block]:
    found = [
        _block(addressing, cluster.cluster, role, where) for cluster in clusters for where in cluster.of(role)
    ]
    return merged(found)


def _block(
    addressing: fleet.Addressing | None, cluster: fleet.Cluster, role: ranges.Role, where: prefix.Prefix
) -> Block:
    used, grown = taken(addressing, cluster, role, where)
    return Block(
        where=where,
        owners=(cluster.name,),
        number=cluster.id,
        used=used,
        grown=grown,
        pinned=where in ranges.pinned(cluster, role),
    )


def taken(
    addressing: fleet.Addressing | None, cluster: fleet.Cluster, role: ranges.Role, where: prefix.Prefix
) -> tuple[int, int]:
    """Return the addresses in use today and after growth; of services nobody knows, so all of them."""
    if role is ranges.Role.SERVICES:
        return where.size, where.size
    each, extra = 1, provider.kept(cluster)
    if role is ranges.Role.PODS:
        extra = extra if provider.in_vpc(cluster) else 0
        try:
            each = provider.per_node(cluster, where.bits, ranges.node_mask(addressing, where.bits))
        except ValueError:  # the family has no such mask; a finding tells so
            return 0, 0
    used, grown = (
        min(where.size, count * each + extra) for count in (cluster.nodes, ranges.planned_nodes(cluster))
    )
    return used, grown


def merged(blocks: Iterable[Block]) -> list[Block]:
    """Return blocks in rising order; those inside another become one with it, with all owners."""
    result: list[Block] = []
    for each in sorted(blocks, key=lambda one: (one.where.first, -one.where.size)):
        if result and prefix.contains(result[-1].where, each.where):
            result[-1] = _joined(result[-1], each)
        else:
            result.append(each)
    return result


def _joined(outer: Block, inner: Block) -> Block:
    owners = tuple(dict.fromkeys(itertools.chain(outer.owners, inner.owners)))
    return dataclasses.replace(
        outer, owners=owners, used=max(outer.used, inner.used), grown=max(outer.grown, inner.grown)
    )
