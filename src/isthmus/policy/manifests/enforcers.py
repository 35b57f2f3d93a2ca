"""How a cluster enforces, from what stands among its objects and what the question says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import errors
from isthmus.policy import world

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "cilium.io"
OLDEST, NEWEST = (1, 15), (1, 20)
"""Versions of Cilium whose semantics are known here."""


def settings(
    cluster: str, objects: Iterable[world.Object], cilium: tuple[int, int] | None = None
) -> world.Settings:
    """Return how a cluster enforces: Cilium where a version is given or its objects are among those."""
    has_cilium = cilium is not None or any(each.group == GROUP for each in objects)
    enforcer = world.Enforcer.CILIUM if has_cilium else world.Enforcer.KUBERNETES
    return world.Settings(cluster=cluster, enforcer=enforcer, cilium=cilium or NEWEST)


def version(text: str) -> tuple[int, int]:
    """Return (major, minor) of a version of Cilium; InputError for one that is not known here."""
    parts = text.removeprefix("v").split(".")
    if len(parts) >= 2 and all(part.isdigit() for part in parts[:2]):
        found = int(parts[0]), int(parts[1])
        if OLDEST <= found <= NEWEST:
            return found
    known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    raise errors.InputError(
        f"'{text}' is no version of Cilium that is known here", remedy=f"give one from {known}"
    )
