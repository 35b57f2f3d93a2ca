"""Judges packets: paths that name what exists, pod MTUs that IP allows, an `mtu` that fits all paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.mesh import overheads
from isthmus.model import datapath, finding
from isthmus.model import fleet as fleets
from isthmus.network.paths import underlay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from isthmus.network import place

PATHS: Final = ("spec", "paths")


class Link(NamedTuple):
    """Two clusters, or one twice, that stand for all pairs like them."""

    leg: underlay.Leg
    pod_mtu: int
    one: fleets.Cluster
    other: fleets.Cluster
    is_v6: bool
    """Whether pods of either have IPv6 addresses."""

    @property
    def name(self) -> str:
        """What a message calls it."""
        if self.one is self.other:
            return f"inside '{self.one.name}'"
        return f"between '{self.one.name}' and '{self.other.name}'"


def stated(known: fleets.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield paths that name nothing, say nothing, or have the same two ends again."""
    regions = {each.region for each in known.clusters if each.region}
    first: dict[underlay.Ends, int] = {}
    for index, path in enumerate(known.spec.paths):
        for side, name in enumerate(path.between):
            if name not in regions and name not in known.by_name:
                yield places.finding(
                    (*PATHS, index, "between", side),
                    code="unknown-path-end",
                    message=f"'{name}' is neither a cluster nor the region of one",
                    remedy=f"use one of: {fleets.near(name, dict.fromkeys([*known.by_name, *regions]))}",
                )
        if path.mtu is None and path.via is None and path.latency is None:
            yield places.finding(
                (*PATHS, index),
                code="path-says-nothing",
                message=f"nothing is said of the path between '{path.between[0]}' and '{path.between[1]}'",
                remedy="write its `mtu`, or what carries it (`via`), or take it out",
                severity=finding.Severity.WARNING,
            )
        ends = underlay.key(*path.between)
        other = first.setdefault(ends, index)
        if other != index:
            yield places.finding(
                (*PATHS, index, "between"),
                code="path-twice",
                message=f"the path between '{ends[0]}' and '{ends[1]}' is stated already "
                f"({places.line((*PATHS, other, 'between'))})",
                remedy="keep one of them",
            )


def findings(
    known: fleets.Fleet, links: Sequence[Link], floors: Mapping[str, Link], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield what the links forbid; `floors` has for each cluster the one with the least underlay MTU."""
    yield from _small(links, places)
    yield from _set(known, floors, places)
    yield from _unmeasured(known, links, places)


def _small(links: Sequence[Link], places: place.Places) -> Iterator[finding.Finding]:
    cure = "raise the path's MTU, or take headers off: native routing, no encryption"
    yield from _each(
        (each for each in links if each.pod_mtu < overheads.IPV4_MIN),
        places,
        code="pod-mtu-under-576",
        why=f"every IPv4 host must take {overheads.IPV4_MIN} (RFC 791)",
        remedy=cure,
    )
    short = [each for each in links if overheads.IPV4_MIN <= each.pod_mtu < overheads.IPV6_MIN]
    yield from _each(
        (each for each in short if each.is_v6),
        places,
        code="ipv6-under-1280",
        why=f"IPv6 needs {overheads.IPV6_MIN} on every link (RFC 8200), and pods here have IPv6",
        remedy=f"{cure}; or plan for IPv4 alone",
    )
    yield from _each(
        (each for each in short if not each.is_v6),
        places,
        code="pod-mtu-under-1280",
        why=f"these pods can never have IPv6, which needs {overheads.IPV6_MIN}",
        remedy=f"{cure}; or stay with IPv4",
        severity=finding.Severity.WARNING,
    )


def _each(
    links: Iterable[Link],
    places: place.Places,
    *,
    code: str,
    why: str,
    remedy: str,
    severity: finding.Severity = finding.Severity.ERROR,
) -> Iterator[finding.Finding]:
    """Yield one finding for each stated path, and one for all that nobody states, with the smallest."""
    groups: dict[int | None, list[Link]] = {}
    for each in links:
        groups.setdefault(each.leg.path, []).append(each)
    for index, group in groups.items():
        worst = min(group, key=lambda each: each.pod_mtu)
        path = (*PATHS, index) if index is not None else _narrow(worst, places)
        headers = worst.leg.mtu - worst.pod_mtu
        yield places.finding(
            path,
            code=code,
            message=f"{worst.pod_mtu} bytes are left for pods {_also(group, worst)}: {worst.leg.mtu} "
            f"({worst.leg.why}) less {headers} of headers; {why}",
            remedy=remedy,
            severity=severity,
        )


def _also(group: Sequence[Link], first: Link) -> str:
    return first.name if len(group) == 1 else f"{first.name} and on other paths like it"


def _narrow(link: Link, places: place.Places) -> place.Path:
    """Return the place of the node MTU that makes a link what it is."""
    narrow = min((link.one, link.other), key=lambda each: each.mtu or 65536)
    return places.of(narrow, "mtu")


def _set(known: fleets.Fleet, floors: Mapping[str, Link], places: place.Places) -> Iterator[finding.Finding]:
    """Yield what is wrong with the `mtu` of the Fleet, and with those of clusters that state their own."""
    common = [each for each in known.clusters if not (each.network and each.network.mtu)]
    network = known.spec.network
    if network is not None and network.mtu is not None and common:
        floor = min((floors[each.name] for each in common), key=_mtu)
        yield from _against(network.mtu, floor, ("spec", "network", "mtu"), None, places)
    for each in known.clusters:
        if each.network and each.network.mtu:
            path = (*places.of(each, "network"), "mtu")
            yield from _against(each.network.mtu, floors[each.name], path, each.name, places)


def _against(
    mtu: int, floor: Link, path: place.Path, cluster: str | None, places: place.Places
) -> Iterator[finding.Finding]:
    least = floor.leg.mtu
    if mtu > least:
        yield places.finding(
            path,
            code="mtu-too-large",
            message=f"{mtu} is more than the {least} bytes {floor.name} ({floor.leg.why}): larger packets "
            "are cut in pieces or vanish there",
            remedy=f"write `mtu: {least}`, or leave it out and let the plan set {least}",
            cluster=cluster,
        )
    elif mtu < least:
        yield places.finding(
            path,
            code="mtu-smaller",
            message=f"{mtu} is less than the {least} bytes that every path carries",
            remedy=f"write `mtu: {least}`, or leave it out, unless a path is narrower than stated",
            severity=finding.Severity.INFO,
            cluster=cluster,
        )


def _unmeasured(
    known: fleets.Fleet, links: Sequence[Link], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield one word of care for paths that somebody else owns and nobody has measured."""
    first: dict[str, Link] = {}
    for each in links:
        if each.leg.path is None and _crosses(each):
            first.setdefault(_route(each), each)
    if not first:
        return
    words = "; ".join(f"{route} ({link.name})" for route, link in sorted(first.items()))
    yield places.finding(
        PATHS if known.spec.paths else ("spec", "clusters"),
        code="path-not-measured",
        message=f"nobody says what passes between {words}: between clouds 1296 to 1368 bytes were measured, "
        "and larger packets vanished without an answer (cilium#47176)",
        remedy="measure with `ping -M do -s SIZE` from node to node, and write `paths: [{between: [A, B], "
        "mtu: N}]`, or `via: ...` for what carries it",
        severity=finding.Severity.INFO,
    )


def _crosses(link: Link) -> bool:
    one, other = link.one, link.other
    if one.provider is None or other.provider is None:
        return False
    if one.provider is not other.provider:
        return True
    is_jumbo = link.leg.mtu > overheads.ETHERNET
    return one.provider is datapath.Provider.AWS and one.region != other.region and is_jumbo


def _route(link: Link) -> str:
    """Return the clouds of a link, the same text for both directions."""
    assert link.one.provider is not None
    assert link.other.provider is not None
    one, other = sorted((link.one.provider.value, link.other.provider.value))
    return f"regions of {one}" if one == other else f"{one} and {other}"


def _mtu(link: Link) -> int:
    return link.leg.mtu
