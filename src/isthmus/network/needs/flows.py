"""Which flows a fleet needs, by what it states of its datapath, its mesh and its Apps.

A flow is between kinds of places of many clusters; `firewall.py` turns flows into rows with ranges. What a
port is for, and who says so, is in `mesh/ports.py`.
"""

from __future__ import annotations

import collections
import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from isthmus.mesh import ports, settings
from isthmus.model import app as apps
from isthmus.model import datapath
from isthmus.model import mesh as meshes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from isthmus.model import fleet, folder

Key = TypeVar("Key", bound="Hashable")


class Place(StrEnum):
    """One end of a flow; the value is how a person calls it."""

    NODES = "nodes"
    PODS = "pods"
    API = "API server"
    MESH = "ClusterMesh API server"
    RELAY = "Hubble Relay"
    PROMETHEUS = "Prometheus"
    ISTIOD = "istiod"
    PROXIES = "mesh pods"
    GATEWAY = "east-west gateway"
    SERVICE = "load balancer or node port"
    # Outside of every cluster:
    OPERATOR = "operator machine"
    CLIENTS = "clients"
    CHECKS = "load balancer health checks"
    ROUTERS = "any router on the way"
    WITNESS = "witness API server"


OUTSIDE: Final = frozenset({Place.OPERATOR, Place.CLIENTS, Place.CHECKS, Place.ROUTERS, Place.WITNESS})
"""Places that no range of the plan covers: whoever opens the flow fills them in; routers are anywhere."""


class Reach(StrEnum):
    """Which receivers a sender has: its own cluster, the others, or both."""

    OWN = "own"
    OTHERS = "others"
    ALL = "all"


TUNNELS: Final = {datapath.Encapsulation.VXLAN: ports.VXLAN, datapath.Encapsulation.GENEVE: ports.GENEVE}
SECRETS: Final = {datapath.Encryption.WIREGUARD: ports.WIREGUARD, datapath.Encryption.IPSEC: ports.ESP}
PINGS: Final = {
    datapath.Underlay.IPV4: (ports.PING, ports.TOO_BIG),
    datapath.Underlay.IPV6: (ports.PING_V6, ports.TOO_BIG_V6),
}


class View(NamedTuple):
    """A cluster with what holds in it; None for what does not run there."""

    cluster: fleet.Cluster
    cilium: settings.Cilium | None
    istio: settings.Istio | None

    @property
    def encapsulation(self) -> datapath.Encapsulation | None:
        """What wraps pod packets, so that firewalls do not see them; None where nothing does."""
        way = self.cilium.datapath if self.cilium else None
        return way.encapsulation if way and way.is_tunnel else None

    @property
    def carrier(self) -> str:
        """The same as a firewall sees it, `8472/udp`; empty where nothing wraps them."""
        port = TUNNELS[self.encapsulation] if self.encapsulation else None
        return f"{port.port}/{port.protocol}" if port else ""

    @property
    def primary(self) -> str | None:
        """The cluster whose istiod serves this one, None where its own does."""
        stated = self.istio.primary if self.istio else None
        return None if stated == self.cluster.name else stated

    @property
    def is_ambient(self) -> bool:
        """Say whether ztunnel carries the mesh, not a sidecar."""
        return self.istio is not None and self.istio.mode is meshes.Mode.AMBIENT


Views = list[View]


class Flow(NamedTuple):
    """A port that some clusters open to others; `senders` say nothing of a source outside of the fleet.

    `inside` names what wraps the flow: firewalls between nodes see that instead, network policies see this.
    """

    port: ports.Port
    source: Place
    target: Place
    senders: Views
    receivers: Views
    reach: Reach = Reach.ALL
    inside: str = ""


def views(known: fleet.Fleet) -> Views:
    """Return what holds in each cluster; nothing stated is Cilium as it comes, and no Istio."""
    has_cilium = settings.uses_cilium(known)
    return [
        View(each, settings.cilium(known, each) if has_cilium else None, settings.istio(known, each))
        for each in known.clusters
    ]


def needed(source: folder.Folder, seen: Views) -> Iterator[Flow]:
    """Yield every flow the fleet needs, from the lowest layer up."""
    known = source.fleet
    yield from _kubernetes(seen)
    if settings.uses_cilium(known):
        yield from _cilium(seen)
        yield from _clustermesh(seen)
        yield from _watching(seen, has_hubble=known.spec.network is None or known.spec.network.hubble)
    meshed = [each for each in seen if each.istio is not None]
    if meshed:
        yield from _istio_control(meshed)
        yield from _istio_data(meshed)
    for each in source.apps:
        yield from _app(each, source, seen)
    yield from _to_api(ports.OPERATOR, Place.OPERATOR, [], seen, Reach.ALL)
    if known.witness is not None:
        yield Flow(ports.WITNESS, Place.OPERATOR, Place.WITNESS, [], [])


def gateways(meshed: Views) -> Views:
    """Return the clusters with an east-west gateway: all on several networks, else those with remote ones."""
    if len(networks(meshed)) > 1:
        return meshed
    serving = {each.primary for each in meshed}
    return [each for each in meshed if each.cluster.name in serving]


def balanced(meshed: Views) -> Views:
    """Return the clusters whose east-west gateway stands behind a load balancer."""
    kind = datapath.Exposure.LOAD_BALANCER
    return [
        each for each in gateways(meshed) if each.is_ambient or (each.istio and each.istio.exposure is kind)
    ]


def networks(meshed: Views) -> dict[str, Views]:
    """Return the clusters of the mesh by the network that they say they are on."""
    return _by(meshed, lambda each: each.istio.network if each.istio else "")


def _by(seen: Sequence[View], key: Callable[[View], Key]) -> dict[Key, Views]:
    groups: dict[Key, Views] = collections.defaultdict(list)
    for each in seen:
        groups[key(each)].append(each)
    return groups


def _to_api(port: ports.Port, source: Place, senders: Views, seen: Views, reach: Reach) -> Iterator[Flow]:
    """Yield a flow to API servers, which listen where their provider says."""
    for is_managed, some in _by(seen, lambda each: each.cluster.provider in ports.MANAGED).items():
        at = ports.api(port, some[0].cluster.provider) if is_managed else port
        yield Flow(at, source, Place.API, senders, some, reach)


def _kubernetes(seen: Views) -> Iterator[Flow]:
    yield from _to_api(ports.API, Place.NODES, seen, seen, Reach.OWN)
    yield Flow(ports.KUBELET, Place.API, Place.NODES, seen, seen, Reach.OWN)
    own = [each for each in seen if each.cluster.provider not in ports.MANAGED]
    yield Flow(ports.ETCD, Place.API, Place.API, own, own, Reach.OWN)
    yield Flow(ports.NODE_PORTS, Place.CLIENTS, Place.NODES, [], seen)


def _cilium(seen: Views) -> Iterator[Flow]:
    """Yield the datapath between nodes and its health checks."""
    ways = [(each, each.cilium.datapath) for each in seen if each.cilium]
    chosen: list[tuple[ports.Port, Views]] = []
    for wrapping, port in TUNNELS.items():
        chosen.append((port, [each for each in seen if each.encapsulation is wrapping]))
    for secret, port in SECRETS.items():
        chosen.append((port, [each for each, way in ways if way.encryption is secret]))
    chosen.append((ports.HEALTH, seen))
    by_family = [(pings, [each for each, way in ways if way.underlay is key]) for key, pings in PINGS.items()]
    chosen.extend((ping, some) for (ping, _), some in by_family)
    for port, some in chosen:
        yield Flow(port, Place.NODES, Place.NODES, some, some)
    for (_, too_big), some in by_family:
        yield Flow(too_big, Place.ROUTERS, Place.NODES, [], some)
    native = [each for each in seen if each.encapsulation is None]
    yield Flow(ports.POD_PORTS, Place.PODS, Place.PODS, native, native)


def _clustermesh(seen: Views) -> Iterator[Flow]:
    for node_port, some in _by(seen, _mesh_node_port).items():
        port = ports.CLUSTERMESH if node_port is None else ports.CLUSTERMESH_NODE_PORT
        if node_port:
            port = dataclasses.replace(port, port=str(node_port))
        yield Flow(port, Place.NODES, Place.MESH, seen, some, Reach.OTHERS)


def _mesh_node_port(each: View) -> int | None:
    """Return the port on nodes, 0 for the chart's own, None where it is not exposed so."""
    if each.cilium is None or each.cilium.exposure is not datapath.Exposure.NODE_PORT:
        return None
    return each.cilium.node_port or 0


def _watching(seen: Views, *, has_hubble: bool) -> Iterator[Flow]:
    if has_hubble:
        yield Flow(ports.HUBBLE, Place.RELAY, Place.NODES, seen, seen)
        for carrier, some in _by(seen, lambda each: each.carrier).items():
            yield Flow(ports.RELAY, Place.PODS, Place.PODS, some, some, Reach.OWN, carrier)
    yield Flow(ports.METRICS, Place.PROMETHEUS, Place.NODES, seen, seen, Reach.OWN)


def _istio_control(meshed: Views) -> Iterator[Flow]:
    """Yield what istiod needs: each primary reads every other cluster, remote ones come by its gateway."""
    primaries = [each for each in meshed if each.primary is None]
    yield Flow(ports.XDS, Place.PROXIES, Place.ISTIOD, primaries, primaries, Reach.OWN)
    yield Flow(ports.WEBHOOK, Place.API, Place.ISTIOD, primaries, primaries, Reach.OWN)
    yield from _to_api(ports.ISTIOD_API, Place.ISTIOD, primaries, meshed, Reach.OTHERS)
    by_primary = _by([each for each in meshed if each.primary is not None], lambda each: each.primary)
    for each in primaries:
        remotes = by_primary.get(each.cluster.name)
        if remotes:
            yield Flow(ports.REMOTE_XDS, Place.PROXIES, Place.GATEWAY, remotes, [each])
            yield Flow(ports.REMOTE_WEBHOOK, Place.API, Place.GATEWAY, remotes, [each])


def _istio_data(meshed: Views) -> Iterator[Flow]:
    by_network = networks(meshed)
    is_alone = len(by_network) == len(meshed)
    for port, receivers in _by(meshed, _gateway_port).items():
        if is_alone:
            yield Flow(port, Place.PROXIES, Place.GATEWAY, meshed, receivers, Reach.OTHERS)
        else:
            yield from _across(port, receivers, by_network)
    for some in [meshed] if is_alone else by_network.values():
        reach = Reach.OWN if is_alone else Reach.ALL
        ambient_ones = [each for each in some if each.is_ambient]
        for carrier, group in _by(ambient_ones, lambda each: each.carrier).items():
            yield Flow(ports.HBONE, Place.PODS, Place.PODS, group, group, reach, carrier)
    yield Flow(ports.STATUS, Place.CHECKS, Place.GATEWAY, [], balanced(meshed))


def _gateway_port(each: View) -> ports.Port:
    """Return the port by which others come into the network of a cluster."""
    if each.is_ambient:
        return ports.GATEWAY_HBONE
    own = each.istio
    if own is None or own.exposure is not datapath.Exposure.NODE_PORT:
        return ports.EAST_WEST
    port = ports.EAST_WEST_NODE_PORT
    return dataclasses.replace(port, port=str(own.node_port)) if own.node_port else port


def _across(port: ports.Port, receivers: Views, by_network: dict[str, Views]) -> Iterator[Flow]:
    """Yield the flows to the gateways of each network from the clusters on the others."""
    for name, some in networks(receivers).items():
        others = [each for other, group in by_network.items() if other != name for each in group]
        yield Flow(port, Place.PROXIES, Place.GATEWAY, others, some)


def _app(app: apps.App, source: folder.Folder, seen: Views) -> Iterator[Flow]:
    members = [each for each in seen if each.cluster.name in app.spec.clusters]
    for index, each in enumerate(app.spec.ports):
        port = _app_port(app, each, source, index)
        if each.source is apps.Origin.CLIENTS:
            for is_wrapped, some in _by(members, lambda view: view.encapsulation is not None).items():
                target = Place.SERVICE if is_wrapped else Place.PODS
                yield Flow(port, Place.CLIENTS, target, [], some)
            continue
        senders = members if each.source is apps.Origin.APP else seen
        for carrier, some in _by(senders, lambda view: view.carrier).items():
            yield Flow(port, Place.PODS, Place.PODS, some, members, Reach.ALL, carrier)


def _app_port(app: apps.App, each: apps.Port, source: folder.Folder, index: int) -> ports.Port:
    file, line = source.where(app, ("spec", "ports", index))
    return ports.Port(
        name=f"{app.namespace}-{app.name}-{each.protocol.value}-{each.port}-{each.source.value}",
        protocol=each.protocol.value,
        port=str(each.port),
        purpose=f"{app.name}: {each.purpose}",
        when=f"App {app.namespace}/{app.name}",
        source=f"{file}:{line}" if file else f"App {app.namespace}/{app.name}",
    )
