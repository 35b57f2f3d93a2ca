"""The underlay MTU between any two clusters: what the Fleet states, else what is usual there.

First what is stated of the path, between the clusters and then between their regions: its `mtu`, or the
figure of what carries it (`via`). Else the nodes' own `mtu`, the provider's default, Ethernet's 1500. What
the nodes state of themselves is a bound in any case: no packet leaves them that is larger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.mesh import ways
from isthmus.model import datapath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import fleet

Ends = tuple[str, str]
NODES: Final = "the nodes' own MTU"


class End(NamedTuple):
    """What of a cluster decides its paths: name and region only where they do."""

    name: str | None
    region: str | None
    provider: datapath.Provider | None
    mtu: int | None


class Leg(NamedTuple):
    """The underlay between two ends: bytes of the largest IP packet, and where that number comes from."""

    mtu: int
    why: str
    path: int | None = None
    """The index in `spec.paths` that said so."""


def key(one: str, other: str) -> Ends:
    """Return two names in an order that does not depend on who is named first."""
    return (one, other) if one <= other else (other, one)


class Underlay:
    """The paths of one Fleet."""

    def __init__(self, known: fleet.Fleet) -> None:
        self._paths = known.spec.paths
        self._index: dict[Ends, int] = {}
        for index, each in enumerate(known.spec.paths):
            self._index.setdefault(key(*each.between), index)
        self._named = {name for each in known.spec.paths for name in each.between}

    def end(self, cluster: fleet.Cluster) -> End:
        """Return a cluster as an end of paths; many clusters are the same end."""
        name = cluster.name if cluster.name in self._named else None
        region = cluster.region
        is_named = name is not None or region in self._named
        if not is_named and cluster.provider is not datapath.Provider.AWS:
            region = None  # so that clusters in many regions are few ends
        return End(name, region, cluster.provider, cluster.mtu)

    def stated(self, one: End, other: End) -> int | None:
        """Return the index of the path that the Fleet states; clusters come before regions.

        Of two that are as near, `a` to the region of `b` and `b` to that of `a`, the first one counts.
        """
        for pairs in _names(one, other):
            found = [self._index[each] for each in pairs if each in self._index]
            if found:
                return min(found)
        return None

    def between(self, one: End, other: End) -> Leg:
        """Return the underlay between two clusters."""
        return self._leg(one, other, one_region=one.region is not None and one.region == other.region)

    def inside(self, end: End) -> Leg:
        """Return the underlay between the nodes of a cluster."""
        return self._leg(end, end, one_region=True)

    def _leg(self, one: End, other: End, *, one_region: bool) -> Leg:
        index = self.stated(one, other)
        if index is not None:
            path = self._paths[index]
            if path.mtu is not None:
                return _bounded(
                    Leg(path.mtu, f"stated between {' and '.join(path.between)}", index), one, other
                )
            if path.via is not None:
                return _via(path.via, index, one, other, one_region=one_region)
        return _usual(one, other, one_region=one_region)


def _names(one: End, other: End) -> Iterator[list[Ends]]:
    """Yield what a path between two ends may be called, the nearest first."""
    if one.name and other.name:
        yield [key(one.name, other.name)]
    mixed = ((one.name, other.region), (other.name, one.region))
    yield [key(name, region) for name, region in mixed if name and region]
    if one.region and other.region:
        yield [key(one.region, other.region)]


def _bounded(leg: Leg, one: End, other: End) -> Leg:
    nodes = [each.mtu for each in (one, other) if each.mtu is not None]
    if nodes and min(nodes) < leg.mtu:
        return Leg(min(nodes), f"{NODES}, below the {leg.mtu} {leg.why}", leg.path)
    return leg


def _via(way: datapath.Way, index: int, one: End, other: End, *, one_region: bool) -> Leg:
    figure = ways.figure(way, one_region=one_region)
    said = f"{way.value}: {figure.source}"
    nodes = min(_nodes(one, figure), _nodes(other, figure), key=lambda leg: leg.mtu)
    if nodes.mtu >= figure.at_most:
        return Leg(figure.at_most, said, index)
    return Leg(nodes.mtu, said if nodes.why == figure.source else f"{nodes.why}, over {said}", index)


def _usual(one: End, other: End, *, one_region: bool) -> Leg:
    legs = [_nodes(one, ways.ETHERNET), _nodes(other, ways.ETHERNET)]
    is_stated = one.mtu is not None and other.mtu is not None
    if one.provider is other.provider is datapath.Provider.AWS and not (one_region or is_stated):
        legs.append(Leg(ways.BETWEEN_REGIONS.mtu, ways.BETWEEN_REGIONS.source))
    return min(legs, key=lambda leg: leg.mtu)


def _nodes(end: End, unknown: ways.Figure) -> Leg:
    """Return what the nodes of an end take; `unknown` is for nodes of which nothing is known."""
    if end.mtu is not None:
        return Leg(end.mtu, NODES)
    figure = (ways.PROVIDERS.get(end.provider) if end.provider else None) or unknown
    return Leg(figure.mtu, figure.source)
