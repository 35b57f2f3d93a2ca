"""Whose pods they are: the workload at the top of the chain of controllers that the manifests know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Kinds that make pods, and where the pod stands in them."""
GROUPS: Final = frozenset({"", "apps", "batch", "extensions"})
"""Groups of the kinds read here; `extensions` in old clusters' output."""


class Owner(NamedTuple):
    """A workload in its namespace."""

    namespace: str
    kind: str
    name: str


def above(data: Mapping[str, Any], namespace: str) -> Owner | None:
    """Return the controller of an object, if it has one that makes pods.

    A node is the controller of its static pods, but nobody's workload.
    """
    metadata = data.get("metadata")
    references = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    if not isinstance(references, list):
        return None
    for each in references:
        if isinstance(each, dict) and each.get("controller") is True and each.get("name"):
            kind = str(each.get("kind") or "Pod")
            return None if kind == "Node" else Owner(namespace, kind, str(each["name"]))
    return None


def top(owner: Owner, known: Mapping[Owner, Owner]) -> Owner:
    """Return the last of the chain above an owner, as far as it is known."""
    seen = {owner}
    while owner in known and known[owner] not in seen:
        owner = known[owner]
        seen.add(owner)
    return owner
