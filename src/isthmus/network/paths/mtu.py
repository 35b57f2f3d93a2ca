"""What pods can send between any two clusters, and the one MTU to set in all of them.

`underlay.py` says what lies between two clusters; the headers of the datapath come off that. Clusters that
are alike are worked out once, so that 130,305 pairs of 511 clusters cost little more than being written down.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.mesh import overheads, settings
from isthmus.model import datapath
from isthmus.network.paths import alike, packets, underlay

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from isthmus.model import finding, fleet
    from isthmus.network import place


class Pair(NamedTuple):
    """Two clusters, or one named twice where the path inside it is stated."""

    between: tuple[str, str]
    underlay_mtu: int
    """Bytes of the largest IP packet between nodes."""
    pod_mtu: int
    """Bytes of the largest IP packet between pods."""
    why: str
    """Where the underlay's comes from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paths:
    """Every pair of clusters, in the order of the Fleet; nothing where Cilium makes no network."""

    pairs: tuple[Pair, ...] = ()
    smallest: int | None = None
    """The least underlay MTU of all paths."""
    fleet_mtu: int | None = None
    """The Helm value `MTU` of Cilium for every cluster: what the Fleet states, else the smallest.

    It is the underlay's: Cilium gives it to the pods' devices as it is and takes the headers off for
    their routes itself (1.20 pkg/mtu/mtu.go).
    """
    cost: overheads.Cost | None = None
    """What the headers of the Fleet's datapath cost."""
    findings: tuple[finding.Finding, ...] = ()

    def to_json(self, clusters: Collection[str]) -> list[dict[str, Any]]:
        """Return the public JSON form, of the pairs whose ends are both among some clusters."""
        return [
            {"between": [one, other], "underlay_mtu": underlay_mtu, "pod_mtu": pod_mtu}
            for (one, other), underlay_mtu, pod_mtu, _ in self.pairs
            if one in clusters and other in clusters
        ]


class Kind(NamedTuple):
    """What clusters have in common that have the same MTU to everywhere."""

    end: underlay.End
    headers: int
    """Bytes."""
    is_v6: bool


Cell = tuple[int, int, str]
"""Underlay MTU, pod MTU and the reason, of all pairs of two kinds."""


def paths(known: fleet.Fleet, places: place.Places) -> Paths:
    """Return the MTU of every pair of clusters, and what is wrong with paths and datapath."""
    strange = tuple(packets.stated(known, places))
    if not settings.uses_cilium(known):
        return Paths(findings=strange)
    work = _Work(known)
    pairs = tuple(work.pairs())
    smallest = min(link.leg.mtu for link in work.links)
    network = known.spec.network
    return Paths(
        pairs=pairs,
        smallest=smallest,
        fleet_mtu=(network and network.mtu) or smallest,
        cost=overheads.cost(settings.datapath_of(known)),
        findings=(*strange, *work.findings(places)),
    )


class _Work:
    """The clusters of a Fleet by kind, and the links that were worked out so far."""

    def __init__(self, known: fleet.Fleet) -> None:
        self._known = known
        self._underlay = underlay.Underlay(known)
        self._headers: dict[settings.Datapath, int] = {}
        addressing = known.spec.addressing
        supernets = addressing.pods.supernets if addressing and addressing.pods else ()
        self._v6 = any(":" in text for text in supernets)
        self._kinds = [self._kind(each) for each in known.clusters]
        self.links: list[packets.Link] = []
        """One for each two kinds, and one inside each."""
        self._floors: dict[Kind, packets.Link] = {}

    def _kind(self, cluster: fleet.Cluster) -> Kind:
        path = settings.cilium(self._known, cluster).datapath
        headers = self._headers.get(path)
        if headers is None:
            headers = self._headers[path] = overheads.size(path)
        # An underlay of IPv6 takes `ipv6.enabled`, which gives each pod an address of IPv6 as well.
        is_v6 = self._v6 or ":" in str(cluster.pods) or path.underlay is datapath.Underlay.IPV6
        return Kind(self._underlay.end(cluster), headers, is_v6)

    def pairs(self) -> Iterator[Pair]:
        """Yield every pair of clusters, and each cluster with itself where the path inside it is stated."""
        clusters = self._known.clusters
        names = [each.name for each in clusters]
        numbers = {kind: number for number, kind in enumerate(dict.fromkeys(self._kinds))}
        order = [numbers[kind] for kind in self._kinds]
        cells: list[dict[int, Cell]] = [{} for _ in numbers]
        inside: dict[int, Cell | None] = {}
        for index, (name, number) in enumerate(zip(names, order, strict=True)):
            row = cells[number]
            if number not in inside:
                inside[number] = self._inside(clusters[index], self._kinds[index])
            alone = inside[number]
            if alone is not None:
                yield Pair((name, name), *alone)
            for later in range(index + 1, len(names)):
                cell = row.get(order[later])
                if cell is None:
                    cell = row[order[later]] = self._cell(index, later)
                yield Pair((name, names[later]), *cell)

    def _cell(self, index: int, later: int) -> Cell:
        one, other = self._kinds[index], self._kinds[later]
        leg = self._underlay.between(one.end, other.end)
        return self._link(leg, (one, other), (self._known.clusters[index], self._known.clusters[later]))

    def _inside(self, cluster: fleet.Cluster, kind: Kind) -> Cell | None:
        """Return what holds inside a cluster, None where it is not stated and thus not told."""
        leg = self._underlay.inside(kind.end)
        cell = self._link(leg, (kind, kind), (cluster, cluster))
        return None if leg.path is None else cell

    def _link(
        self, leg: underlay.Leg, kinds: tuple[Kind, Kind], ends: tuple[fleet.Cluster, fleet.Cluster]
    ) -> Cell:
        pod_mtu = leg.mtu - max(each.headers for each in kinds)
        link = packets.Link(leg, pod_mtu, *ends, is_v6=any(each.is_v6 for each in kinds))
        self.links.append(link)
        for kind in kinds:
            floor = self._floors.get(kind)
            if floor is None or leg.mtu < floor.leg.mtu:
                self._floors[kind] = link
        return leg.mtu, pod_mtu, leg.why

    def findings(self, places: place.Places) -> Iterator[finding.Finding]:
        """Yield what is wrong, of what the Fleet states."""
        known = self._known
        is_stated = settings.states_network(known)
        if is_stated:
            yield from alike.findings(known, places)
        if is_stated or settings.states_mesh(known) or known.spec.paths:
            floors = {
                each.name: self._floors[kind] for each, kind in zip(known.clusters, self._kinds, strict=True)
            }
            yield from packets.findings(known, self.links, floors, places)
