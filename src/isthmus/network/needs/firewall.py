"""The firewall matrix: every flow the fleet needs as rows that a person, or another program, can act on.

Up to MANY clusters there is a row for each ordered pair of clusters and flow; beyond, one row for each flow
with the ranges of all, since nobody reads a quarter of a million rows. Both carry the same ends, and
`Row.into` takes either apart for one cluster. How a row looks is `render/firewall`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.mesh import ports
from isthmus.model import datapath
from isthmus.model import team as teams
from isthmus.network.ipam import ranges
from isthmus.network.needs import flows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import fleet, folder

MANY: Final = 16
"""Clusters up to which pairs have rows of their own: 16 clusters make 256 rows a flow."""

ANYWHERE: Final = (prefix.parse("0.0.0.0/0"), prefix.parse("::/0"))
"""Where routers between two clusters may have their address."""

EVERY: Final = "*"
"""The cluster of a side that has several; no cluster can be called that."""

NOBODY: Final = "network"
"""The team of rows where the Fleet names no owner of `firewall`."""


class End(NamedTuple):
    """A place of one cluster (None: outside of the fleet) with its ranges; empty where the plan has none."""

    cluster: str | None
    place: flows.Place
    ranges: tuple[prefix.Prefix, ...] = ()

    def __str__(self) -> str:
        return f"{self.cluster} {self.place.value}" if self.cluster else self.place.value


class Row(NamedTuple):
    """A flow to open, from `sources` to `targets`; `inside` names what wraps it on the wire."""

    entry: ports.Port
    source: str
    target: str
    sources: tuple[End, ...]
    targets: tuple[End, ...]
    reach: flows.Reach
    team: str
    inside: str = ""

    @property
    def protocol(self) -> str:
        """`tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, `esp` or `any`."""
        return self.entry.protocol

    @property
    def port(self) -> str:
        """A number, a range with a dash, type/code of ICMP, or `any`."""
        return self.entry.port

    @property
    def purpose(self) -> str:
        """What it is for."""
        return self.entry.purpose

    @property
    def when(self) -> str:
        """What makes the fleet need it, and what carries it."""
        return f"{self.entry.when}; inside {self.inside}" if self.inside else self.entry.when

    @property
    def fact(self) -> str:
        """Who says so."""
        return self.entry.source

    @property
    def source_cluster(self) -> str | None:
        """The cluster it comes from, EVERY for several, None for the outside."""
        return self.sources[0].cluster if len(self.sources) == 1 else EVERY

    @property
    def target_cluster(self) -> str | None:
        """The cluster it goes to, EVERY for several, None for the outside."""
        return self.targets[0].cluster if len(self.targets) == 1 else EVERY

    @property
    def source_ranges(self) -> tuple[prefix.Prefix, ...]:
        """All ranges it may come from."""
        return tuple(each for end in self.sources for each in end.ranges)

    @property
    def target_ranges(self) -> tuple[prefix.Prefix, ...]:
        """All ranges it may go to."""
        return tuple(each for end in self.targets for each in end.ranges)

    def into(self, cluster: str) -> tuple[End, tuple[End, ...]] | None:
        """Return the end in a cluster and who may reach it there, None when the row does not go there."""
        target = next((end for end in self.targets if end.cluster == cluster), None)
        if target is None:
            return None
        sources = self.sources
        if self.reach is not flows.Reach.ALL:
            is_own = self.reach is flows.Reach.OWN
            sources = tuple(end for end in sources if (end.cluster == cluster) is is_own)
        return (target, sources) if sources else None

    def to_json(self) -> dict[str, str]:
        """Return the public JSON form."""
        return {
            "from": self.source,
            "to": self.target,
            "protocol": self.protocol,
            "port": self.port,
            "purpose": self.purpose,
            "team": self.team,
            "when": self.when,
        }


def rows(source: folder.Folder, clusters: Sequence[ranges.Ranges]) -> tuple[Row, ...]:
    """Return every flow that the fleet needs, from the lowest layer up, clusters in the Fleet's order."""
    given = {each.cluster.name: each for each in clusters}
    seen = [each for each in flows.views(source.fleet) if each.cluster.name in given]
    maker = _Maker(seen, given, owners(source.fleet))
    return tuple(row for flow in flows.needed(source, seen) for row in maker.rows(flow))


def owners(known: fleet.Fleet) -> str:
    """Return the teams that own the firewall, joined by commas."""
    names = [each.name for each in known.spec.teams if teams.Part.FIREWALL in each.owns]
    return ", ".join(names) or NOBODY


def _meets(reach: flows.Reach, sender: str | None, receiver: str | None) -> bool:
    if reach is flows.Reach.ALL:
        return True
    return (sender == receiver) is (reach is flows.Reach.OWN)


class _Maker:
    """Makes rows of flows; each end is made once."""

    def __init__(self, seen: flows.Views, given: dict[str, ranges.Ranges], team: str) -> None:
        self._given = given
        self._team = team
        self._count = len(seen)
        self._ends: dict[tuple[str, flows.Place], End] = {}

    def rows(self, flow: flows.Flow) -> Iterator[Row]:
        sources = self._side(flow.senders, flow.source)
        targets = self._side(flow.receivers, flow.target)
        if self._count > MANY:
            yield from self._one(flow, sources, targets)
            return
        for source in sources:
            for target in targets:
                if _meets(flow.reach, source.cluster, target.cluster):
                    yield Row(
                        flow.port,
                        str(source),
                        str(target),
                        (source,),
                        (target,),
                        flow.reach,
                        self._team,
                        flow.inside,
                    )

    def _one(self, flow: flows.Flow, sources: tuple[End, ...], targets: tuple[End, ...]) -> Iterator[Row]:
        """Yield one row for all clusters, none when no sender has a receiver."""
        senders, receivers = ({end.cluster for end in side} for side in (sources, targets))
        is_own, is_others = (flow.reach is each for each in (flows.Reach.OWN, flows.Reach.OTHERS))
        lonely = len(senders | receivers) == 1
        if not sources or not targets or (is_others and lonely) or (is_own and not senders & receivers):
            return
        source = self._name(sources, "each cluster's")
        word = {flows.Reach.OWN: "its own", flows.Reach.OTHERS: "every other cluster's"}.get(
            flow.reach, "every cluster's"
        )
        target = f"its own {flow.target.value}" if is_own else self._name(targets, word)
        yield Row(flow.port, source, target, sources, targets, flow.reach, self._team, flow.inside)

    def _name(self, side: tuple[End, ...], word: str) -> str:
        if len(side) == 1:
            return str(side[0])
        if len(side) == self._count:
            return f"{word} {side[0].place.value}"
        return f"{side[0].place.value} of {len(side)} clusters"

    def _side(self, seen: flows.Views, place: flows.Place) -> tuple[End, ...]:
        if place in flows.OUTSIDE:
            return (End(None, place, ANYWHERE if place is flows.Place.ROUTERS else ()),)
        return tuple(self._end(each, place) for each in seen)

    def _end(self, view: flows.View, place: flows.Place) -> End:
        key = (view.cluster.name, place)
        found = self._ends.get(key)
        if found is None:
            given = self._given[view.cluster.name]
            found = self._ends[key] = End(view.cluster.name, place, _ranges(view, given, place))
        return found


def _ranges(view: flows.View, given: ranges.Ranges, place: flows.Place) -> tuple[prefix.Prefix, ...]:
    """Return where a place lies.

    An internal load balancer takes its address of the nodes' subnet unless told otherwise, and passes the
    packets on to nodes. What leaves a pod for an address outside of the pod ranges has the node's address or
    its own, by the masquerading (Cilium 1.20 Documentation/network/concepts/masquerading.rst): both count.
    """
    role = ranges.Role
    nodes, pods = given.of(role.NODES), given.of(role.PODS)
    match place:
        case flows.Place.API:
            # A managed control plane has its address outside of the nodes' range.
            return () if view.cluster.provider in ports.MANAGED else nodes
        case flows.Place.PODS:
            return pods
        case flows.Place.MESH if view.cilium and view.cilium.exposure is datapath.Exposure.CLUSTER_IP:
            return given.of(role.SERVICES)
        case flows.Place.RELAY | flows.Place.PROMETHEUS | flows.Place.PROXIES:
            return (*nodes, *pods)
        case flows.Place.ISTIOD:
            # Beside an overlay istiod needs hostNetwork (Cilium 1.20 network/servicemesh/istio.rst).
            return nodes if view.encapsulation else (*nodes, *pods)
        case _:
            return nodes
