"""The address part of a plan: the ranges of every cluster, and everything that is wrong with them.

The ranges come from `give.py`; `sizes.py`, `overlaps.py` and `voters.py` judge. Nothing is written anywhere.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from isthmus.model import finding
from isthmus.network import place, voters
from isthmus.network.ipam import (
    defaults,
    give,
    hosting,
    measures,
    overlaps,
    ranges,
    refusal,
    room,
    scarcity,
    sizes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.address import prefix
    from isthmus.model import fleet, folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Addresses:
    """Ranges in the order of the Fleet, and what is wrong with them."""

    clusters: tuple[ranges.Ranges, ...]
    headroom: Mapping[ranges.Role, int]
    """How many more clusters as large as the largest would fit, by role, growth and all."""
    findings: tuple[finding.Finding, ...] = ()
    fleet: fleet.Fleet

    @functools.cached_property
    def headroom_today(self) -> Mapping[ranges.Role, int]:
        """How many more clusters as large as the largest is today would fit if none grew, by role."""
        small = measures.no_growth(self.fleet)
        return self.headroom if small is None else _headroom(give.shares(small))

    @functools.cached_property
    def room(self) -> tuple[room.Room, ...]:
        """How many nodes each cluster has, plans, and has addresses for, in the order of the Fleet."""
        return tuple(room.of(self.fleet.spec.addressing, each) for each in self.clusters)


def plan(source: folder.Folder) -> Addresses:
    """Plan the addresses of a Fleet, and judge them and its votes."""
    places = place.Places(source)
    known = source.fleet
    shares = give.shares(known)
    by_role = {role: [share.given for share in shares if share.role is role] for role in ranges.Role}
    clusters = tuple(
        ranges.Ranges(
            each,
            pods=_of(by_role[ranges.Role.PODS], each.name),
            services=_of(by_role[ranges.Role.SERVICES], each.name),
            nodes=_of(by_role[ranges.Role.NODES], each.name),
        )
        for each in known.clusters
    )
    findings = (
        *sizes.supernets(known, places),
        *sizes.clusters(known, places),
        *refusal.findings(known, shares, places),
        *scarcity.findings(known, shares, places),
        *overlaps.findings(known, clusters, places),
        *hosting.findings(known, clusters, places),
        *defaults.findings(known, clusters, places),
        *_unpinned(clusters, places),
        *voters.findings(known, places),
    )
    return Addresses(clusters=clusters, headroom=_headroom(shares), findings=findings, fleet=known)


def _of(families: Sequence[Mapping[str, prefix.Prefix]], name: str) -> ranges.Family:
    return tuple([given[name] for given in families if name in given])


def _headroom(shares: Sequence[give.Share]) -> dict[ranges.Role, int]:
    rooms: dict[ranges.Role, int] = {}
    for share in sorted(shares, key=lambda each: list(ranges.Role).index(each.role)):
        if share.headroom is not None:
            rooms[share.role] = min(share.headroom, rooms.get(share.role, share.headroom))
    return rooms


def _unpinned(clusters: Sequence[ranges.Ranges], places: place.Places) -> Iterator[finding.Finding]:
    """Yield one word of care for ranges that stand nowhere but in this plan."""
    loose = [
        each
        for each in clusters
        if any(len(each.of(role)) > len(ranges.pinned(each.cluster, role)) for role in ranges.Role)
    ]
    if loose:
        names = ", ".join(each.cluster.name for each in loose[:5]) + (", ..." if len(loose) > 5 else "")
        yield places.finding(
            ("spec", "clusters"),
            code="ranges-not-pinned",
            message=f"this plan gives ranges to {names}; other nodes, growth or ids may give others",
            remedy="when a cluster is built, write its ranges into `pods`, `services` and `nodeRange`",
            severity=finding.Severity.INFO,
        )
