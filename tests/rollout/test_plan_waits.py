"""A release that stands as the folder says and is not ready: nothing changes, and it is waited for."""

from __future__ import annotations

from typing import Any

from isthmus.model import plan
from isthmus.rollout import observed


def workload(*, ready: int) -> dict[str, Any]:
    """Return a live StatefulSet of two pods."""
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "generation": 1},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "replicas": 2, "readyReplicas": ready, "updatedReplicas": 2},
    }


def test_live_workloads_that_are_not_ready_are_waited_for() -> None:
    seen = observed.Observed(cluster="east", pairs=((workload(ready=1), {}), (None, {})))

    assert seen.waits == "StatefulSet db: 1 of 2 pods ready"
    assert observed.Observed(cluster="east", pairs=((workload(ready=2), {}),)).waits == ""


def test_a_plan_that_has_to_wait_for_something_is_not_empty() -> None:
    kept = plan.Step(
        cluster="east", context="east", action=plan.Action.KEEP, release="db", namespace="data", revision=2
    )
    waiting = plan.Step(
        cluster="west",
        context="west",
        action=plan.Action.KEEP,
        release="db",
        namespace="data",
        revision=2,
        waits="StatefulSet db: 1 of 2 pods ready",
    )

    def of(*steps: plan.Step) -> plan.Plan:
        return plan.Plan(
            app="db", namespace="data", fleet="shop", intent=plan.Intent.UP, waves=(steps,), voters=()
        )

    assert of(kept).is_empty
    assert not of(kept, waiting).is_empty
