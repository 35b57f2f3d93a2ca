"""What a cluster needs of the address space, and which ranges it ends up with.

Sizes follow from the Fleet alone. Who gets which range is `addresses.py`; whether ranges collide is
`overlaps.py`.
"""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.network.ipam import provider

if TYPE_CHECKING:
    from isthmus.model import fleet

NODE_MASK: Final = {32: 24, 128: 64}
"""A node's block of pod addresses by bits of the family (kube-controller-manager's defaults)."""

SERVICE_MASK: Final = {32: 20, 128: 112}
"""A cluster's service range by bits of the family: 4,096 or 65,536 services."""


NODE_SUBNET_V6: Final = 1 << 64
"""Addresses of an IPv6 network of nodes: a /64, as hosts and clouds want it (RFC 7421)."""


class Role(StrEnum):
    """What a range is for; the value is the field of the JSON contract."""

    PODS = "pods"
    SERVICES = "services"
    NODES = "nodes"

    @property
    def field(self) -> str:
        """The field of a cluster that pins a range of this role."""
        return "nodeRange" if self is Role.NODES else self.value


Family = tuple[prefix.Prefix, ...]
"""At most one range of each family, IPv4 first; empty where there is none."""


@dataclasses.dataclass(frozen=True)
class Ranges:
    """The ranges of one cluster: none where the Fleet neither pins one nor says where from."""

    cluster: fleet.Cluster
    pods: Family = ()
    services: Family = ()
    nodes: Family = ()

    def of(self, role: Role) -> Family:
        """Return the ranges of a role."""
        if role is Role.PODS:
            return self.pods
        return self.services if role is Role.SERVICES else self.nodes

    def text(self, role: Role) -> str | None:
        """Return the ranges of a role as flags take them, a comma between families; None without any."""
        return ",".join(map(str, self.of(role))) or None

    def to_json(self) -> dict[str, str | int | None]:
        """Return the public JSON form."""
        texts = {role.value: self.text(role) for role in Role}
        return {"name": self.cluster.name, "id": self.cluster.id, **texts}


def pinned(cluster: fleet.Cluster, role: Role) -> Family:
    """Return the ranges that the Fleet pins for a role."""
    if role is Role.PODS:
        texts = cluster.pods
    else:
        texts = cluster.services if role is Role.SERVICES else cluster.node_range
    return tuple(map(prefix.parse, texts)) if texts else ()


def supernets(addressing: fleet.Addressing | None, role: Role) -> tuple[prefix.Prefix, ...]:
    """Return where ranges of a role may come from."""
    if addressing is None:
        return ()
    by_role = {Role.PODS: addressing.pods, Role.SERVICES: addressing.services, Role.NODES: addressing.nodes}
    source = by_role[role]
    return () if source is None else tuple(prefix.parse(text) for text in source.supernets)


def families(addressing: fleet.Addressing | None, role: Role) -> tuple[int, ...]:
    """Return the bits of the families that a role has supernets of, IPv4 first."""
    return tuple(sorted({each.bits for each in supernets(addressing, role)}))


def planned_nodes(cluster: fleet.Cluster) -> int:
    """Return the nodes to plan for: those of today times the growth."""
    return math.ceil(cluster.nodes * cluster.growth)


def node_mask(addressing: fleet.Addressing | None, bits: int) -> int:
    """Return the length of a node's block of pod addresses."""
    if addressing is None or addressing.pods is None:
        return NODE_MASK[bits]
    alone = bits == 32 or families(addressing, Role.PODS) == (128,)
    first = None if bits == 32 else addressing.pods.node_mask_v6
    return first or (addressing.pods.node_mask if alone else None) or NODE_MASK[bits]


def service_mask(addressing: fleet.Addressing | None, bits: int) -> int:
    """Return the length of a cluster's service range."""
    if addressing is None or addressing.services is None:
        return SERVICE_MASK[bits]
    alone = bits == 32 or families(addressing, Role.SERVICES) == (128,)
    first = None if bits == 32 else addressing.services.mask_v6
    return first or (addressing.services.mask if alone else None) or SERVICE_MASK[bits]


def block(addressing: fleet.Addressing | None, cluster: fleet.Cluster, bits: int) -> int:
    """Return the length of the block that a node of a cluster gets, by the Fleet's mask or its provider's."""
    return provider.mask(cluster, bits, node_mask(addressing, bits))


def wanted(addressing: fleet.Addressing | None, cluster: fleet.Cluster, role: Role, bits: int) -> int:
    """Return how many addresses a range must have, a power of two; ValueError when the mask is too long."""
    if role is Role.SERVICES:
        return prefix.size(service_mask(addressing, bits), bits)
    return wanted_for(addressing, cluster, role, bits, planned_nodes(cluster))


def wanted_for(
    addressing: fleet.Addressing | None, cluster: fleet.Cluster, role: Role, bits: int, nodes: int
) -> int:
    """Return how many addresses pods or nodes want when there are so many nodes."""
    if role is Role.PODS:
        return provider.pods_range(cluster, nodes, bits, node_mask(addressing, bits))
    return NODE_SUBNET_V6 if bits == 128 else prefix.covering(nodes + provider.kept(cluster))
