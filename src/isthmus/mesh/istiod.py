"""What istiod says of the clusters that it reads, on its debug pages, and when a cluster counts as read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.mesh import gateways

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS = tuple(
    ("pilot-discovery", "request", "GET", page)
    for page in ("/debug/clusterz", "/debug/endpointShardz", "/debug/networkz")
)
"""Commands in a pod of istiod whose answers `parse` takes, in its order: its debug pages answer the machine
itself alone."""

SYNCED, TIMEOUT = "synced", "timeout"
"""Words of istiod's /debug/clusterz (Istio pkg/kube/multicluster/cluster.go): `timeout` is said for good when
not all informers had answered in time, that of the Secrets which it may not read among them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """What istiod says: the state of each other cluster, and the endpoints it has of each.

    `gateways` are where it sends what goes to each network, as HOST:PORT, names resolved by it. `error` is
    why it could not be asked.
    """

    states: Mapping[str, str] = dataclasses.field(default_factory=dict)
    endpoints: Mapping[str, int] = dataclasses.field(default_factory=dict)
    gateways: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    error: str = ""


def is_read(state: str | None, endpoints: int) -> bool:
    """Say whether istiod has the endpoints of a cluster, by its state (None: not listed) and their number."""
    return state == SYNCED or (state == TIMEOUT and endpoints > 0)


def parse(clusters: Any, shards: Any, networks: Any = None) -> Told:
    """Return what the pages say, as read from JSON; ValueError where they say something else."""
    try:
        # Its own cluster comes from no Secret.
        listed = [each for each in clusters if each.get("secretName")]
        states = {str(each["id"]): str(each["syncStatus"]) for each in listed}
        counts: dict[str, int] = {}
        for spaces in shards.values():
            for one in spaces.values():
                for shard, found in (one.get("Shards") or {}).items():
                    name = str(shard).partition("/")[2]
                    counts[name] = counts.get(name, 0) + len(found or ())
        ways: dict[str, tuple[str, ...]] = {}
        for each in networks or ():
            place = gateways.Address(str(each["Addr"]), int(each["Port"]))
            ways[str(each["Network"])] = (*ways.get(str(each["Network"]), ()), str(place))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no list of clusters: {error}") from error
    return Told(states=states, endpoints=counts, gateways=ways)
