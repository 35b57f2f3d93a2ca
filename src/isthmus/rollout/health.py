"""Whether a cluster runs the revision that was applied, from live objects alone.

Rules for the built-in workloads follow kubectl's rollout status and kstatus: a status counts only
when `observedGeneration` has caught up, so nothing is judged on what was true before the change.
It does not ask the application; probes do.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

Json = Mapping[str, Any]

FIRST_WORD = dt.timedelta(seconds=2)
"""Between a pod's start and the kubelet's first Ready condition; times of the API have whole seconds."""


class Level(StrEnum):
    """How one object, or all of them, stands."""

    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Health:
    """A level and what it waits for, in the words a user reads."""

    level: Level
    waits_for: str = ""

    @property
    def is_ready(self) -> bool:
        """Say whether there is nothing left to wait for."""
        return self.level is Level.READY


READY = Health(Level.READY)


def judge(objects: Sequence[tuple[str, Json | None]]) -> Health:
    """Return the health of a release: the worst object speaks, the first of them is named.

    `objects` pairs a label such as `StatefulSet db` with the live object, None when it is absent.
    """
    judged = [(label, assess(body)) for label, body in objects]
    for level in (Level.FAILED, Level.PROGRESSING):
        worst = [f"{label}: {health.waits_for}" for label, health in judged if health.level is level]
        if worst:
            more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
            return Health(level, worst[0] + more)
    return READY


def assess(body: Json | None) -> Health:
    """Return the health of one live object."""
    if body is None:
        return _waits("not there yet")
    metadata = body.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return _waits("being deleted")
    rule = _RULES.get(str(body.get("kind")))
    if rule is None:
        return _by_conditions(body)
    status = body.get("status") or {}
    observed = status.get("observedGeneration")
    if observed is None and body.get("kind") in _OBSERVED:
        return _waits("its controller to see it")
    if observed is not None and observed < metadata.get("generation", 0):
        return _waits("its controller to see the change")
    return rule(body.get("spec") or {}, status)


def _waits(text: str) -> Health:
    return Health(Level.PROGRESSING, text)


def _failed(text: str) -> Health:
    return Health(Level.FAILED, text)


def _stateful_set(spec: Json, status: Json) -> Health:
    wanted = spec.get("replicas", 1)
    strategy = spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    ready = status.get("readyReplicas", 0)
    updated = status.get("updatedReplicas", 0)
    if status.get("replicas", 0) > wanted:
        return _waits(f"{status['replicas'] - wanted} pods to leave")
    if strategy.get("type") != "OnDelete" and updated < wanted - partition:
        return _waits(f"{updated} of {wanted - partition} pods updated, {ready} of {wanted} ready")
    if ready < wanted:
        return _waits(f"{ready} of {wanted} pods ready")
    rolls = not partition and strategy.get("type") != "OnDelete"
    if rolls and status.get("currentRevision") != status.get("updateRevision"):
        return _waits("the last pod of the old revision to go")
    return READY


def _deployment(spec: Json, status: Json) -> Health:
    wanted = spec.get("replicas", 1)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return _failed("progress deadline exceeded")
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return _waits(f"{updated} of {wanted} pods updated")
    if status.get("replicas", 0) > updated:
        return _waits(f"{status['replicas'] - updated} old pods to leave")
    if available < updated:
        return _waits(f"{available} of {updated} pods available")
    return READY


def _daemon_set(spec: Json, status: Json) -> Health:
    wanted = status.get("desiredNumberScheduled", 0)
    if (spec.get("updateStrategy") or {}).get("type") != "OnDelete":
        updated = status.get("updatedNumberScheduled", 0)
        if updated < wanted:
            return _waits(f"{updated} of {wanted} pods updated")
    available = status.get("numberAvailable", 0)
    return _waits(f"{available} of {wanted} pods available") if available < wanted else READY


def _replica_set(spec: Json, status: Json) -> Health:
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    return _waits(f"{ready} of {wanted} pods ready") if ready < wanted else READY


def _job(spec: Json, status: Json) -> Health:
    for condition in status.get("conditions") or ():
        if condition.get("status") == "True":
            if condition.get("type") == "Failed":
                return _failed(f"the job failed: {condition.get('reason', 'no reason given')}")
            if condition.get("type") == "Complete":
                return READY
    if spec.get("suspend"):
        return READY  # somebody starts it later, on purpose
    done, wanted = status.get("succeeded", 0), spec.get("completions", 1)
    return _waits(f"{done} of {wanted} completions")


def _pod(_spec: Json, status: Json) -> Health:
    if status.get("phase") == "Succeeded":
        return READY
    if status.get("phase") == "Failed":
        return _failed(f"the pod failed: {status.get('reason', 'no reason given')}")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return READY
    return _waits("the pod to be ready")


def _claim(_spec: Json, status: Json) -> Health:
    phase = status.get("phase")
    # A claim of a WaitForFirstConsumer class binds with its pod: it is the pod that is waited for.
    return _failed("the claim lost its volume") if phase == "Lost" else READY


def _service(_spec: Json, _status: Json) -> Health:
    return READY


def _by_conditions(body: Json) -> Health:
    """Judge kinds without a rule as kstatus does: Reconciling, Stalled, Ready where they exist."""
    status = body.get("status")
    if not isinstance(status, Mapping):
        return READY
    observed = status.get("observedGeneration")
    if isinstance(observed, int) and observed < (body.get("metadata") or {}).get("generation", 0):
        return _waits("its controller to see the change")
    conditions = status.get("conditions")
    if not isinstance(conditions, list):
        return READY
    by_type = {one.get("type"): one for one in conditions if isinstance(one, Mapping)}
    stalled, ready = by_type.get("Stalled"), by_type.get("Ready")
    if stalled and stalled.get("status") == "True":
        return _failed(f"stalled: {stalled.get('reason', 'no reason given')}")
    if ready and ready.get("status") != "True":
        return _waits(f"condition Ready ({ready.get('reason', 'no reason given')})")
    return READY


_RULES: Mapping[str, Callable[[Json, Json], Health]] = {
    "StatefulSet": _stateful_set,
    "Deployment": _deployment,
    "DaemonSet": _daemon_set,
    "ReplicaSet": _replica_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "Service": _service,
}
_OBSERVED = frozenset({"StatefulSet", "Deployment", "DaemonSet", "ReplicaSet"})

WORKLOADS = frozenset({"StatefulSet", "Deployment", "DaemonSet", "ReplicaSet", "Job", "Pod"})


def abandoned(
    pods: Sequence[Json], update_revision: str, *, before: dt.datetime | None = None
) -> tuple[Json, ...]:
    """Return a StatefulSet's pods of another revision that are not Ready, highest ordinal first.

    With `before`, only those that were made before that moment and were never Ready since.
    With ordered pod management a StatefulSet does not replace such a pod by itself after its
    template changed (Kubernetes docs, StatefulSet "Forced rollback"): somebody must delete it.
    """
    return tuple(
        sorted(
            (
                pod
                for pod in pods
                if _hash(pod) not in {None, update_revision}
                and not _is_ready(pod)
                and (before is None or _never_ready_since(pod, before))
            ),
            key=_ordinal,
            reverse=True,
        )
    )


def _hash(pod: Json) -> str | None:
    labels = (pod.get("metadata") or {}).get("labels") or {}
    found = labels.get("controller-revision-hash")
    return str(found) if found else None


def _is_ready(pod: Json) -> bool:
    return _pod({}, pod.get("status") or {}).is_ready


def _never_ready_since(pod: Json, moment: dt.datetime) -> bool:
    """Say whether a pod is older than a moment, and its Ready condition still as it was at its start."""
    status = pod.get("status") or {}
    made, began = str((pod.get("metadata") or {}).get("creationTimestamp") or ""), status.get("startTime")
    if not made or dt.datetime.fromisoformat(made) >= moment:
        return False
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready" and began and condition.get("lastTransitionTime"):
            turned = dt.datetime.fromisoformat(condition["lastTransitionTime"])
            return turned - dt.datetime.fromisoformat(began) <= FIRST_WORD
    return True


def _ordinal(pod: Json) -> int:
    tail = str((pod.get("metadata") or {}).get("name", "")).rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1
