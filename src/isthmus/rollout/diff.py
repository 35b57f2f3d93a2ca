"""What a release changes in one cluster: objects against the server's own dry run, and restarts.

The API server computes the result (server-side apply, dry run); here it is compared with what is
live, without the fields that every write touches. Values of Secrets are never looked at by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.model import plan
from isthmus.rollout import manifest

Json = Mapping[str, Any]

# Fields that the server sets on every write: no change of the user's.
_NOISE = (
    "metadata.creationTimestamp",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.selfLink",
    "metadata.uid",
    "status",
)
_TEMPLATE = "spec.template."
_ROLLING = frozenset({"StatefulSet", "Deployment", "DaemonSet"})


def compare(live: Json | None, result: Json) -> plan.Change | None:
    """Return what applying changes on one object, None when nothing; `result` is the dry run's answer."""
    name = manifest.ref(result)
    if live is None:
        return plan.Change(verb=plan.Verb.CREATE, kind=name.kind, namespace=name.namespace, name=name.name)
    fields = tuple(path for path in manifest.differing(live, result) if not _is_noise(path))
    if not fields:
        return None
    return plan.Change(
        verb=plan.Verb.UPDATE, kind=name.kind, namespace=name.namespace, name=name.name, fields=fields
    )


def removed(old: Sequence[Json], new: Sequence[Json]) -> tuple[plan.Change, ...]:
    """Return the objects of the old manifest that the new one no longer has; kept ones stay."""
    here = {_identity(body) for body in new}
    return tuple(
        plan.Change(
            verb=plan.Verb.DELETE,
            kind=manifest.ref(body).kind,
            namespace=manifest.ref(body).namespace,
            name=manifest.ref(body).name,
        )
        for body in old
        if _identity(body) not in here and not manifest.is_kept(body)
    )


def restarts(pairs: Sequence[tuple[Json | None, Json]]) -> tuple[plan.Restart, ...]:
    """Return the workloads whose pod template changes, with their pods in the order they go."""
    found = []
    for live, result in pairs:
        if live is None or result.get("kind") not in _ROLLING:
            continue
        if any(path.startswith(_TEMPLATE) for path in manifest.differing(live, result)):
            name = manifest.ref(result)
            found.append(plan.Restart(kind=name.kind, name=name.name, pods=_order(result)))
    return tuple(found)


def stays(old: Sequence[Json]) -> tuple[str, ...]:
    """Return what an uninstall leaves behind: claims of StatefulSets, kept objects, CRDs."""
    found = []
    for body in old:
        name = manifest.ref(body)
        if manifest.is_kept(body) or name.kind == "CustomResourceDefinition":
            found.append(str(name))
        if name.kind == "StatefulSet" and not _claims_go(body):
            found.extend(
                f"PersistentVolumeClaim {claim['metadata']['name']}-{name.name}-*"
                for claim in (body.get("spec") or {}).get("volumeClaimTemplates") or ()
            )
    return tuple(found)


def _claims_go(body: Json) -> bool:
    policy = (body.get("spec") or {}).get("persistentVolumeClaimRetentionPolicy") or {}
    return bool(policy.get("whenDeleted") == "Delete")


def _order(body: Json) -> tuple[str, ...]:
    """Return the pods as they go; none where they wait until somebody deletes them."""
    name, spec = manifest.ref(body).name, body.get("spec") or {}
    strategy = spec.get("updateStrategy") or {}
    replicas = spec.get("replicas", 1)
    if body.get("kind") == "Deployment":
        return (f"{replicas} pods, old ones as new ones become available",)
    if strategy.get("type") == "OnDelete":
        return ()
    if body.get("kind") == "DaemonSet":
        return ("its pod on one node after another",)
    # Both count from the first ordinal: Kubernetes docs, StatefulSet, "Start ordinal" and "Partitioned".
    start = (spec.get("ordinals") or {}).get("start") or 0
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    return tuple(f"{name}-{start + number}" for number in range(replicas - 1, partition - 1, -1))


def _identity(body: Json) -> tuple[str, str | None, str]:
    name = manifest.ref(body)
    # A moved API version is the same object: only the group counts.
    return f"{name.api_version.rpartition('/')[0]}/{name.kind}", name.namespace, name.name


def _is_noise(path: str) -> bool:
    return any(path == noise or path.startswith((f"{noise}.", f"{noise}[")) for noise in _NOISE)
