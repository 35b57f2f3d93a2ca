"""Names and addresses of everything the profile `network` makes, worked out before it is made.

Pure. A region is a network namespace with a bridge, each control plane and each node another one; names carry
a key of the lab's own, so that labs side by side do not meet. The host and the API servers have addresses of
a block that is free on the host; the plan's own ranges stay inside the namespaces.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import ipaddress
import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.lab import spec as specs
from isthmus.lab.network import ranges
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

_GATEWAYS: Final = 128  # where addresses of regions begin in the lab's block; those of API servers before
_LABEL: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,58}[A-Za-z0-9])?")
"""A label's value (63), less the zone's two characters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Node:
    """One node: its address, its network namespace, and its folder in every cgroup hierarchy."""

    name: str
    address: str
    namespace: str
    group: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Region:
    """A bridge in a network namespace, and the address it routes by."""

    name: str
    namespace: str
    gateway: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where one cluster lives: the API server's address and namespace, its ranges, its nodes.

    `link` is the host's interface to the control plane.
    """

    cluster: str
    region: str
    server: str
    namespace: str
    link: str
    node_range: str
    pod_range: str
    service_range: str
    node_mask: int
    mtu: int
    routes_pods: bool
    nodes: tuple[Node, ...]

    @property
    def service_ip(self) -> str:
        """The address of the Service `kubernetes`."""
        return str(ipaddress.ip_network(self.service_range)[1])

    @property
    def dns_ip(self) -> str:
        """The address of the cluster's DNS: the tenth, as kubeadm has it."""
        return str(ipaddress.ip_network(self.service_range)[10])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Path:
    """A link between two regions."""

    between: tuple[str, str]
    mtu: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """All of a lab's network."""

    key: str
    block: str
    host: str
    regions: tuple[Region, ...]
    places: tuple[Place, ...]
    paths: tuple[Path, ...]

    @functools.cached_property
    def by_region(self) -> dict[str, Region]:
        """The regions by name."""
        return {each.name: each for each in self.regions}

    @functools.cached_property
    def by_cluster(self) -> dict[str, Place]:
        """The places by the cluster's name."""
        return {each.cluster: each for each in self.places}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node of every cluster."""
        return tuple(node for each in self.places for node in each.nodes)

    @property
    def group(self) -> str:
        """The folder of this lab in every cgroup hierarchy."""
        return f"isthmus-{self.key}"

    @property
    def outer(self) -> tuple[str, ...]:
        """The network namespaces of control planes and regions."""
        return (*(each.namespace for each in self.places), *(each.namespace for each in self.regions))

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every network namespace, nodes first."""
        return (*(node.namespace for node in self.nodes), *self.outer)

    def inside(self, region: str) -> tuple[Place, ...]:
        """Return the clusters of a region."""
        return tuple(each for each in self.places if each.region == region)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the lab's own file keeps."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        """Read what `to_json` wrote."""
        places = [
            Place(**{**each, "nodes": tuple(Node(**node) for node in each["nodes"])})
            for each in data["places"]
        ]
        paths = [
            Path(between=(each["between"][0], each["between"][1]), mtu=each["mtu"]) for each in data["paths"]
        ]
        regions = tuple(Region(**each) for each in data["regions"])
        return cls(**{**data, "regions": regions, "places": tuple(places), "paths": tuple(paths)})


def plan(spec: specs.LabSpec, *, seed: str, taken: Iterable[str]) -> Layout:
    """Return the layout of a lab.

    `seed` (the lab's folder) tells its names from those of other labs; `taken` are ranges that the host or
    other labs use, which the block must not touch.
    """
    for cluster in spec.clusters:
        if not _LABEL.fullmatch(cluster.region):
            raise errors.InputError(
                f"the region {cluster.region!r} cannot be a node's label",
                where=cluster.name,
                remedy="write it with letters, digits, '-', '_' and '.', 60 at most",
            )
    key = hashlib.sha256(seed.encode()).hexdigest()[:8]
    given = ranges.give(spec)
    own = [text for each in given.values() for text in each.values()]
    block = ranges.block([*taken, *own], key)
    names = list(dict.fromkeys(each.region for each in spec.clusters))
    if len(spec.clusters) > _GATEWAYS - 2:
        raise errors.InputError(
            f"a lab of {len(spec.clusters)} clusters with real nodes cannot start",
            remedy=f"take at most {_GATEWAYS - 2}, or --profile {specs.CONTROL}",
        )
    return Layout(
        key=key,
        block=str(block),
        host=str(block[1]),
        regions=tuple(
            Region(
                name=name, namespace=f"isthmus-{key}-region-{index}", gateway=str(block[_GATEWAYS + index])
            )
            for index, name in enumerate(names)
        ),
        places=tuple(
            _place(each, key, index, str(block[2 + index]), given[each.name])
            for index, each in enumerate(spec.clusters)
        ),
        paths=tuple(_paths(spec, names)),
    )


def _place(cluster: specs.ClusterSpec, key: str, index: int, server: str, given: dict[str, str]) -> Place:
    names = [f"{cluster.name}-node-{number}" for number in range(1, cluster.nodes + 1)]
    addresses = _addresses(cluster.name, given["node_range"], len(names))
    return Place(
        cluster=cluster.name,
        region=cluster.region,
        server=server,
        namespace=f"isthmus-{key}-control-{cluster.name}",
        link=f"ist{key}{index}",
        node_mask=cluster.node_mask,
        mtu=cluster.mtu,
        routes_pods=cluster.routes_pods and bool(names),
        nodes=tuple(
            Node(name=name, address=address, namespace=f"isthmus-{key}-{name}", group=f"isthmus-{key}/{name}")
            for name, address in zip(names, addresses, strict=True)
        ),
        **given,
    )


def _addresses(cluster: str, node_range: str, count: int) -> list[str]:
    """Return the nodes' addresses: from the second on, as the first is a gateway's in most networks."""
    network = ipaddress.ip_network(node_range)
    first = 2 if count + 3 <= network.num_addresses else 0
    if first + count > network.num_addresses:
        raise errors.InputError(
            f"{count} nodes have no room in {node_range}", where=cluster, remedy="take fewer --nodes"
        )
    return [str(network[first + number]) for number in range(count)]


def _paths(spec: specs.LabSpec, names: list[str]) -> Iterable[Path]:
    stated = {frozenset(each.between): each.mtu for each in spec.paths}
    for one, other in itertools.combinations(names, 2):
        yield Path(between=(one, other), mtu=stated.get(frozenset((one, other)), specs.MTU))
