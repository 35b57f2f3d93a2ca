"""Judges collisions: within a cluster, across clusters, with the avoid list and with reserved ranges.

Pods and nodes must be unique in the whole Fleet, since ClusterMesh is one flat network of them. Services stay
inside a cluster: two equal service ranges are a warning, but one over any pods or nodes is an error. Sorted
sweeps find them, so each range is told once, against one that it meets, however many there are.
"""

from __future__ import annotations

import bisect
import itertools
from typing import TYPE_CHECKING, NamedTuple

from isthmus.address import prefix
from isthmus.model import finding
from isthmus.network import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place


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
    flat = list(_held(clusters, (ranges.Role.PODS, ranges.Role.NODES)))
    services = list(_held(clusters, (ranges.Role.SERVICES,)))
    for one, other in meetings(flat):
        yield _collision(one, other, places)
    for one, other in crossings(services, flat):
        yield _collision(one, other, places)
    for one, other in meetings(services):
        yield _collision(one, other, places, severity=finding.Severity.WARNING)
    yield from _closed(known, [*flat, *services], places)


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
    why = "pods and nodes of all clusters are one flat network"
    if severity is finding.Severity.WARNING:
        why = "harmless while no service address is reached from another cluster"
    elif ranges.Role.SERVICES in {one.role, other.role}:
        why = "a service address would hide a pod or a node"
    at = places.line(places.of(first.cluster, first.role.field)) if _is_pinned(first) else "this plan"
    return places.finding(
        places.of(second.cluster, second.role.field),
        code="ranges-overlap" if severity is finding.Severity.ERROR else "services-overlap",
        message=f"{second} overlaps {first} ({at}): {why}",
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
                what = f"{closed} {why}" if why.startswith("is") else f"{closed}, which {why}"
                yield places.finding(
                    places.of(each.cluster, each.role.field),
                    code="range-avoided" if "avoids" in why else "range-reserved",
                    message=f"{each} overlaps {what}",
                    remedy=f"pin another range, or take `{each.role.field}` out and let the plan give one",
                    cluster=each.cluster.name,
                )
                break
