"""Rollback, down and what stays; releases that somebody else left half-way; clusters that left the App."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def patience(shop: shops.Shop) -> None:
    """Give clusters time on a busy machine; tests of failures say how long they wait."""
    shop.spec["rollout"]["timeout"] = "90s"
    shop.write()


POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"


def test_rollback_goes_back_one_operation_or_to_before_a_named_one(shop: shops.Shop) -> None:
    assert "no operation in history that could be rolled back" in shop.run("rollback", code=2).err
    for version in ("1", "2", "3"):
        shop.set({"version": version})
        shop.run("up")
    second = shop.history()[1]["id"]

    shop.run("rollback", "--only", "west")

    assert [shop.version(name) for name in shop.clusters] == ["2", "3", "3"]
    told = shop.run("rollback", "--to", second, "--dry-run").out
    assert "rollback to 1" in told
    shop.run("rollback", "--to", second)
    shop.check_whole("1")
    assert "no operation 2026-x in history" in shop.run("rollback", "--to", "2026-x", code=2).err
    assert [one["plan"]["intent"] for one in shop.history()] == ["up", "up", "up", "rollback", "rollback"]


def test_down_lists_what_stays_and_forgets_the_releases(shop: shops.Shop) -> None:
    kept = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "precious", "annotations": {"helm.sh/resource-policy": "keep"}},
    }
    template = shop.folder / "charts" / "db" / "templates" / "kept.yaml"
    template.write_text(yaml.safe_dump(kept), encoding="utf-8")
    shop.run("up")

    shop.run("down", "--only", "east")

    assert [shop.version(name) for name in shop.clusters] == ["1", None, "1"]
    assert shop.releases("east") == []
    told = shop.run("down").out
    assert "What stays behind, and is yours to delete:\n  central  ConfigMap precious\n  west " in told
    for name in shop.clusters:
        assert (shop.version(name), shop.releases(name)) == (None, [])
        assert shop.get(name, f"/api/v1/namespaces/{shop.namespace}/configmaps/precious") is not None
    assert "nothing to do" in shop.run("down").err


def bring_namespace(shop: shops.Shop) -> str:
    """Let the chart bring a namespace of its own with something in it, and return its name."""
    own = f"{shop.namespace}-own"
    template = shop.folder / "charts" / "db" / "templates" / "own.yaml"
    bodies = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inside", "namespace": own}},
    ]
    template.write_text(yaml.safe_dump_all(bodies), encoding="utf-8")
    return own


def test_a_release_that_brought_a_namespace_can_be_installed_again_right_after_down(shop: shops.Shop) -> None:
    own = bring_namespace(shop)
    shop.run("up")

    told = shop.run("down").out
    left = [shop.get(name, f"/api/v1/namespaces/{own}") for name in shop.clusters]
    shop.run("up")

    assert f"Namespace {own} is going away" in told
    assert left == [None, None, None]
    assert all(shop.get(name, f"/api/v1/namespaces/{own}/configmaps/inside") for name in shop.clusters)
    shop.run("down")


def test_a_namespace_has_its_time_to_go_away_also_where_pods_had_less_to_become_ready(
    shop: shops.Shop,
) -> None:
    own = bring_namespace(shop)
    shop.spec["rollout"]["timeout"] = "4s"
    shop.set(west={"never": True})

    shop.run("up", code=1)

    assert [one["outcome"] for one in shop.history()] == ["rolled-back"]
    assert [shop.get(name, f"/api/v1/namespaces/{own}") for name in shop.clusters] == [None, None, None]


@pytest.fixture
def locked(shop: shops.Shop) -> Iterator[shops.Shop]:
    """A shop in whose cluster `west` nobody may delete ConfigMaps, until `unlock`."""
    name = f"locked.{shop.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}
    space = {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}}
    match = {"namespaceSelector": space, "resourceRules": [rule]}
    shop.lab.api("west").create(
        POLICIES,
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": match,
                "validations": [{"expression": "false", "message": "locked by the archive"}],
            },
        },
    )
    shop.lab.api("west").create(
        POLICIES.replace("policies", "policybindings"),
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": match},
        },
    )
    yield shop
    unlock(shop)


def unlock(shop: shops.Shop) -> None:
    for kind in ("policies", "policybindings"):
        path = POLICIES.replace("policies", kind)
        shop.lab.api("west").delete(f"{path}/locked.{shop.namespace}")


def test_a_down_that_fails_is_held_and_can_be_resumed(locked: shops.Shop) -> None:
    shop = locked
    shop.run("up")
    time.sleep(2)  # until the API server has compiled the policy

    held = shop.run("down", code=4)

    assert "locked by the archive" in held.out
    assert [shop.version(name) for name in shop.clusters] == ["1", None, None]
    unlock(shop)
    for _ in range(5):  # until the API server has dropped the policy
        if shop.run("resume", code=None).code == 0:
            break
        time.sleep(1)
    assert all(shop.releases(name) == [] for name in shop.clusters)
    assert [one["outcome"] for one in shop.history()] == ["succeeded", "succeeded"]


def leave_pending(shop: shops.Shop, cluster: str, version: str) -> None:
    """Kill a real helm in the middle of an upgrade or installation, outside of isthmus."""
    context = shop.lab.clusters[cluster].context
    helm = subprocess.Popen(
        [
            shop.env["ISTHMUS_HELM"], "upgrade", "db", str(shop.folder / "charts" / "db"), "--install",
            "--namespace", shop.namespace, "--kube-context", context, "--wait", "--timeout", "120s",
            "--set", "never=true", "--set-string", f"version={version}",
        ],
        env={**shop.env, "HELM_CACHE_HOME": str(shop.folder / "helm")}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not [one for _, one in shop.releases(cluster) if one.startswith("pending")]:
        assert helm.poll() is None, "helm ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(helm.pid, signal.SIGKILL)
    helm.wait()


def test_a_release_that_a_dead_helm_left_pending_is_said_and_repaired(shop: shops.Shop) -> None:
    shop.run("up", "--only", "west,east")
    leave_pending(shop, "west", "2")
    leave_pending(shop, "central", "2")
    shop.set({"version": "3"})

    found = shop.run("diff", "-o", "json").json()

    said = [(one["code"], one["cluster"], one["severity"]) for one in found["findings"]]
    assert said == [("pending-release", "west", "warning"), ("pending-release", "central", "warning")]
    assert "pending-upgrade at revision 2" in found["findings"][0]["message"]
    assert [step["action"] for wave in found["waves"] for step in wave] == ["upgrade", "upgrade", "install"]
    shop.run("up")
    shop.check_whole("3")


def test_down_takes_out_a_release_that_a_dead_helm_left_pending(shop: shops.Shop) -> None:
    leave_pending(shop, "west", "2")

    shop.run("down", "--only", "west")

    assert (shop.releases("west"), shop.version("west"), shop.pods("west")) == ([], None, {})


def test_a_cluster_that_left_the_app_keeps_its_release_until_it_is_named(shop: shops.Shop) -> None:
    shop.run("up")
    del shop.spec["clusters"]["central"]
    shop.spec["rollout"]["waves"] = [["west"], ["east"]]
    shop.set({"version": "2"})

    told = shop.run("up").err

    assert "take it out: isthmus deploy down db --only central" in told
    assert [shop.version(name) for name in shop.clusters] == ["2", "2", "1"]
    rows = shop.run("status", "-o", "json").json()["clusters"]
    assert [row["cluster"] for row in rows] == ["west", "east", "central"]
    assert rows[-1]["message"] == "the App left it: isthmus deploy down db --only central"
    shop.run("down", "--only", "central")
    assert [shop.version(name) for name in shop.clusters] == ["2", "2", None]
    assert shop.releases("central") == []
    assert "central" not in shop.run("status").out


STATUS = {"app", "namespace", "operation", "lock", "error", "clusters"}
ROW = {"cluster", "revision", "status", "chart", "ready", "modified", "message", "error", "certificates"}
OPERATION = {
    "id", "plan", "user", "started", "worker", "phase", "outcome", "reason", "ended", "runs", "undo",
    "passages", "events",
}  # fmt: skip
RUN = {
    "cluster", "wave", "action", "state", "revision", "started", "ended", "message", "attempts", "helm",
    "more",
}  # fmt: skip


def test_status_and_history_keep_their_shapes_and_need_no_folder(shop: shops.Shop) -> None:
    empty = shop.run("status", "-o", "json").json()
    assert [row["status"] for row in empty["clusters"]] == ["not installed"] * 3
    assert shop.run("history").out == "no operation yet\n"
    shop.run("up")

    body = shop.run("status", "-o", "json").json()
    (operation,) = shop.history()

    assert set(body) == STATUS
    assert all(set(row) == ROW for row in body["clusters"])
    assert [(row["revision"], row["status"], row["ready"], row["chart"]) for row in body["clusters"]] == [
        (1, "deployed", "yes", "db-1.0.0")
    ] * 3
    assert set(operation) - {"finished", "bundles"} == OPERATION
    assert all(set(run) == RUN for run in operation["runs"])
    story = shop.run("history", "--operation", operation["id"]).out
    assert "wave 1: gate ready passed" in story
    assert "no operation 2026-x" in shop.run("history", "--operation", "2026-x", code=2).err

    contexts = [f"--context={shop.lab.clusters[name].context}" for name in shop.clusters]
    alone: dict[str, Any] = {}
    for verb in ("status", "history"):
        done = subprocess.run(
            [*shop.command(verb, f"{shop.namespace}/db", *contexts, "-o", "yaml")[:-2]], env=dict(shop.env),
            cwd="/", capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        alone[verb] = yaml.safe_load(done.stdout)
    assert [row["revision"] for row in alone["status"]["clusters"]] == [1, 1, 1]
    assert [one["id"] for one in alone["history"]["operations"]] == [operation["id"]]
    assert "NAMESPACE/APP" in shop.run("status", "db", *contexts, code=2).err
