"""What fake nodes make of pods, jobs and claims."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.lab import labs, server

pytestmark = pytest.mark.lab

Json = dict[str, Any]
WITHIN = 40.0  # seconds, on a machine that is busy


@pytest.fixture
def west(lab: labs.Lab) -> server.Api:
    return lab.api("west")


def _until(found: Callable[[], Any]) -> Any:
    end = time.monotonic() + WITHIN
    while not (result := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return result


def _pod(name: str, annotations: dict[str, str] | None = None) -> Json:
    return {
        "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations or {}},
        "spec": {
            "initContainers": [{"name": "first", "image": "example/first"}],
            "containers": [{"name": "main", "image": "example/main"}],
        },
    }


def _ready(pod: Json | None) -> Json | None:
    found = pod["status"].get("conditions", []) if pod else []
    return next((each for each in found if each["type"] == "Ready" and each["status"] == "True"), None)


def _set(name: str, *, claims: bool = False) -> Json:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    template = _pod(name)
    return {
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
            "volumeClaimTemplates": [claim] if claims else [],
        },
    }


def test_a_pod_becomes_ready_with_an_address_of_its_node(west: server.Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    west.create(pods, _pod("a"))

    _until(lambda: _ready(west.get(f"{pods}/a")))

    status = west.get(f"{pods}/a")["status"]
    assert status["phase"] == "Running"
    assert status["podIP"].startswith("10.")
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "PodScheduled": "True",
        "Initialized": "True",
        "ContainersReady": "True",
        "Ready": "True",
    }


def test_a_pod_annotated_ready_after_waits_that_long(west: server.Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    west.create(pods, _pod("a", {"lab.isthmus.dev/ready-after": "3s"}))
    _until(lambda: west.get(f"{pods}/a")["status"].get("startTime"))
    began = time.monotonic()

    _until(lambda: _ready(west.get(f"{pods}/a")))

    assert time.monotonic() - began > 2.5


def test_a_pod_annotated_never_runs_and_stays_unready(west: server.Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    west.create(pods, _pod("never", {"lab.isthmus.dev/ready": "never"}))
    west.create(pods, _pod("other"))

    _until(lambda: _ready(west.get(f"{pods}/other")))
    time.sleep(1)

    never = west.get(f"{pods}/never")
    assert never["status"]["phase"] == "Running"
    assert not _ready(never)


def test_a_ready_pod_that_is_annotated_never_becomes_unready(west: server.Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/a"
    west.create(path.removesuffix("/a"), _pod("a"))
    pod = _until(lambda: (pod := west.get(path)) and _ready(pod) and pod)
    pod["metadata"]["annotations"] = {"lab.isthmus.dev/ready": "never"}

    west.ask("PUT", path, pod)

    _until(lambda: not _ready(west.get(path)))
    assert west.get(path)["status"]["phase"] == "Running"


def test_a_job_completes(west: server.Api, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    spec = {**_pod("a")["spec"], "restartPolicy": "Never"}
    west.create(path, {"metadata": {"name": "a"}, "spec": {"template": {"spec": spec}}})

    _until(lambda: west.get(f"{path}/a").get("status", {}).get("succeeded") == 1)


def test_a_deleted_pod_goes_and_its_set_makes_another(west: server.Api, namespace: str) -> None:
    pod = f"/api/v1/namespaces/{namespace}/pods/db-0"
    west.create(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", _set("db"))
    _until(lambda: _ready(west.get(pod)))
    before = west.get(pod)["metadata"]["uid"]

    west.delete(pod)

    _until(lambda: (now := west.get(pod)) and now["metadata"]["uid"] != before and _ready(now))


def test_claims_of_a_stateful_set_are_bound_and_their_volumes_go_with_them(
    west: server.Api, namespace: str
) -> None:
    sets = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    west.create(sets, _set("db", claims=True))
    _until(lambda: west.get(f"{sets}/db")["status"].get("readyReplicas") == 2)
    volume = west.get(f"{claims}/data-db-0")["spec"]["volumeName"]

    west.delete(f"{sets}/db")
    west.delete(f"{claims}/data-db-0")

    _until(lambda: west.get(f"/api/v1/persistentvolumes/{volume}") is None)
