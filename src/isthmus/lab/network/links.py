"""Regions, the paths between them, and each control plane's place, as lines of `ip`.

Addresses of one region lie on one bridge. What is in another region goes through the link between the two
routers, which has the path's MTU. Its routes have a metric, so that a forwarder can be laid over a link, and
taken away again, with routes that come before. Nothing of it routes through the host.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from isthmus.lab.network import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.lab.network import layout

METRIC: Final = 100
"""Of routes over a link between regions."""
BRIDGE: Final = "br0"
_QUIET: Final = {
    # No router solicitations that look like drops, and no packets refused for the way they came.
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
}
_ROUTER: Final = {
    **_QUIET,
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "bridge/bridge-nf-call-iptables": 0,
}


class Links:
    """The links of one lab."""

    def __init__(self, known: layout.Layout, run: tools.Tools) -> None:
        self._known = known
        self._run = run
        self._mark = hashlib.sha256(repr(known).encode()).hexdigest()[:16]

    @property
    def lock(self) -> int | None:
        """The descriptor of the lab's lock, for children to hold."""
        return self._run.lock

    def are_whole(self) -> bool:
        """Say whether regions, paths and the places of control planes stand as they were planned."""
        known = self._known
        return all(self._marked(name) for name in known.outer)

    def make(self) -> None:
        """Make regions, paths and places of control planes; nothing of them may be there."""
        known = self._known
        self._run.ip([f"netns add {name}" for name in known.outer])
        for region in known.regions:
            self._run.tune(region.namespace, _ROUTER)
            self._run.ip(self._region(region), namespace=region.namespace)
        for index, path in enumerate(known.paths):
            self._path(index, path)
        for place in known.places:
            self._place(place)
        for name in known.outer:
            self._run.ip([f"link set lo alias {self._mark}"], namespace=name)

    def join(self, place: layout.Place, node: layout.Node) -> None:
        """Make a node's namespace anew and plug it into its region."""
        region = self._known.by_region[place.region]
        port = f"n{self._known.nodes.index(node)}"
        self.leave(node.namespace)
        self._run.ip([f"link delete {port}"], namespace=region.namespace, must=False)
        self._run.ip([f"netns add {node.namespace}"])
        self._run.tune(node.namespace, {**_QUIET, "ipv4/ip_forward": 1})
        length = place.node_range.partition("/")[2]
        self._run.ip(
            [
                "link set lo up",
                _pair("eth0", port, place.mtu, region.namespace),
                f"address add {node.address}/{length} dev eth0",
                "link set eth0 up",
                *self._neighbours(place),
                f"route add default via {region.gateway} dev eth0",
            ],
            namespace=node.namespace,
        )
        self._run.ip([f"link set {port} master {BRIDGE} up"], namespace=region.namespace)

    def leave(self, *namespaces: str) -> None:
        """Remove namespaces, with every link in them; those that are not there are left out."""
        self._run.ip([f"netns delete {name}" for name in namespaces], must=False)

    def remove(self) -> None:
        """Remove everything of the lab; no process may be left in its namespaces."""
        self._run.ip([f"link delete {place.link}" for place in self._known.places], must=False)
        self.leave(*self._known.namespaces)
        if tools.NAMESPACES.is_dir() and not any(tools.NAMESPACES.iterdir()):
            # ip mounted it with the first namespace, and does so again for the next.
            self._run.run(["umount", str(tools.NAMESPACES)], must=False)

    def _marked(self, namespace: str) -> bool:
        found = self._run.ask("link", "show", "dev", "lo", namespace=namespace)
        return bool(found) and found[0].get("ifalias") == self._mark

    def _region(self, region: layout.Region) -> Iterator[str]:
        places = self._known.inside(region.name)
        yield "link set lo up"
        yield f"link add {BRIDGE} type bridge"
        yield f"address add {region.gateway}/32 dev {BRIDGE}"
        yield f"link set {BRIDGE} mtu {max(place.mtu for place in places)} up"
        for place in places:
            yield f"route add {place.node_range} dev {BRIDGE} src {region.gateway}"
            yield f"route add {place.server}/32 dev {BRIDGE} src {region.gateway}"
            if place.routes_pods:  # as a cloud's network knows where the pods of a cluster are
                yield f"route replace {place.pod_range} via {place.nodes[0].address} dev {BRIDGE}"

    def _path(self, index: int, path: layout.Path) -> None:
        one, other = (self._known.by_region[name] for name in path.between)
        link = path_link(index)
        self._run.ip([_pair(link, link, path.mtu, other.namespace)], namespace=one.namespace)
        for here, there in ((one, other), (other, one)):
            way = f"via {there.gateway} dev {link} onlink src {here.gateway} metric {METRIC}"
            routes = [f"route replace {target} {way}" for target in self.targets(there)]
            self._run.ip([f"link set {link} up", *routes], namespace=here.namespace)

    def targets(self, region: layout.Region) -> Iterator[str]:
        """Yield what is routed to a region from others."""
        yield f"{region.gateway}/32"
        for place in self._known.inside(region.name):
            yield place.node_range
            yield f"{place.server}/32"
            if place.routes_pods:
                yield place.pod_range

    def _place(self, place: layout.Place) -> None:
        """Plug a control plane into its region, and give the host a link to it."""
        region = self._known.by_region[place.region]
        port = f"c{self._known.places.index(place)}"
        self._run.tune(place.namespace, {**_QUIET, "ipv4/ip_forward": 0})
        lines = [
            "link set lo up",
            _pair("eth0", port, place.mtu, region.namespace),
            f"address add {place.server}/32 dev eth0",
            "link set eth0 up",
            *self._neighbours(place),
        ]
        for other in self._known.regions:
            if other != region:
                lines += [
                    f"route replace {target} via {region.gateway} dev eth0" for target in self.targets(other)
                ]
        if place.nodes:  # pods, wherever the CNI has put them: webhooks run there
            lines.append(f"route add default via {place.nodes[0].address} dev eth0")
        self._run.ip(lines, namespace=place.namespace)
        self._run.ip([f"link set {port} master {BRIDGE} up"], namespace=region.namespace)
        host = self._known.host
        self._run.ip(
            [
                f"link add {place.link} type veth peer name host netns {place.namespace}",
                f"address add {host}/32 dev {place.link}",
                f"link set {place.link} up",
                f"route add {place.server}/32 dev {place.link} src {host}",
            ]
        )
        self._run.ip(["link set host up", f"route add {host}/32 dev host"], namespace=place.namespace)

    def _neighbours(self, place: layout.Place) -> Iterator[str]:
        """Yield the routes to what is on the same bridge."""
        region = self._known.by_region[place.region]
        yield f"route add {region.gateway}/32 dev eth0"
        for other in self._known.inside(place.region):
            yield f"route replace {other.node_range} dev eth0"
            yield f"route add {other.server}/32 dev eth0"


def path_link(index: int) -> str:
    """Return the name of both ends of the link of a layout's path."""
    return f"path{index}"


def _pair(name: str, peer: str, mtu: int, namespace: str) -> str:
    """Return the line that makes an interface here and its other end in another namespace."""
    return f"link add {name} mtu {mtu} type veth peer name {peer} mtu {mtu} netns {namespace}"
