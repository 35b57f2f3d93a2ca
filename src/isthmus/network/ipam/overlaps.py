"""Judges collisions: within a cluster, across clusters, with the avoid list and with reserved ranges.

Pods and nodes must be unique in the whole Fleet, since ClusterMesh is one flat network of them. Services stay
inside a cluster: two equal service ranges are a warning, and an error where a ClusterMesh API server is
reached by its ClusterIP; one over any pods or nodes is an error. Clusters of one VPC may share its subnet,
and pods that get addresses of the VPC may lie in the nodes' range. Sorted sweeps find collisions, so each
range is told once, against one that it meets, however many there are.
"""

from __future__ import annotations

import bisect
import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.model import datapath, finding
from isthmus.network.ipam import provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place


CILIUM_DEFAULT: Final = prefix.parse("10.0.0.0/8")
"""clusterPoolIPv4PodCIDRList of Cilium 1.20 (install/kubernetes/cilium/values.yaml)."""


class Held(NamedTuple):
    """A range and who holds it."""

    range: prefix.Prefix
    cluster: fleet.Cluster
    role: ranges.Role

    def __str__(self) -> str:
        return f"{self.range}, the {self.role.value} of '{self.cluster.name}'"


def findings(
    known: fleet.Fleet, clusters: Sequence[ranges.Ranges], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield every collision of a Fleet's ranges."""
    held = list(_held(clusters, (ranges.Role.PODS, ranges.Role.NODES)))
    flat, shared = _apart(held)
    services = list(_held(clusters, (ranges.Role.SERVICES,)))
    for one, other in meetings(flat):
        yield _collision(one, other, places)
    for one, other in shared:
        yield _shared(one, other, places)
    for one, other in crossings(services, flat):
        yield _collision(one, other, places)
    for one, other in meetings(services):
        is_exposed = _by_cluster_ip(known, one.cluster) or _by_cluster_ip(known, other.cluster)
        severity = finding.Severity.ERROR if is_exposed else finding.Severity.WARNING
        yield _collision(one, other, places, severity=severity)
    yield from _closed(known, [*held, *services], places)


def _by_cluster_ip(known: fleet.Fleet, cluster: fleet.Cluster) -> bool:
    stated = cluster.network.exposure if cluster.network else None
    stated = stated or (known.spec.network.exposure if known.spec.network else None)
    return stated is datapath.Exposure.CLUSTER_IP


def _apart(held: Sequence[Held]) -> tuple[list[Held], list[tuple[Held, Held]]]:
    """Return the ranges that must be apart, and pairs of clusters in one VPC that share their node range."""
    nodes: dict[tuple[str, str | None, prefix.Prefix], Held] = {}
    homes: dict[tuple[str, bool], prefix.Prefix] = {}
    shared: list[tuple[Held, Held]] = []
    kept: list[Held] = []
    for each in held:
        if each.role is ranges.Role.NODES:
            homes[each.cluster.name, each.range.is_v6] = each.range
    for each in held:
        home = homes.get((each.cluster.name, each.range.is_v6))
        if each.role is ranges.Role.PODS and home and provider.in_vpc(each.cluster):
            if prefix.contains(home, each.range):
                continue  # the pods are in the nodes' subnet: that range stands for both
        elif each.role is ranges.Role.NODES and each.cluster.vpc is not None:
            first = nodes.setdefault((each.cluster.vpc, each.cluster.account, each.range), each)
            if first is not each:
                shared.append((each, first))
                continue
        kept.append(each)
    return kept, shared


def _shared(one: Held, other: Held, places: place.Places) -> finding.Finding:
    return places.finding(
        places.of(one.cluster, one.role.field),
        code="subnet-shared",
        message=f"{one} is also that of '{other.cluster.name}': both stand in the VPC '{one.cluster.vpc}', "
        "which gives each node an address of its own, and their headroom is one",
        remedy="nothing, if both clusters are meant to share the subnet",
        severity=finding.Severity.INFO,
        cluster=one.cluster.name,
    )


def _held(clusters: Iterable[ranges.Ranges], roles: Sequence[ranges.Role]) -> Iterator[Held]:
    for each in clusters:
        for role in roles:
            for given in each.of(role):
                yield Held(given, each.cluster, role)


def meetings(held: Iterable[Held]) -> Iterator[tuple[Held, Held]]:
    """Yield each range that meets one before it on the line, with the one that reaches farthest."""
    farthest: Held | None = None
    for each in sorted(held, key=lambda one: (one.range.first, -one.range.size)):
        if farthest is not None and each.range.first < farthest.range.end:
            yield each, farthest
        if farthest is None or each.range.end > farthest.range.end:
            farthest = each


def crossings(held: Iterable[Held], others: Iterable[Held]) -> Iterator[tuple[Held, Held]]:
    """Yield each range that meets one of the others, with that one."""
    line = sorted(others, key=lambda one: one.range.first)
    firsts = [one.range.first for one in line]
    reach = list(itertools.accumulate(line, _farther))
    for each in held:
        place = bisect.bisect_left(firsts, each.range.end)
        if place and reach[place - 1].range.end > each.range.first:
            yield each, reach[place - 1]


def _farther(one: Held, other: Held) -> Held:
    return other if other.range.end > one.range.end else one


def _collision(
    one: Held, other: Held, places: place.Places, *, severity: finding.Severity = finding.Severity.ERROR
) -> finding.Finding:
    # Told where it can be changed: at the range that the user wrote, the later one when both are.
    first, second = sorted((one, other), key=lambda each: (_is_pinned(each), _order(each)))
    roles = {one.role, other.role}
    why = "pods and nodes of all clusters are one flat network"
    if roles == {ranges.Role.SERVICES}:
        why = "a ClusterMesh API server is reached by its ClusterIP, so service addresses must be unique"
        if severity is finding.Severity.WARNING:
            why = "harmless while no service address is reached from another cluster"
    elif ranges.Role.SERVICES in roles:
        why = "a service address would hide a pod or a node"
    elif CILIUM_DEFAULT in {one.range, other.range}:
        why += f", and {CILIUM_DEFAULT} is what Cilium's cluster pool takes in every cluster"
    at = places.line(places.of(first.cluster, first.role.field)) if _is_pinned(first) else "this plan"
    return places.finding(
        places.of(second.cluster, second.role.field),
        code="services-overlap" if roles == {ranges.Role.SERVICES} else "ranges-overlap",
        message=f"{second}, overlaps {first} ({at}): {why}",
        remedy=f"pin another range, or take `{second.role.field}` out and let the plan give one",
        severity=severity,
        cluster=second.cluster.name,
    )


def _is_pinned(each: Held) -> bool:
    return each.range in ranges.pinned(each.cluster, each.role)


def _order(each: Held) -> tuple[int, int]:
    return each.cluster.id, list(ranges.Role).index(each.role)


def _closed(known: fleet.Fleet, held: Sequence[Held], places: place.Places) -> Iterator[finding.Finding]:
    """Yield pinned ranges in what the Fleet avoids or nobody can use; the plan itself gives none of those."""
    avoid = known.spec.addressing.avoid if known.spec.addressing else ()
    shut = [(prefix.parse(text), "the Fleet avoids") for text in avoid]
    shut += [(prefix.parse(text), f"is reserved ({why})") for text, why in prefix.RESERVED]
    for each in filter(_is_pinned, held):
        for closed, why in shut:
            if prefix.overlap(each.range, closed):
                yield places.finding(
                    places.of(each.cluster, each.role.field),
                    code="range-avoided" if "avoids" in why else "range-reserved",
                    message=f"{each}, overlaps {closed}, which {why}",
                    remedy=f"pin another range, or take `{each.role.field}` out and let the plan give one",
                    cluster=each.cluster.name,
                )
                break
