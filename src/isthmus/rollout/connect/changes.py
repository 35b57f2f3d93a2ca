"""Which Helm values of a cluster change, as paths with what they were and will be.

A value whose name looks like a secret's is masked. What that changes in the cluster is said by the plan.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import secrets
from isthmus.rollout import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

MASK: Final = "***"
_MISSING: Final = object()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValueChange:
    """One value of one cluster; None where there is none."""

    cluster: str
    path: str
    old: Any = None
    new: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form."""
        return dataclasses.asdict(self)


def of(cluster: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[ValueChange, ...]:
    """Return what differs between two trees of values, sorted by path."""
    before, after = dict(manifest.leaves(old)), dict(manifest.leaves(new))
    before.pop("", None)  # a tree without a leaf is one itself
    after.pop("", None)
    return tuple(
        ValueChange(
            cluster=cluster,
            path=path,
            old=_shown(path, before.get(path)),
            new=_shown(path, after.get(path)),
        )
        for path in sorted({*before, *after})
        if before.get(path, _MISSING) != after.get(path, _MISSING)
    )


def _shown(path: str, value: Any) -> Any:
    return MASK if secrets.is_secret(tuple(path.split(".")), value) else value
