"""The whole plan of a fleet: addresses, paths, firewall, and everything that is wrong with any of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.network import addresses

if TYPE_CHECKING:
    from collections.abc import Collection

    from isthmus.model import finding, folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What each judgement says of one folder."""

    addresses: addresses.Addresses
    findings: tuple[finding.Finding, ...]

    def to_json(self, clusters: Collection[str]) -> dict[str, Any]:
        """Return the public JSON form, of some clusters."""
        return {
            "clusters": [each.to_json() for each in self.addresses.clusters if each.cluster.name in clusters],
            "paths": [],
            "firewall": [],
        }


def plan(source: folder.Folder) -> Plan:
    """Judge a folder; nothing is written anywhere."""
    given = addresses.plan(source)
    return Plan(addresses=given, findings=given.findings)
