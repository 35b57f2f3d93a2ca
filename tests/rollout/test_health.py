"""Whether a cluster runs what was applied."""

from __future__ import annotations

import datetime as dt
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from isthmus.rollout import health

Json = dict[str, Any]

counts = st.integers(0, 4)
COUNTED = (
    "replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "currentReplicas",
    "desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable",
)  # fmt: skip
statuses = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(COUNTED, counts),
        "currentRevision": st.sampled_from(["a", "b"]),
        "updateRevision": st.sampled_from(["a", "b"]),
        "conditions": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["Ready", "Available", "Progressing"]), "status": st.just("True")}
            ),
            max_size=2,
        ),
    },
)


@hypothesis.given(
    kind=st.sampled_from(["StatefulSet", "Deployment", "DaemonSet", "ReplicaSet", "Ring"]),
    status=statuses,
    generation=st.integers(2, 9),
    behind=st.integers(1, 8),
    replicas=counts,
)
def test_nothing_is_ready_before_its_controller_has_seen_the_change(
    kind: str, status: Json, generation: int, behind: int, replicas: int
) -> None:
    body = {
        "kind": kind,
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {**status, "observedGeneration": max(0, generation - behind)},
    }

    assert health.assess(body) == health.Health(health.Level.PROGRESSING, "its controller to see the change")


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "DaemonSet", "ReplicaSet"])
def test_a_workload_that_no_controller_has_seen_is_not_ready(kind: str) -> None:
    assert (
        health.assess({"kind": kind, "metadata": {"generation": 1}, "spec": {"replicas": 0}}).level
        == "progressing"
    )


def workload(kind: str, spec: Json, status: Json) -> Json:
    return {
        "kind": kind,
        "metadata": {"generation": 1},
        "spec": spec,
        "status": {"observedGeneration": 1, **status},
    }


SETTLED = {"currentRevision": "b", "updateRevision": "b"}
CASES: dict[str, tuple[Json, str]] = {
    "a set whose pods all run the new revision": (
        workload(
            "StatefulSet",
            {"replicas": 2},
            {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, **SETTLED},
        ),
        "ready",
    ),
    "a set in the middle of its update": (
        workload("StatefulSet", {"replicas": 2}, {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1}),
        "1 of 2 pods updated, 2 of 2 ready",
    ),
    "a set with a pod that is not ready": (
        workload("StatefulSet", {"replicas": 2}, {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2}),
        "1 of 2 pods ready",
    ),
    "a set that is partly held back on purpose": (
        workload(
            "StatefulSet",
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {
                "replicas": 3,
                "readyReplicas": 3,
                "updatedReplicas": 1,
                "currentRevision": "a",
                "updateRevision": "b",
            },
        ),
        "ready",
    ),
    "a set of no pods": (workload("StatefulSet", {"replicas": 0}, {"replicas": 0}), "ready"),
    "a set that shrinks": (
        workload("StatefulSet", {"replicas": 1}, {"replicas": 3, "readyReplicas": 3}),
        "2 pods to leave",
    ),
    "a deployment with old pods left": (
        workload(
            "Deployment", {"replicas": 2}, {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}
        ),
        "1 old pods to leave",
    ),
    "a deployment that gave up": (
        workload(
            "Deployment", {}, {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}
        ),
        "progress deadline exceeded",
    ),
    "a deployment that is there": (
        workload(
            "Deployment", {"replicas": 1}, {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        ),
        "ready",
    ),
    "a daemon on every node": (
        workload(
            "DaemonSet", {}, {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
        ),
        "ready",
    ),
    "a daemon that misses a node": (
        workload(
            "DaemonSet", {}, {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}
        ),
        "1 of 2 pods available",
    ),
    "a job that ended": (
        workload("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}),
        "ready",
    ),
    "a job that failed": (
        workload(
            "Job",
            {},
            {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]},
        ),
        "the job failed: BackoffLimitExceeded",
    ),
    "a job that is suspended": (workload("Job", {"suspend": True}, {}), "ready"),
    "a claim that waits for its pod": (
        {"kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}},
        "ready",
    ),
    "a claim without its volume": (
        {"kind": "PersistentVolumeClaim", "status": {"phase": "Lost"}},
        "the claim lost its volume",
    ),
    "an object of a kind without status": ({"kind": "Ring", "spec": {}}, "ready"),
    "an object that says it is not ready": (
        {
            "kind": "Ring",
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Joining"}]},
        },
        "condition Ready (Joining)",
    ),
    "an object that stalls": (
        {
            "kind": "Ring",
            "status": {"conditions": [{"type": "Stalled", "status": "True", "reason": "NoQuorum"}]},
        },
        "stalled: NoQuorum",
    ),
    "an object that goes": ({"kind": "Ring", "metadata": {"deletionTimestamp": "now"}}, "being deleted"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_object_says_what_it_waits_for(case: str) -> None:
    body, expected = CASES[case]

    found = health.assess(body)

    assert ("ready" if found.is_ready else found.waits_for) == expected


def test_the_worst_object_speaks_and_the_others_are_counted() -> None:
    failed = {"kind": "PersistentVolumeClaim", "status": {"phase": "Lost"}}

    found = health.judge([("Pod a", None), ("Pod b", None), ("Claim c", failed)])

    assert found == health.Health(health.Level.FAILED, "Claim c: the claim lost its volume")
    assert health.judge([("Pod a", None), ("Pod b", None)]).waits_for == "Pod a: not there yet (and 1 more)"
    assert health.judge([]).is_ready


MOMENT = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
LIVES: dict[str, tuple[str, Json, bool]] = {
    "started and never came up": ("09:00:00", {"startTime": "09:00:01", "turned": "09:00:02"}, True),
    "was ready and is no longer": ("09:00:00", {"startTime": "09:00:01", "turned": "09:59:00"}, False),
    "was never started": ("09:00:00", {}, True),
    "is young": ("10:00:00", {}, False),
}


@pytest.mark.parametrize("case", LIVES)
def test_on_the_way_forward_only_old_pods_that_were_never_ready_are_in_the_way(case: str) -> None:
    made, said, expected = LIVES[case]
    full = {name: f"2026-11-22T{text}Z" for name, text in said.items()}
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": full.pop("turned", None)}
    labels = {"controller-revision-hash": "old"}
    metadata = {"name": "db-0", "labels": labels, "creationTimestamp": f"2026-11-22T{made}Z"}
    pod = {"metadata": metadata, "status": {**full, "conditions": [condition]}}

    assert bool(health.abandoned([pod], "new", before=MOMENT)) is expected
    assert health.abandoned([pod], "new") == (pod,)


def test_only_never_ready_pods_of_another_revision_are_abandoned_highest_first() -> None:
    def pod(number: int, revision: str | None, *, ready: bool) -> Json:
        labels = {"controller-revision-hash": revision} if revision else {}
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        return {"metadata": {"name": f"db-{number}", "labels": labels}, "status": {"conditions": [condition]}}

    pods = [
        pod(0, "old", ready=True),
        pod(1, "new", ready=False),
        pod(2, "old", ready=False),
        pod(10, "old", ready=False),
        pod(3, None, ready=False),
    ]

    assert [one["metadata"]["name"] for one in health.abandoned(pods, "new")] == ["db-10", "db-2"]
