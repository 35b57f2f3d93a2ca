"""API servers that stop or freeze in mid-operation: each cluster for itself, no more than a majority says."""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from isthmus.lab import components, labs, spec
from tests import labs as testlabs
from tests import shops
from tests.faults import scenes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("outage"),
]

long = pytest.mark.faults
"""A minute and more: `make faults` alone runs it."""

STOP, FREEZE = "stop", "freeze"
SLOW = "12s"
"""From start to ready of each of the two pods, one after the other: longer than the lock lasts alone."""


@pytest.fixture(scope="module")
def fragile() -> Iterator[labs.Lab]:
    """Three clusters for this module alone: its tests break them and mend them again."""
    owner = os.environ.get(testlabs.OWNER) or testlabs.owner(psutil.Process())
    name = f"{testlabs.PREFIX}{owner}-{secrets.token_hex(2)}"
    yield labs.up(spec.LabSpec(name=name, clusters=spec.default_clusters(3)))
    labs.down(name)


@pytest.fixture
def shop(fragile: labs.Lab, tmp_path: Path) -> Iterator[shops.Shop]:
    """An App over clusters that may be broken; they are whole again after the test."""
    made = shops.make(fragile, tmp_path, f"t-{secrets.token_hex(4)}", timeout="90s")
    yield made
    for name in fragile.clusters:
        mend(fragile, name)
        fragile.api(name).delete(f"/api/v1/namespaces/{made.namespace}")


def cut(lab: labs.Lab, cluster: str, how: str) -> None:
    """Take an API server away."""
    if how == STOP:
        lab.stop(cluster, scenes.APISERVER)
    else:
        lab.freeze(cluster, scenes.APISERVER)


def mend(lab: labs.Lab, cluster: str) -> None:
    """Bring an API server back, and what follows it, until a pod runs.

    Controllers that lost their server ask it again only after up to a minute, longer than a rollout of
    these tests may take: they are started anew.
    """
    server = lab.clusters[cluster].processes.get(scenes.APISERVER)
    if server is not None and server.is_frozen():
        lab.thaw(cluster, scenes.APISERVER)
    elif server is None or not server.is_running():
        lab.start(cluster, scenes.APISERVER)
    else:
        return
    scenes.until(f"{cluster} ready", lab.api(cluster).is_ready)
    for program in components.FOLLOWERS:
        lab.stop(cluster, program)
        lab.start(cluster, program)
    scenes.runs_pods(lab, cluster)


def upgrading(
    shop: shops.Shop, cluster: str, *, ready_after: str = "3s", timeout: str = "20s"
) -> subprocess.Popen[str]:
    """Install version 1, start the upgrade to 2, and return when it has reached a cluster."""
    shop.run("up")
    shop.spec["rollout"]["timeout"] = timeout
    shop.set({"version": "2", "readyAfter": ready_after})
    running = shop.spawn("up")
    scenes.until(f"{cluster} upgraded", lambda: shop.version(cluster) == "2")
    return running


def end(running: subprocess.Popen[str], code: int, seconds: float = 400) -> str:
    """Return what a process said, once it has left with an exit code."""
    out, _ = running.communicate(timeout=seconds)
    assert running.returncode == code, out
    assert "Traceback" not in out, out
    return str(out)


def last(shop: shops.Shop) -> dict[str, Any]:
    """Return the newest operation."""
    return shop.history()[-1]


@pytest.mark.parametrize("how", [STOP, FREEZE])
def test_a_required_cluster_that_is_back_in_time_is_waited_for(shop: shops.Shop, how: str) -> None:
    running = upgrading(shop, "east", timeout="90s")

    cut(shop.lab, "east", how)
    time.sleep(12)  # longer than one request waits for an answer
    mend(shop.lab, "east")

    end(running, 0)
    shop.check_whole("2")
    assert last(shop)["outcome"] == "succeeded"


@long
@pytest.mark.parametrize("how", [STOP, FREEZE])
def test_a_required_cluster_that_stays_away_is_left_to_a_person_and_the_others_go_back(
    shop: shops.Shop, how: str
) -> None:
    running = upgrading(shop, "east")

    cut(shop.lab, "east", how)
    out = end(running, 1)

    assert "isthmus deploy resume db" in out
    shop.check_whole("1", ["west", "central"])
    operation = last(shop)
    assert (operation["outcome"], operation["phase"]) == ("needs-human", "needs-human")
    assert "not taken back: east" in operation["reason"]
    scenes.check_free(shop, ["west", "central"])

    refused = shop.run("up", code=None)
    assert refused.code in {1, 3}
    scenes.check_words(refused, "east")
    status = shop.run("status", "-o", "json", code=3)
    rows = {row["cluster"]: row for row in status.json()["clusters"]}
    assert (rows["west"]["ready"], rows["central"]["ready"]) == ("yes", "yes")
    assert rows["east"]["error"]

    mend(shop.lab, "east")
    owned = shop.run("up", code=1)
    scenes.check_words(owned, f"operation {operation['id']} owns App", "isthmus deploy resume db")
    shop.run("resume", code=1)

    shop.check_whole("1")
    operation = last(shop)
    assert (operation["outcome"], operation["phase"]) == ("rolled-back", "finished")
    assert "not taken back" not in operation["reason"]


@long
def test_abort_closes_what_needs_a_person_and_the_next_up_levels_it(shop: shops.Shop) -> None:
    running = upgrading(shop, "east")
    cut(shop.lab, "east", STOP)
    end(running, 1)

    closed = shop.run("abort")

    scenes.check_words(closed, "east")
    operation = last(shop)
    assert (operation["outcome"], operation["phase"]) == ("needs-human", "finished")

    mend(shop.lab, "east")
    shop.run("up")
    shop.check_whole("2")


@long
@pytest.mark.parametrize(("membership", "how"), [("optional", FREEZE), ("catch-up", STOP)])
def test_a_cluster_that_may_be_away_is_left_behind_with_the_command_that_levels_it(
    shop: shops.Shop, membership: str, how: str
) -> None:
    shop.spec["clusters"]["central"]["membership"] = membership
    shop.write()
    running = upgrading(shop, "central")

    cut(shop.lab, "central", how)
    out = end(running, 0)

    command = "isthmus deploy up db --only central"
    assert command in out
    shop.check_whole("2", ["west", "east"])
    operation = last(shop)
    assert operation["outcome"] == "succeeded"
    assert command in operation["reason"]

    mend(shop.lab, "central")
    shop.run("up", "db", "--only", "central")
    shop.check_whole("2")


def test_an_optional_cluster_silent_at_planning_is_left_out_and_named(shop: shops.Shop) -> None:
    shop.spec["clusters"]["central"]["membership"] = "optional"
    shop.write()
    cut(shop.lab, "central", STOP)

    done = shop.run("up")

    scenes.check_words(done, "central", "isthmus deploy up db --only central")
    shop.check_whole("1", ["west", "east"])

    mend(shop.lab, "central")
    shop.run("up", "db", "--only", "central")
    shop.check_whole("1")


@pytest.mark.parametrize("how", [STOP, FREEZE])
def test_a_required_cluster_silent_at_planning_stops_it_before_anything(shop: shops.Shop, how: str) -> None:
    cut(shop.lab, "east", how)

    done = shop.run("up", code=3)

    scenes.check_words(done, "east", "--only")
    for name in ("west", "central"):
        assert shop.releases(name) == []
        assert scenes.records(shop, name) == []


def test_a_cluster_that_goes_before_its_wave_was_never_touched_so_all_is_taken_back(shop: shops.Shop) -> None:
    running = upgrading(shop, "west", ready_after="2s")

    cut(shop.lab, "east", STOP)
    end(running, 1)

    shop.check_whole("1", ["west", "central"])
    assert last(shop)["outcome"] == "rolled-back"
    mend(shop.lab, "east")
    shop.check_whole("1")


@long
@pytest.mark.parametrize("how", [STOP, FREEZE])
def test_without_a_majority_the_process_stops_and_writes_no_more(shop: shops.Shop, how: str) -> None:
    running = upgrading(shop, "west", ready_after=SLOW, timeout="60s")

    cut(shop.lab, "east", how)
    cut(shop.lab, "central", how)
    out, _ = running.communicate(timeout=400)

    assert running.returncode in {1, 3}, out
    assert "Traceback" not in out, out
    error = out.partition("error: ")[2]
    for word in ("east", "central", "isthmus deploy resume db"):
        assert word in error
    before = shop.releases("west")
    time.sleep(3)
    assert shop.releases("west") == before

    for name in ("east", "central"):
        mend(shop.lab, name)
    shop.run("resume")
    shop.check_whole("2")


def with_witness(shop: shops.Shop) -> None:
    """Make the third cluster a witness: a vote, and no workloads."""
    shop.fleet["witness"] = {"context": shop.lab.clusters["central"].context}
    shop.clusters = ("west", "east")
    del shop.spec["clusters"]["central"]
    shop.spec["rollout"]["waves"] = [["west"], ["east"]]
    shop.write()


def test_a_lost_witness_stops_nothing(shop: shops.Shop) -> None:
    with_witness(shop)
    running = upgrading(shop, "west", timeout="90s")

    cut(shop.lab, "central", STOP)
    end(running, 0)

    shop.check_whole("2")


@long
def test_a_lost_witness_and_a_lost_cluster_stop_the_process(shop: shops.Shop) -> None:
    with_witness(shop)
    running = upgrading(shop, "west", ready_after=SLOW, timeout="30s")

    cut(shop.lab, "central", STOP)
    cut(shop.lab, "east", STOP)
    out, _ = running.communicate(timeout=400)

    assert running.returncode in {1, 3}, out
    error = out.partition("error: ")[2]
    for word in ("east", "witness", "isthmus deploy resume db"):
        assert word in error
    mend(shop.lab, "central")
    shop.run("resume", code=1)  # east stays away: no whole, so west goes back
    assert last(shop)["reason"].startswith("east: did not answer")
    shop.check_whole("1", ["west"])
