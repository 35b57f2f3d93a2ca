"""What a lab shall be, as values.

Pure: how it is brought about stands in `labs` and `control`.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from isthmus.model import errors

DEFAULT_NAME = "lab"
DEFAULT_CLUSTERS = ("west", "east", "central")
CONTROL = "control"
NETWORK = "network"
CLUSTERS = {CONTROL: 3, NETWORK: 2}
"""How many clusters a lab of each profile has where nobody says."""
NODES = {CONTROL: 3, NETWORK: 1}
"""How many nodes a cluster has where nobody says."""
MTU = 1500  # bytes: Ethernet's
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """One cluster of a lab; one with no nodes is a witness: an API server that runs no workloads.

    Ranges are prefixes of IPv4 and `mtu` the bytes of the nodes' interfaces; the profile `network` gives
    ranges where there is none, the profile `control` has no use for any of them.
    """

    name: str
    region: str = ""
    context: str = ""
    nodes: int = NODES[CONTROL]
    node_range: str = ""
    pod_range: str = ""
    service_range: str = ""
    node_mask: int = 24
    """The length of the block of pod addresses that a node gets."""
    mtu: int = MTU
    routes_pods: bool = False
    """Whether the network between nodes knows where pods are: native routing needs it, a tunnel does not."""

    @property
    def is_witness(self) -> bool:
        """Say whether this cluster only votes."""
        return self.nodes == 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PathSpec:
    """What lies between two regions: `mtu` bytes at most."""

    between: tuple[str, str]
    mtu: int = MTU


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabSpec:
    """One lab: its name, its clusters, and the paths between regions that are not Ethernet's.

    `etcd_quota` is in bytes; None leaves etcd its default.
    """

    name: str = DEFAULT_NAME
    clusters: tuple[ClusterSpec, ...] = ()
    profile: str = CONTROL
    paths: tuple[PathSpec, ...] = ()
    etcd_quota: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no lab can be, and fill in regions and contexts."""
        check_name(self.name)
        if self.profile not in CLUSTERS:
            raise errors.InputError(
                f"profile {self.profile!r} does not exist",
                remedy=f"use --profile {' or '.join(CLUSTERS)}",
            )
        named = tuple(self._complete(cluster) for cluster in self.clusters)
        for what in ("name", "context"):
            values = [getattr(cluster, what) for cluster in named]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise errors.InputError(
                    f"two clusters have the {what} {twice[0]!r}", remedy=f"give each its own {what}"
                )
        object.__setattr__(self, "clusters", named)

    def _complete(self, cluster: ClusterSpec) -> ClusterSpec:
        check_name(cluster.name)
        return dataclasses.replace(
            cluster,
            region=cluster.region or cluster.name,
            context=cluster.context or f"{self.name}-{cluster.name}",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form that the lab's own file keeps."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LabSpec:
        """Read what `to_json` wrote; InputError, with the way out, where another version wrote it."""
        try:
            clusters = tuple(ClusterSpec(**cluster) for cluster in data["clusters"])
            paths = tuple(
                PathSpec(between=(each["between"][0], each["between"][1]), mtu=each["mtu"])
                for each in data.get("paths", ())
            )
            return cls(**{**data, "clusters": clusters, "paths": paths})
        except (KeyError, TypeError, ValueError, IndexError, errors.InputError) as error:
            name = data.get("name", DEFAULT_NAME)
            raise errors.InputError(
                f"the record of the lab {name!r} cannot be read",
                why=f"another version of isthmus wrote it ({error})",
                remedy=f"use that version, or remove the lab: isthmus lab down --name {name}",
            ) from error


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of host names, folders and contexts."""
    if not _NAME.fullmatch(name):
        raise errors.InputError(
            f"{name!r} cannot name a lab or one of its clusters",
            why="a name has at most 40 lower-case letters, digits and dashes, and no dash at either end",
            remedy="choose another name",
        )


def default_clusters(count: int, nodes: int = NODES[CONTROL]) -> tuple[ClusterSpec, ...]:
    """Return `count` clusters of so many nodes: west, east, central, then c4, c5 and so on."""
    if count < 1:
        raise errors.InputError(f"a lab of {count} clusters cannot start", remedy="give --clusters 1 or more")
    more = range(len(DEFAULT_CLUSTERS) + 1, count + 1)
    names = [*DEFAULT_CLUSTERS[:count], *(f"c{index}" for index in more)]
    return tuple(ClusterSpec(name=name, nodes=nodes) for name in names)
