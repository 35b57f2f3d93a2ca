"""The address part of a plan: the ranges of every cluster, and everything that is wrong with them.

The ranges come from `give.py`; `sizes.py`, `overlaps.py` and `voters.py` judge. Nothing is written anywhere.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.address import prefix
from isthmus.model import finding
from isthmus.network import give, overlaps, place, ranges, sizes, voters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Addresses:
    """Ranges in the order of the Fleet, and what is wrong with them."""

    clusters: tuple[ranges.Ranges, ...]
    headroom: Mapping[ranges.Role, int]
    """How many more clusters as large as the largest would fit, by role."""
    findings: tuple[finding.Finding, ...] = ()


def plan(source: folder.Folder) -> Addresses:
    """Plan the addresses of a Fleet, and judge them and its votes."""
    places = place.Places(source)
    known = source.fleet
    shares = give.shares(known)
    given = {share.role: share.given for share in shares}
    clusters = tuple(
        ranges.Ranges(
            each,
            pods=given[ranges.Role.PODS].get(each.name),
            services=given[ranges.Role.SERVICES].get(each.name),
            nodes=given[ranges.Role.NODES].get(each.name),
        )
        for each in known.clusters
    )
    findings = (
        *sizes.supernets(known, places),
        *sizes.clusters(known, places),
        *_full(shares, places),
        *overlaps.findings(known, clusters, places),
        *_unpinned(clusters, places),
        *voters.findings(known, places),
    )
    headroom = {share.role: share.headroom for share in shares if share.headroom is not None}
    return Addresses(clusters=clusters, headroom=headroom, findings=findings)


def _full(shares: Sequence[give.Share], places: place.Places) -> Iterator[finding.Finding]:
    for share in shares:
        for miss in share.missed:
            free = f"the largest free block is /{prefix.Prefix(miss.wanted.first, miss.largest).length}"
            yield places.finding(
                places.of(miss.cluster, "nodes"),
                code="address-space-full",
                message=f"no free /{miss.wanted.length} for the {share.role.value} of '{miss.cluster.name}': "
                f"{free if miss.largest else 'nothing is free'}",
                remedy=f"add to `addressing.{share.role.value}.supernets`, or plan for fewer nodes",
                cluster=miss.cluster.name,
            )


def _unpinned(clusters: Sequence[ranges.Ranges], places: place.Places) -> Iterator[finding.Finding]:
    """Yield one word of care for ranges that stand nowhere but in this plan."""
    loose = [
        each
        for each in clusters
        if any(
            each.of(role) is not None and ranges.pinned(each.cluster, role) is None for role in ranges.Role
        )
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
