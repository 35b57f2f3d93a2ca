"""Where clusters stand and what lies between: regions and clouds, with the MTU and latency of their links.

A large fleet has more pairs of clusters than anybody reads; links are told between groups of clusters.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from isthmus.model import fleet
    from isthmus.network.paths import mtu

FEW = 8
"""Groups that a picture of links can have."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Clusters that stand together; `regions` holds those of each region in the order of the Fleet."""

    name: str
    regions: tuple[tuple[str, tuple[fleet.Cluster, ...]], ...]

    @property
    def clusters(self) -> tuple[fleet.Cluster, ...]:
        """All of its clusters."""
        return tuple(each for _, clusters in self.regions for each in clusters)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Link:
    """What lies between two groups, or inside one that is named twice, over all pairs of their clusters."""

    between: tuple[str, str]
    pairs: int
    underlay: tuple[int, int]
    """The smallest and the largest MTU of the network below."""
    pod: tuple[int, int]
    """The smallest and the largest MTU that pods can use."""
    latency: tuple[float, float] | None
    """The shortest and the longest in seconds, of pairs where it is stated."""
    why: tuple[str, ...] = ()


def region(cluster: fleet.Cluster) -> str:
    """Return where a cluster stands, as far as the Fleet says."""
    return cluster.region or "no region"


def cloud(cluster: fleet.Cluster) -> str:
    """Return the cloud of a cluster, as far as the Fleet says."""
    return cluster.provider.value if cluster.provider else "no provider"


def groups(clusters: Sequence[fleet.Cluster]) -> tuple[Group, ...]:
    """Return the clusters by region; by cloud where there are too many regions for a picture."""
    by_region = _by(clusters, region)
    if len(by_region) <= FEW or len(_by(clusters, cloud)) == 1:
        return tuple(Group(name, ((name, tuple(members)),)) for name, members in by_region.items())
    return tuple(
        Group(name, tuple((place, tuple(own)) for place, own in _by(members, region).items()))
        for name, members in _by(clusters, cloud).items()
    )


def links(known: fleet.Fleet, pairs: Iterable[mtu.Pair], home: Mapping[str, str]) -> tuple[Link, ...]:
    """Return the links between the homes of clusters, in the order in which homes are first named."""
    order = {name: number for number, name in enumerate(dict.fromkeys(home.values()))}
    latencies = Latencies(known)
    kinds: dict[tuple[str, str], collections.Counter[tuple[int, int, str, float | None]]] = {}
    for each in pairs:
        one, other = each.between
        if one not in home or other not in home:
            continue
        first, second = home[one], home[other]
        key = (first, second) if order[first] <= order[second] else (second, first)
        kind = (each.underlay_mtu, each.pod_mtu, each.why, latencies.of(one, other))
        kinds.setdefault(key, collections.Counter())[kind] += 1
    return tuple(
        _link(key, kinds[key]) for key in sorted(kinds, key=lambda key: (order[key[0]], order[key[1]]))
    )


def _link(between: tuple[str, str], kinds: Mapping[tuple[int, int, str, float | None], int]) -> Link:
    underlay, pod = [each[0] for each in kinds], [each[1] for each in kinds]
    times = [each[3] for each in kinds if each[3] is not None]
    return Link(
        between=between,
        pairs=sum(kinds.values()),
        underlay=(min(underlay), max(underlay)),
        pod=(min(pod), max(pod)),
        latency=(min(times), max(times)) if times else None,
        why=tuple(dict.fromkeys(each[2] for each in kinds)),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """Links that have the same MTU for the same reason."""

    links: tuple[Link, ...]

    @property
    def name(self) -> str:
        """The first of them, and how many more."""
        first = " – ".join(dict.fromkeys(self.links[0].between))
        return first if len(self.links) == 1 else f"{first} and {len(self.links) - 1} more"

    @property
    def pairs(self) -> int:
        """Pairs of clusters in all of them."""
        return sum(link.pairs for link in self.links)

    @property
    def latency(self) -> tuple[float, float] | None:
        """The shortest and the longest."""
        known = [link.latency for link in self.links if link.latency is not None]
        return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def bundles(found: Iterable[Link]) -> tuple[Bundle, ...]:
    """Return links by what they have in common, the narrowest first."""
    kinds: dict[tuple[object, ...], list[Link]] = {}
    for link in found:
        kinds.setdefault((link.pod, link.underlay, link.why), []).append(link)
    ranked = sorted(kinds.values(), key=lambda links: links[0].pod)
    return tuple(Bundle(links=tuple(links)) for links in ranked)


class Latencies:
    """The latencies that the Fleet states, asked for by cluster; those between clusters before regions."""

    def __init__(self, known: fleet.Fleet) -> None:
        self._stated = {
            frozenset(path.between): path.latency for path in known.spec.paths if path.latency is not None
        }
        self._region = {each.name: each.region or each.name for each in known.clusters}

    def of(self, one: str, other: str) -> float | None:
        """Return the latency between two clusters in seconds, where it is stated."""
        if not self._stated:
            return None
        direct = self._stated.get(frozenset((one, other)))
        if direct is not None:
            return direct
        return self._stated.get(frozenset((self._region.get(one, one), self._region.get(other, other))))


def _by(
    clusters: Iterable[fleet.Cluster], key: Callable[[fleet.Cluster], str]
) -> dict[str, list[fleet.Cluster]]:
    found: dict[str, list[fleet.Cluster]] = {}
    for each in clusters:
        found.setdefault(key(each), []).append(each)
    return found
