"""A Helm release as Helm itself recorded it: the frozen value, without reading or deciding anything.

`clients.releases` reads it from a cluster.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hook:
    """An object that Helm creates at a moment of a release instead of keeping it in the manifest."""

    name: str
    kind: str
    manifest: str = dataclasses.field(repr=False)
    events: tuple[str, ...] = ()
    delete_policies: tuple[str, ...] = ()
    weight: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """One revision of a release in one cluster; values and manifest may hold secrets and stay out of repr."""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    chart_version: str
    app_version: str
    manifest: str = dataclasses.field(repr=False)
    hooks: tuple[Hook, ...] = dataclasses.field(default=(), repr=False)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    description: str = ""
    modified: str = ""
    """When Helm last deployed this revision, RFC 3339, of the clock where helm ran."""
    uid: str = ""
    """Of the Secret that holds the record."""
    apply_method: str = ""
    """`ssa` or `csa` (Helm 4); empty is Helm 3, which patches on the client."""

    @property
    def is_pending(self) -> bool:
        """Say whether Helm was at work on it, or died at it."""
        return self.status.startswith("pending-") or self.status == "uninstalling"

    @property
    def is_deployed(self) -> bool:
        """Say whether Helm calls it the current one."""
        return self.status == "deployed"
