"""Steering a running or waiting operation, on real servers: pause, approve, bake, abort, skip, hold."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def patience(shop: shops.Shop) -> None:
    """Give clusters time on a busy machine; tests of failures say how long they wait."""
    shop.spec["rollout"]["timeout"] = "90s"
    shop.write()


SLOW = {"readyAfter": "8s"}
PATIENT = "120s"


def status(shop: shops.Shop) -> Any:
    return shop.run("status", "-o", "json").json()


def wait_for(
    shop: shops.Shop, holds: Callable[[dict[str, Any]], bool], seconds: float = 120
) -> dict[str, Any]:
    """Return the unfinished operation as soon as something is true of it."""
    deadline = time.monotonic() + seconds
    while True:
        current: dict[str, Any] | None = status(shop)["operation"]
        if current is not None and holds(current):
            return current
        assert time.monotonic() < deadline, current
        time.sleep(0.3)


def state(operation: dict[str, Any], cluster: str) -> str:
    return next(str(run["state"]) for run in operation["runs"] if run["cluster"] == cluster)


def ended(running: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = running.communicate(timeout=200)
    return running.returncode, out


def outcomes(shop: shops.Shop) -> list[str]:
    return [operation["outcome"] for operation in shop.history()]


def test_an_approval_outlives_the_process_and_lets_the_next_wave_go(shop: shops.Shop) -> None:
    shop.spec["rollout"]["gates"] = ["ready", "approve"]
    shop.write()

    waiting = shop.run("up", code=4)

    assert "wave 1 waits for approval: isthmus deploy approve db" in waiting.out
    found = status(shop)
    assert (found["lock"], found["operation"]["phase"]) == (None, "waiting")
    shop.check_whole("1", ["west"])
    assert shop.version("east") is None
    refused = shop.run("up", code=1)
    assert f"operation {found['operation']['id']} owns App {shop.namespace}/db" in refused.err

    told = shop.run("approve", "--record-only").out

    assert "approved; go on with: isthmus deploy resume db" in told
    assert "wave 2 waits for approval" in shop.run("resume", code=4).out
    shop.check_whole("1")
    shop.run("approve")
    (operation,) = shop.history()
    assert operation["outcome"] == "succeeded"
    gates = [(one["wave"], one["gate"], bool(one["by"])) for one in operation["passages"]]
    assert gates == [(0, "ready", False), (0, "approve", True), (1, "ready", False), (1, "approve", True)]
    assert "has no unfinished operation to approve" in shop.run("approve", code=2).err


def test_a_pause_stops_before_the_next_wave_and_resume_goes_on(shop: shops.Shop) -> None:
    shop.spec["rollout"]["timeout"] = PATIENT
    shop.set(west=SLOW)
    running = shop.spawn("up", "--yes")
    wait_for(shop, lambda now: state(now, "west") in {"started", "applied"})

    told = shop.run("pause").out

    assert "stops before its next wave; go on with: isthmus deploy resume" in told
    code, out = ended(running)
    assert (code, "paused by" in out) == (4, True)
    found = status(shop)
    assert (found["lock"], found["operation"]["phase"]) == (None, "paused")
    assert (shop.version("west"), shop.version("east")) == ("1", None)
    assert "does not wait for approval" in shop.run("approve", code=2).err
    shop.run("resume")
    shop.check_whole("1")


def test_a_bake_gives_the_lock_back_and_goes_on_where_a_killed_process_left_it(shop: shops.Shop) -> None:
    shop.spec["rollout"].update(waves=[list(shop.clusters)], gates=["ready", {"bake": "30s"}])
    shop.write()
    running = shop.spawn("up", "--yes")
    wait_for(shop, lambda now: now["phase"] == "waiting" and "baking" in now["reason"])
    found = status(shop)
    while found["lock"] is not None and found["operation"]["phase"] == "waiting":
        found = status(shop)  # the lock goes a moment after the journal says that it will
    assert (found["lock"], found["operation"]["phase"]) == (None, "waiting")

    running.send_signal(signal.SIGKILL)
    ended(running)
    shop.run("resume")

    (operation,) = shop.history()
    baked = [
        int(told[1]) for one in operation["events"] if (told := re.search(r"bakes for (\d+)s", one["text"]))
    ]
    assert baked[0] == 30
    assert all(rest < 30 for rest in baked[1:])
    assert len(baked) <= 2
    assert operation["outcome"] == "succeeded"


def test_abort_takes_a_running_operation_back(shop: shops.Shop) -> None:
    shop.spec["rollout"]["timeout"] = PATIENT
    shop.set(east={"never": True})
    running = shop.spawn("up", "--yes")
    wait_for(shop, lambda now: state(now, "east") == "applied")

    asked = shop.run("abort", seconds=200)

    assert re.search(r"asked .* \(pid \d+, operation .*\) to go back", asked.err)
    assert ended(running)[0] == 1
    shop.check_whole(None)
    (operation,) = shop.history()
    assert (operation["outcome"], operation["reason"].startswith("aborted by")) == ("rolled-back", True)


def test_abort_takes_a_waiting_operation_back(shop: shops.Shop) -> None:
    shop.spec["rollout"]["gates"] = ["approve"]
    shop.write()
    shop.run("up", code=4)

    done = shop.run("abort")

    assert "rolled-back" in done.out
    shop.check_whole(None)
    assert "has no unfinished operation to abort" in shop.run("abort", code=2).err


def test_skip_goes_on_without_a_stuck_cluster_and_names_how_to_level_it(shop: shops.Shop) -> None:
    shop.spec["rollout"]["timeout"] = PATIENT
    shop.set(central={"never": True})
    running = shop.spawn("up", "--yes")
    wait_for(shop, lambda now: state(now, "central") == "applied" and state(now, "east") == "done")

    assert "is done already" in shop.run("skip", "east", code=2).err
    assert "has no cluster 'mars'" in shop.run("skip", "mars", code=2).err
    assert "goes on without central" in shop.run("skip", "central").out

    assert ended(running)[0] == 0
    (operation,) = shop.history()
    assert operation["outcome"] == "succeeded"
    assert "left behind: central; level with: isthmus deploy up db --only central" in operation["reason"]
    shop.spec["rollout"]["timeout"] = "60s"
    shop.set(central={"never": False})
    shop.run("up", "--only", "central")
    shop.check_whole("1")


def quota(shop: shops.Shop, cluster: str, hard: dict[str, str] | None) -> None:
    """Forbid new objects in a cluster, or allow them again."""
    path = f"/api/v1/namespaces/{shop.namespace}/resourcequotas"
    if hard is None:
        shop.lab.api(cluster).delete(f"{path}/none")
        return
    shop.lab.api(cluster).create(path, {"metadata": {"name": "none"}, "spec": {"hard": hard}})
    deadline = time.monotonic() + 30
    while not (shop.get(cluster, f"{path}/none").get("status") or {}).get("hard"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_hold_leaves_everything_as_it_is_until_somebody_mends_it(shop: shops.Shop) -> None:
    shop.run("up")
    shop.spec["rollout"].update(onFailure="hold", timeout="40s")
    shop.set({"version": "2"})
    quota(shop, "central", {"pods": "0"})

    held = shop.run("up", code=4)

    assert "isthmus deploy resume db tries again, isthmus deploy abort db goes back" in held.out
    assert [shop.version(name) for name in shop.clusters] == ["2", "2", "2"]
    found = status(shop)
    assert (found["lock"], found["operation"]["phase"]) == (None, "held")
    assert shop.run("resume", code=4).code == 4
    quota(shop, "central", None)
    for _ in range(4):  # the controller's own retries have become rare by now
        if shop.run("resume", code=None).code == 0:
            break
    shop.check_whole("2")
    assert outcomes(shop) == ["succeeded", "succeeded"]


def test_rollback_failed_takes_back_what_failed_and_resume_tries_it_again(shop: shops.Shop) -> None:
    shop.run("up")
    shop.spec["rollout"].update(onFailure="rollback-failed", gates=["ready", "approve"])
    shop.set({"version": "2", "extra": 1})
    shop.run("up", code=4)
    quota(shop, "central", {"count/configmaps": "2"})  # later than the plan, which would have seen it

    held = shop.run("approve", code=4)

    assert "exceeded quota" in held.out
    shop.check_whole("1", ["central"])
    shop.check_whole("2", ["west", "east"])
    quota(shop, "central", None)
    assert "wave 2 waits for approval" in shop.run("resume", code=4).out
    shop.run("approve")
    shop.check_whole("2")
    assert outcomes(shop) == ["succeeded", "succeeded"]


def test_abort_of_a_held_operation_takes_back_the_clusters_that_went_well(shop: shops.Shop) -> None:
    shop.run("up")
    shop.spec["rollout"].update(onFailure="rollback-failed", timeout="40s")
    shop.set({"version": "2"}, central={"never": True})
    shop.run("up", code=4)

    shop.run("abort")

    shop.check_whole("1")
    assert outcomes(shop) == ["succeeded", "rolled-back"]
