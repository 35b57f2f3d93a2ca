"""Trouble 5: pod, node and service ranges that overlap, as the clusters themselves have them.

The plan judges what a Fleet states; this judges what runs. Nodes are compared by their addresses, since a
range around them may hold nodes of others.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.analysis import addresses, report
from isthmus.analysis.snapshot import Missing, Site, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.network import imported

TROUBLE: Final = 5
CILIUM_DEFAULT: Final = "10.0.0.0/8"
"""clusterPoolIPv4PodCIDRList of Cilium 1.20, the same in every cluster that does not set it."""


class Held(NamedTuple):
    """A range, what it is for and whose it is."""

    range: prefix.Prefix
    role: str
    site: Site
    source: str

    def __str__(self) -> str:
        return f"{self.range} ({self.role} of {self.site.cluster})"


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield ranges of two clusters, or of two kinds in one, that share an address."""
    held: list[Held] = []
    for site in seen.answering:
        held += _held(site)
        if isinstance(site.nodes, Missing):
            yield report.unchecked(TROUBLE, site, "addresses of nodes", site.nodes)
        for role in ("pods", "services"):
            if not any(each.role == role and each.site is site for each in held):
                why = Missing(
                    why=f"nothing that can be read states its {role[:-1]} range",
                    remedy="isthmus permissions doctor prints the rights; a Fleet's own ranges: "
                    "isthmus plan check",
                )
                yield report.unchecked(TROUBLE, site, f"the {role[:-1]} range", why)
    told: set[tuple[str, ...]] = set()
    for one, other in meetings(held):
        key = tuple(sorted({f"{one.site.cluster} {one.role}", f"{other.site.cluster} {other.role}"}))
        if key not in told:
            told.add(key)
            yield _overlap(one, other)


def meetings(held: Sequence[Held]) -> Iterator[tuple[Held, Held]]:
    """Yield every two ranges that share an address and must not, those of pods before those of nodes."""
    for one, other in itertools.combinations(sorted(held, key=lambda each: each.role, reverse=True), 2):
        if prefix.overlap(one.range, other.range) and not _may(one, other):
            yield one, other


def _may(one: Held, other: Held) -> bool:
    """Say whether two ranges may overlap: of one kind in one cluster, and pods' with nodes'."""
    if one.site is other.site:
        return one.role == other.role or {one.role, other.role} == {"pods", "nodes"}
    return False


def _held(site: Site) -> list[Held]:
    live = site.live
    found = [Held(prefix.parse(text), "nodes", site, "InternalIP") for text in addresses.internal(site)]
    if live is None:
        return found
    found += [Held(each, "pods", site, _source(live, "pods")) for each in live.pods]
    return found + [Held(each, "services", site, _source(live, "services")) for each in live.services]


def _source(live: imported.Live, role: str) -> str:
    return live.sources.get(role, "its objects")


def _overlap(one: Held, other: Held) -> report.Diagnosis:
    """Tell it of the wider range: that is the one to change."""
    one, other = sorted((one, other), key=lambda each: -each.range.size)
    roles = {one.role, other.role}
    both_services = roles == {"services"}
    is_exposed = both_services and "ClusterIP" in {addresses.kind(one.site), addresses.kind(other.site)}
    why = "pods and nodes of all clusters are one flat network"
    if both_services:
        why = "harmless while no service address is reached from another cluster"
        if is_exposed:
            why = "a ClusterMesh API server is reached by its ClusterIP here"
    elif "services" in roles:
        why = "a service address hides a pod or a node"
    elif CILIUM_DEFAULT in {str(one.range), str(other.range)}:
        why += f", and {CILIUM_DEFAULT} is what Cilium takes in every cluster where nobody sets it"
    return report.found(
        TROUBLE,
        "services-overlap" if both_services else "ranges-overlap",
        one.site,
        f"{one} overlaps {other}: {why}",
        "give one of the clusters another range (isthmus plan check finds a free one); pod ranges of "
        "a running cluster move by new nodes or a new cluster: append a pool, do not edit the old one",
        severity=report.Severity.WARNING if both_services and not is_exposed else report.Severity.ERROR,
        evidence=tuple(f"{each}: read from {each.source}" for each in (one, other)),
    )
