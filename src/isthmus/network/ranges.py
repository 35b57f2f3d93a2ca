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

if TYPE_CHECKING:
    from isthmus.model import fleet

NODE_MASK: Final = {32: 24, 128: 64}
"""A node's block of pod addresses by bits of the family (kube-controller-manager's defaults)."""

SERVICE_MASK: Final = {32: 20, 128: 112}
"""A cluster's service range by bits of the family: 4,096 or 65,536 services."""

RESERVED_NODES: Final = 5
"""Addresses of a node network that the cloud keeps (AWS 5, GCP 4)."""


class Role(StrEnum):
    """What a range is for; the value is the field of the JSON contract."""

    PODS = "pods"
    SERVICES = "services"
    NODES = "nodes"

    @property
    def field(self) -> str:
        """The field of a cluster that pins a range of this role."""
        return "nodeRange" if self is Role.NODES else self.value


@dataclasses.dataclass(frozen=True)
class Ranges:
    """The ranges of one cluster; None where the Fleet neither pins one nor says where from."""

    cluster: fleet.Cluster
    pods: prefix.Prefix | None = None
    services: prefix.Prefix | None = None
    nodes: prefix.Prefix | None = None

    def of(self, role: Role) -> prefix.Prefix | None:
        """Return the range of a role."""
        if role is Role.PODS:
            return self.pods
        return self.services if role is Role.SERVICES else self.nodes

    def to_json(self) -> dict[str, str | int | None]:
        """Return the public JSON form."""
        return {
            "name": self.cluster.name,
            "id": self.cluster.id,
            "pods": _text(self.pods),
            "services": _text(self.services),
            "nodes": _text(self.nodes),
        }


def _text(each: prefix.Prefix | None) -> str | None:
    return None if each is None else str(each)


def pinned(cluster: fleet.Cluster, role: Role) -> prefix.Prefix | None:
    """Return the range that the Fleet pins for a role."""
    texts = {Role.PODS: cluster.pods, Role.SERVICES: cluster.services, Role.NODES: cluster.node_range}
    text = texts[role]
    return None if text is None else prefix.parse(text)


def supernets(addressing: fleet.Addressing | None, role: Role) -> tuple[prefix.Prefix, ...]:
    """Return where ranges of a role may come from."""
    if addressing is None:
        return ()
    by_role = {Role.PODS: addressing.pods, Role.SERVICES: addressing.services, Role.NODES: addressing.nodes}
    source = by_role[role]
    return () if source is None else tuple(prefix.parse(text) for text in source.supernets)


def planned_nodes(cluster: fleet.Cluster) -> int:
    """Return the nodes to plan for: those of today times the growth."""
    return math.ceil(cluster.nodes * cluster.growth)


def node_mask(addressing: fleet.Addressing | None, bits: int) -> int:
    """Return the length of a node's block of pod addresses."""
    written = addressing.pods.node_mask if addressing and addressing.pods else None
    return written or NODE_MASK[bits]


def wanted(addressing: fleet.Addressing | None, cluster: fleet.Cluster, role: Role, bits: int) -> int:
    """Return how many addresses a range must have, a power of two; ValueError when the mask is too long."""
    if role is Role.PODS:
        return prefix.covering(planned_nodes(cluster)) * prefix.size(node_mask(addressing, bits), bits)
    if role is Role.NODES:
        return prefix.covering(planned_nodes(cluster) + RESERVED_NODES)
    written = addressing.services.mask if addressing and addressing.services else None
    return prefix.size(written or SERVICE_MASK[bits], bits)
