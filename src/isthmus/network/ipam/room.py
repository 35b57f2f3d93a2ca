"""How many nodes still fit into the ranges of a cluster: an answer that needs no date."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.network.ipam import provider, ranges

if TYPE_CHECKING:
    from isthmus.address import prefix
    from isthmus.model import fleet


@dataclasses.dataclass(frozen=True, kw_only=True)
class Room:
    """The nodes of one cluster: those of today, those planned with growth, and those that its ranges hold."""

    cluster: str
    nodes_now: int
    nodes_planned: int
    pods_fit: int | None
    """Nodes that the pod ranges have addresses for, by the tighter family; None without a pod range."""
    hosts_fit: int | None
    """Nodes that the node ranges have addresses for; None without a node range."""

    @property
    def nodes_fit(self) -> int | None:
        """Nodes that all ranges hold; None where the cluster has neither pod nor node range."""
        return min((each for each in (self.pods_fit, self.hosts_fit) if each is not None), default=None)

    @property
    def more(self) -> int | None:
        """How many nodes can be added to those of today; negative where the ranges are too small already."""
        return None if self.nodes_fit is None else self.nodes_fit - self.nodes_now


def of(addressing: fleet.Addressing | None, each: ranges.Ranges) -> Room:
    """Return the room of one cluster."""
    cluster = each.cluster
    return Room(
        cluster=cluster.name,
        nodes_now=cluster.nodes,
        nodes_planned=ranges.planned_nodes(cluster),
        pods_fit=min((_blocks(addressing, cluster, pods) for pods in each.pods), default=None),
        hosts_fit=min((max(0, one.size - provider.kept(cluster)) for one in each.nodes), default=None),
    )


def _blocks(addressing: fleet.Addressing | None, cluster: fleet.Cluster, pods: prefix.Prefix) -> int:
    try:
        return provider.nodes_in(cluster, pods, ranges.node_mask(addressing, pods.bits))
    except ValueError:
        return 0  # the family has no such mask; `sizes` tells so
