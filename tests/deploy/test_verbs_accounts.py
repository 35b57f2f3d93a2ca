"""Who writes and from where: an App's own account, a user who cannot fence, a chart from a repository."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def patience(shop: shops.Shop) -> None:
    """Give clusters time on a busy machine; tests of failures say how long they wait."""
    shop.spec["rollout"]["timeout"] = "90s"
    shop.write()


RBAC = "/apis/rbac.authorization.k8s.io/v1"
CHART = [
    {"apiGroups": [""], "resources": ["configmaps", "secrets", "pods"], "verbs": ["*"]},
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["*"]},
]
"""What the chart's kinds, helm's records and the way back need in the App's namespace."""


def give(shop: shops.Shop, rules: list[dict[str, Any]]) -> None:
    """Make the account `deployer` in every cluster, with rights in its namespace alone."""
    core, rbac = f"/api/v1/namespaces/{shop.namespace}", f"{RBAC}/namespaces/{shop.namespace}"
    subject = {"kind": "ServiceAccount", "name": "deployer", "namespace": shop.namespace}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deployer"}
    for name in shop.clusters:
        api = shop.lab.api(name)
        api.create(f"{core}/serviceaccounts", {"metadata": {"name": "deployer"}})
        api.create(f"{rbac}/roles", {"metadata": {"name": "deployer"}, "rules": rules})
        api.create(
            f"{rbac}/rolebindings", {"metadata": {"name": "deployer"}, "subjects": [subject], "roleRef": ref}
        )


def test_an_account_of_the_app_writes_with_rights_in_its_namespace_alone(shop: shops.Shop) -> None:
    shop.spec["serviceAccount"] = "deployer"
    shop.spec["rollout"]["timeout"] = "40s"
    shop.write()
    missing = shop.run("diff", code=1).err
    assert f"ServiceAccount {shop.namespace}/deployer does not exist" in missing
    give(shop, CHART)

    shop.run("up")
    shop.check_whole("1")
    shop.set({"version": "2"}, central={"never": True})
    shop.run("up", code=1)
    shop.check_whole("1")
    shop.run("down")

    assert [one["outcome"] for one in shop.history()] == ["succeeded", "rolled-back", "succeeded"]


def test_an_account_without_a_right_that_the_chart_needs_is_named_with_the_right(shop: shops.Shop) -> None:
    shop.spec["serviceAccount"] = "deployer"
    shop.write()
    give(shop, CHART[:1])

    done = shop.run("up", code=1)

    assert f"system:serviceaccount:{shop.namespace}:deployer" in done.out
    assert "statefulsets" in done.out
    shop.check_whole(None)


def person(shop: shops.Shop) -> Path:
    """Return the kubeconfig of somebody who may do everything but issue tokens."""
    home, name = f"/api/v1/namespaces/{shop.namespace}/serviceaccounts", f"{shop.namespace}-unfenced"
    core = ["namespaces", "secrets", "configmaps", "pods", "events", "serviceaccounts", "services"]
    rules = [
        {"apiGroups": [""], "resources": core, "verbs": ["*"]},
        {"apiGroups": ["apps", "coordination.k8s.io"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["*"]},
    ]
    subject = {"kind": "ServiceAccount", "name": "person", "namespace": shop.namespace}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    config = yaml.safe_load(shop.lab.kubeconfig_path.read_text(encoding="utf-8"))
    config["users"] = []
    for cluster in shop.clusters:
        api, context = shop.lab.api(cluster), shop.lab.clusters[cluster].context
        api.create(home, {"metadata": {"name": "person"}})
        api.create(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        api.create(
            f"{RBAC}/clusterrolebindings", {"metadata": {"name": name}, "subjects": [subject], "roleRef": ref}
        )
        status, answer = api.ask("POST", f"{home}/person/token", {"spec": {"expirationSeconds": 1200}})
        assert status == 201, answer
        config["users"].append({"name": context, "user": {"token": json.loads(answer)["status"]["token"]}})
    for context in config["contexts"]:
        context["context"]["user"] = context["name"]
    path = shop.folder / "person.kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


APART = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child=SIGKILL", "--"]
"""Puts a process where it cannot be seen from here, as one on another machine."""


@pytest.fixture
def apart() -> None:
    if subprocess.run([*APART, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to make a pid namespace")


@pytest.mark.usefixtures("apart")
def test_without_the_right_to_fence_taking_over_is_manual(shop: shops.Shop) -> None:
    env = {"KUBECONFIG": str(person(shop))}
    found = shop.run("diff", "-o", "json", env=env).json()
    assert [(one["code"], one["cluster"]) for one in found["findings"]] == [
        ("not-fenced", name) for name in shop.clusters
    ]
    shop.spec["rollout"]["timeout"] = "200s"
    shop.set(central={"never": True})
    running = subprocess.Popen(
        [*APART, *shop.command("up")], env={**shop.env, **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_until_applied(shop, "central")
    running.kill()
    running.communicate(timeout=60)

    refused = shop.run("resume", code=1)

    assert "is not fenced, so taking it over is manual" in refused.err
    assert "repeat with --force" in refused.err
    assert "pid" in refused.err
    shop.run("abort", "--force", env=env, seconds=200)
    shop.check_whole(None)


def wait_until_applied(shop: shops.Shop, cluster: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        operation = shop.run("status", "-o", "json").json()["operation"]
        if operation and any(
            one["cluster"] == cluster and one["state"] == "applied" for one in operation["runs"]
        ):
            return
        assert time.monotonic() < deadline, operation
        time.sleep(0.3)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def repository(shop: shops.Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop's chart in a repository on the loopback, as helm makes one."""
    folder, helm = tmp_path_factory.mktemp("repository"), shop.env["ISTHMUS_HELM"]
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for argv in (
        ["package", str(shop.folder / "charts" / "db"), "--destination", str(folder)],
        ["repo", "index", str(folder), "--url", url],
    ):
        subprocess.run(
            [helm, *argv], env={**shop.env, "HELM_CACHE_HOME": str(folder)}, check=True, capture_output=True
        )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_chart_comes_from_a_repository_by_name_and_version(shop: shops.Shop, repository: str) -> None:
    shop.spec["chart"] = {"repo": repository, "name": "db", "version": "1.0.0"}
    shop.write()

    shop.run("up")

    shop.check_whole("1")
    assert shop.history()[0]["plan"]["chart"] == "db 1.0.0"
    shop.spec["chart"]["version"] = "9.9.9"
    shop.write()
    lost = shop.run("diff", code=1).err
    assert "helm could not pull the chart db" in lost
    assert repository in lost
