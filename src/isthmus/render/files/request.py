"""What a target of `plan render` is made from: the plan, the folder, and what was said on the command line.

Addresses that exist only once clusters stand come in as `at`: `mesh.west=west.mesh.example:2379`,
`pilot.west=10.1.2.3`, `gateway.west=10.1.2.3:32443`, `dns.west=10.1.2.4,10.1.2.5`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from isthmus.model import errors, fleet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.model import folder
    from isthmus.network import plan as plans
    from isthmus.network.ipam import ranges
    from isthmus.network.needs import firewall

Files = Mapping[str, str]
"""Name of a file to its text."""

ROLES: Final = ("mesh", "pilot", "gateway", "dns")
"""Whose address: the ClusterMesh API server, the east-west gateway of a primary, that of a network, the DNS
servers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One fleet to render, and the clusters to render it for."""

    plan: plans.Plan
    only: frozenset[str]
    at: Mapping[tuple[str, str], tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Role and cluster to addresses."""

    @property
    def folder(self) -> folder.Folder:
        """The documents."""
        return self.plan.source

    @property
    def fleet(self) -> fleet.Fleet:
        """The Fleet."""
        return self.plan.source.fleet

    @property
    def clusters(self) -> tuple[ranges.Ranges, ...]:
        """The clusters to render, in the order of the Fleet."""
        return tuple(each for each in self.plan.addresses.clusters if each.cluster.name in self.only)

    @property
    def mtu(self) -> int | None:
        """Bytes on the wire between any two nodes, for the chart's `MTU`; None leaves Cilium to its own."""
        return self.plan.paths.fleet_mtu

    @property
    def rows(self) -> tuple[firewall.Row, ...]:
        """The firewall matrix, as far as it touches the clusters to render."""
        return tuple(
            row
            for row in self.plan.firewall
            if any(end.cluster in self.only for end in (*row.sources, *row.targets))
        )

    def known(self, role: str) -> dict[str, tuple[str, ...]]:
        """Return the addresses of a role by cluster."""
        return {cluster: found for (kind, cluster), found in sorted(self.at.items()) if kind == role}


def places(texts: Iterable[str], names: Iterable[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return what `--at ROLE.CLUSTER=ADDRESS[,ADDRESS]` says, or refuse."""
    known = list(names)
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        role, dot, cluster = key.partition(".")
        addresses = tuple(each.strip() for each in value.split(",") if each.strip())
        if not (equals and dot and addresses) or role not in ROLES:
            raise errors.InputError(
                f"--at {text!r} is no address of a cluster",
                remedy=f"write ROLE.CLUSTER=ADDRESS with ROLE one of {', '.join(ROLES)}; for example "
                f"--at dns.{known[0]}=10.0.0.10",
            )
        if any(character.isspace() for each in addresses for character in each):
            raise errors.InputError(
                f"--at {text!r} has a space inside an address", remedy="separate addresses by commas"
            )
        if cluster not in known:
            raise errors.InputError(
                f"--at names no cluster '{cluster}'", remedy=f"use one of: {fleet.near(cluster, known)}"
            )
        found[role, cluster] = addresses
    return found


def texts(family: Iterable[object]) -> list[str]:
    """Return ranges as texts."""
    return [str(each) for each in family]
