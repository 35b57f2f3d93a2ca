"""One cluster as it was read, from its API server or from a file, in the words of the Fleet.

What was not found stays absent: nothing here is a default. Readers are in `imports`; `clients.live` asks.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.model import datapath, finding
    from isthmus.model import mesh as meshes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Live:
    """A cluster as read; fields are named as those of `fleet.Cluster`.

    `sources` says for each field where it was read. `inferred` names the ranges that are no setting but the
    smallest ones around what was seen: the real ones are as large or larger.
    """

    name: str
    context: str | None = None
    """None when a file tells of it."""
    file: str | None = None
    uid: str | None = None
    """Of namespace kube-system: the same in two contexts of one cluster."""
    id: int | None = None
    provider: datapath.Provider | None = None
    region: str | None = None
    account: str | None = None
    vpc: str | None = None
    nodes: int | None = None
    pods_per_node: int | None = None
    node_mask: int | None = None
    """The length of a node's block of pod addresses of IPv4, where Cilium hands out blocks."""
    pods: ranges.Family = ()
    services: ranges.Family = ()
    node_range: ranges.Family = ()
    network: datapath.ClusterNetwork | None = None
    """None where no Cilium was seen."""
    istio: meshes.ClusterIstio | None = None
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)
    inferred: frozenset[str] = frozenset()
    findings: tuple[finding.Finding, ...] = ()

    def of(self, role: ranges.Role) -> ranges.Family:
        """Return the ranges of a role."""
        if role is ranges.Role.PODS:
            return self.pods
        return self.services if role is ranges.Role.SERVICES else self.node_range

    def is_inferred(self, role: ranges.Role) -> bool:
        """Say whether the ranges of a role are only the least that they can be."""
        return attribute(role) in self.inferred

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form of where each field was read."""
        return {
            "name": self.name,
            "context": self.context,
            "file": self.file,
            "sources": dict(self.sources),
            "inferred": sorted(self.inferred),
        }


def attribute(role: ranges.Role) -> str:
    """Return the attribute that holds the ranges of a role."""
    return "node_range" if role is ranges.Role.NODES else role.value
