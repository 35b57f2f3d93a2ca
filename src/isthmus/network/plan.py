"""The whole plan of a fleet: addresses, paths, firewall, and everything that is wrong with any of them."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from isthmus.network import place
from isthmus.network.consent import teams
from isthmus.network.ipam import addresses
from isthmus.network.mesh import limits
from isthmus.network.needs import firewall
from isthmus.network.paths import mtu

if TYPE_CHECKING:
    from collections.abc import Collection

    from isthmus.model import finding, folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What each judgement says of one folder."""

    source: folder.Folder
    addresses: addresses.Addresses
    paths: mtu.Paths
    findings: tuple[finding.Finding, ...]

    @functools.cached_property
    def firewall(self) -> tuple[firewall.Row, ...]:
        """Every flow that the fleet needs; worked out when somebody asks."""
        return firewall.rows(self.source, self.addresses.clusters)

    def to_json(self, clusters: Collection[str]) -> dict[str, Any]:
        """Return the public JSON form, of some clusters."""
        return {
            "clusters": [each.to_json() for each in self.addresses.clusters if each.cluster.name in clusters],
            "paths": self.paths.to_json(clusters),
            "firewall": [row.to_json() for row in self.firewall if _touches(row, clusters)],
        }


def plan(source: folder.Folder) -> Plan:
    """Judge a folder; nothing is written anywhere."""
    places = place.Places(source)
    given = addresses.plan(source)
    paths = mtu.paths(source.fleet, places)
    findings = (
        *given.findings,
        *paths.findings,
        *limits.findings(source, places, given.clusters),
        *teams.findings(source, places),
    )
    return Plan(source=source, addresses=given, paths=paths, findings=findings)


def _touches(row: firewall.Row, clusters: Collection[str]) -> bool:
    return any(end.cluster in clusters for end in (*row.sources, *row.targets))
