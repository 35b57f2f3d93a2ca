"""What one cluster says of its network before Cilium is planned: nodes, Service, certificates, release.

Values only; `engine` asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.rollout import release

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """One cluster; with `error` nothing else is known.

    `api_server` is where the kubeconfig reaches it, `nodes` the InternalIPs of each node in the order of
    their names, `service` the Service of its ClusterMesh API server, `release` Helm's newest record.
    """

    cluster: str
    error: str = ""
    api_server: tuple[str, int] = ("", 0)
    nodes: tuple[tuple[str, ...], ...] = ()
    service: Json | None = None
    secrets: Mapping[str, Json] = dataclasses.field(default_factory=dict, repr=False)
    managed: Mapping[str, Json] | None = None
    """What asks cert-manager for certificates in kube-system, by name; None where it is not there."""
    release: release.Release | None = None
    is_ours: bool = False
    """Whether an operation of ours wrote the release."""
    has_agents: bool = False
    """Whether a DaemonSet of Cilium is there."""
    has_ipsec_keys: bool = False
    dns: Mapping[str, Json] = dataclasses.field(default_factory=dict, repr=False)
    """The ConfigMaps of CoreDNS that are there, by name."""

    @property
    def values(self) -> Mapping[str, Any]:
        """The values that the release was made with."""
        return self.release.config if self.release is not None else {}

    def entry(self, peer: str) -> Mapping[str, Any] | None:
        """Return how this cluster reaches another now, as its release has it."""
        at: Any = self.values
        for key in ("clustermesh", "config", "clusters"):
            at = at.get(key) if isinstance(at, Mapping) else None
        if isinstance(at, Mapping):
            found = at.get(peer)
        else:
            listed = at if isinstance(at, list) else []
            found = next(
                (one for one in listed if isinstance(one, Mapping) and one.get("name") == peer), None
            )
        return found if isinstance(found, Mapping) else None
