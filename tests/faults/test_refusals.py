"""Whatever refuses the work: the error names cluster or file, nothing is left half-done, the lock is free."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import shops
from tests.faults import scenes, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.labs import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

JOB = """\
apiVersion: v1
kind: Pod
metadata:
  name: db-check
  annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: before-hook-creation}
spec: {restartPolicy: Never, containers: [{name: "Not A Name", image: "example/check:1"}]}
"""
SCHEMA = {"properties": {"replicas": {"type": "integer"}}}


def chart(shop: shops.Shop) -> Path:
    """Return the folder of the shop's chart."""
    return shop.folder / "charts" / "db"


# ---- helm and the chart


def test_a_missing_helm_is_named_with_the_way_to_get_one(shop: shops.Shop) -> None:
    done = shop.run("up", code=1, env={"ISTHMUS_HELM": "/nowhere/helm"})

    scenes.check_words(done, "/nowhere/helm", "Install it")
    scenes.check_untouched(shop)


def test_a_helm_that_vanishes_in_mid_wave_leaves_the_way_back_to_resume(
    shop: shops.Shop, tmp_path: Path
) -> None:
    shop.run("up")
    shop.set({"version": "2", "readyAfter": "3s"})
    helm = tmp_path / "helm"
    real = shop.env["ISTHMUS_HELM"]
    helm.symlink_to(real)
    shop.env = {**shop.env, "ISTHMUS_HELM": str(helm)}

    running = shop.spawn("up")
    scenes.until("west upgraded", lambda: shop.version("west") == "2")
    helm.unlink()
    out, _ = running.communicate(timeout=300)

    assert running.returncode == 1, out
    assert "Traceback" not in out
    (_, operation) = shop.history()
    assert operation["outcome"] == "needs-human"
    assert "isthmus deploy resume db" in operation["reason"]
    scenes.check_free(shop)

    helm.symlink_to(real)
    shop.run("resume", code=1)

    shop.check_whole("1")
    assert shop.history()[-1]["outcome"] == "rolled-back"


def test_a_chart_that_is_not_there_is_named_by_its_path(shop: shops.Shop) -> None:
    shop.spec["chart"] = {"path": "charts/nothing"}
    shop.write()

    done = shop.run("up", code=2)

    scenes.check_words(done, "not a chart", "charts/nothing", "no such file or folder")
    scenes.check_untouched(shop)


def test_a_broken_template_is_told_in_the_words_of_helm(shop: shops.Shop) -> None:
    (chart(shop) / "templates" / "bad.yaml").write_text("x: {{ .Values.version | nofunction }}\n")

    done = shop.run("up", code=2)

    scenes.check_words(done, "helm cannot use the chart", "nofunction", "bad.yaml")
    scenes.check_untouched(shop)


def test_values_of_the_wrong_type_name_the_cluster_that_has_them(shop: shops.Shop) -> None:
    (chart(shop) / "values.schema.json").write_text(json.dumps(SCHEMA))
    shop.set(central={"replicas": "two"})

    done = shop.run("up", code=2)

    scenes.check_words(done, "central", "replicas", "integer")
    scenes.check_untouched(shop)


def test_values_that_one_optional_cluster_lacks_leave_out_that_cluster_alone(shop: shops.Shop) -> None:
    shop.spec["clusters"]["central"] = {
        "membership": "optional",
        "valuesFrom": [{"secret": "missing"}],
    }
    shop.write()

    done = shop.run("up")

    scenes.check_words(done, "central", "missing", "isthmus deploy up db --only central")
    shop.check_whole("1", ["west", "east"])
    assert shop.releases("central") == []


def test_a_hook_that_fails_takes_every_cluster_back(shop: shops.Shop) -> None:
    shop.run("up")
    (chart(shop) / "templates" / "hook.yaml").write_text(
        "{{ if .Values.hook }}\n" + JOB + "{{ end }}\n", encoding="utf-8"
    )
    shop.set({"version": "2"}, central={"hook": True})

    done = shop.run("up", code=1)

    scenes.check_words(done, "central", "helm upgrade failed", "db-check")
    shop.check_whole("1")
    assert shop.history()[-1]["outcome"] == "rolled-back"
    scenes.check_free(shop)


# ---- credentials and contexts


def test_a_missing_context_names_the_cluster_and_its_neighbours(shop: shops.Shop) -> None:
    config = yaml.safe_load(shop.lab.kubeconfig_path.read_text())
    context = shop.lab.clusters["central"].context
    config["contexts"] = [one for one in config["contexts"] if one["name"] != context]
    own = shop.folder / "kubeconfig"
    own.write_text(yaml.safe_dump(config))

    done = shop.run("up", code=2, env={"KUBECONFIG": str(own), "ISTHMUS_HOME": str(shop.folder / "home")})

    scenes.check_words(done, "central", context)
    scenes.check_untouched(shop)


def with_token(shop: shops.Shop, cluster: str, token: str) -> None:
    """Let the shop's kubeconfig reach one cluster with a bearer token."""
    config = yaml.safe_load(shop.lab.kubeconfig_path.read_text())
    context = shop.lab.clusters[cluster].context
    for user in config["users"]:
        if user["name"] == context:
            user["user"] = {"token": token}
    own = shop.folder / "kubeconfig"
    own.write_text(yaml.safe_dump(config))
    shop.env = {**shop.env, "KUBECONFIG": str(own)}


def test_a_token_that_is_not_accepted_names_its_cluster(shop: shops.Shop) -> None:
    with_token(shop, "central", "expired-token-of-somebody")

    done = shop.run("up", code=1)

    scenes.check_words(done, "central", "token expired or revoked", "renew the credential")
    assert "expired-token-of-somebody" not in done.said
    scenes.check_untouched(shop)


def test_a_token_that_ends_in_mid_wave_takes_every_cluster_back(shop: shops.Shop) -> None:
    shop.run("up")
    shop.set({"version": "2", "readyAfter": "3s"})
    api, name = shop.lab.api("central"), f"user-{secrets.token_hex(4)}"
    accounts = f"/api/v1/namespaces/{shop.namespace}/serviceaccounts"
    api.create(accounts, {"metadata": {"name": name}})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": shop.namespace}],
    }
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    api.create(bindings, binding)
    status, body = api.ask("POST", f"{accounts}/{name}/token", {"spec": {"expirationSeconds": 600}})
    assert status == 201, body
    with_token(shop, "central", json.loads(body)["status"]["token"])

    running = shop.spawn("up")
    scenes.until("west upgraded", lambda: shop.version("west") == "2")
    api.delete(f"{accounts}/{name}")
    out, _ = running.communicate(timeout=300)
    api.delete(f"{bindings}/{name}")

    assert running.returncode == 1, out
    assert "Traceback" not in out
    assert "token expired or revoked" in out
    shop.check_whole("1")
    assert shop.history()[-1]["outcome"] == "rolled-back", out
    scenes.check_free(shop, ["west", "east"])


# ---- what a cluster refuses


@pytest.fixture
def terminating(shop: shops.Shop) -> Iterator[None]:
    """A namespace in central that is being deleted and cannot go."""
    api = shop.lab.api("central")
    path = f"/api/v1/namespaces/{shop.namespace}"
    api.create(f"{path}/configmaps", {"metadata": {"name": "stays", "finalizers": ["example.com/stay"]}})
    api.delete(path)
    yield
    found = api.get(f"{path}/configmaps/stays")
    found["metadata"]["finalizers"] = []
    api.ask("PUT", f"{path}/configmaps/stays", found)


@pytest.mark.usefixtures("terminating")
def test_a_terminating_namespace_is_named_with_its_cluster(shop: shops.Shop) -> None:
    done = shop.run("up", code=1)

    scenes.check_words(done, "central", f"namespace {shop.namespace} is terminating", "finalizers")
    scenes.check_untouched(shop)


def test_a_namespace_that_ends_in_mid_wave_takes_every_cluster_back(shop: shops.Shop) -> None:
    shop.set({"readyAfter": "4s"})

    running = shop.spawn("up")
    scenes.until("west installed", lambda: shop.version("west") == "1")
    api, path = shop.lab.api("central"), f"/api/v1/namespaces/{shop.namespace}"
    api.create(f"{path}/configmaps", {"metadata": {"name": "stays", "finalizers": ["example.com/stay"]}})
    api.delete(path)
    out, _ = running.communicate(timeout=300)
    found = api.get(f"{path}/configmaps/stays")
    found["metadata"]["finalizers"] = []
    api.ask("PUT", f"{path}/configmaps/stays", found)

    assert running.returncode == 1, out
    assert "Traceback" not in out
    assert "being terminated" in out
    shop.check_whole(None)
    assert shop.history()[-1]["outcome"] == "rolled-back", out
    scenes.check_free(shop)


def test_a_webhook_that_denies_the_dry_run_stops_the_plan(shop: shops.Shop, tmp_path: Path) -> None:
    def judge(_: webhook.Review) -> str:
        return "no ConfigMaps on Sundays"

    with webhook.denying(shop.lab, "central", shop.namespace, tmp_path, judge) as name:
        done = shop.run("up", code=1)

    scenes.check_words(done, "central", name, "no ConfigMaps on Sundays")
    scenes.check_untouched(shop)


def test_a_webhook_that_denies_only_the_write_takes_every_cluster_back(
    shop: shops.Shop, tmp_path: Path
) -> None:
    def judge(request: webhook.Review) -> str:
        is_new = request["object"].get("data", {}).get("version") == "2"
        return "not version 2" if is_new and not request.get("dryRun") else ""

    shop.run("up")
    shop.set({"version": "2"})

    with webhook.denying(shop.lab, "central", shop.namespace, tmp_path, judge) as name:
        done = shop.run("up", code=1)

        scenes.check_words(done, "central", name, "not version 2")
        shop.check_whole("1")
    assert shop.history()[-1]["outcome"] == "rolled-back"
    scenes.check_free(shop)


# ---- disks that are full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, or a skip for those who may not mount one."""
    mount = shutil.which("mount")
    if os.getuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    tried = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "isthmus-test", str(place)], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"no tmpfs here: {tried.stderr.decode()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> None:
    """Write until the file system takes no more."""
    with (place / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


def test_a_full_disk_under_the_plan_file_is_named_and_leaves_no_half_file(
    shop: shops.Shop, small_disk: Path
) -> None:
    fill(small_disk)
    plan = small_disk / "plan.json"

    done = shop.run("diff", "--save", str(plan), code=1)

    scenes.check_words(done, "the disk refused a write", str(plan), "No space left on device")
    assert [path.name for path in small_disk.iterdir()] == ["filling"]
    scenes.check_untouched(shop)


def test_a_full_disk_under_temporary_files_is_named(shop: shops.Shop, small_disk: Path) -> None:
    (chart(shop) / "picture").write_bytes(secrets.token_bytes(100_000))  # more than the disk takes

    done = shop.run("up", code=1, env={"TMPDIR": str(small_disk)})

    scenes.check_words(done, "the disk refused a write", str(small_disk), "No space left on device")
    scenes.check_untouched(shop)


def test_a_disk_that_fills_in_mid_wave_takes_every_cluster_back(shop: shops.Shop, small_disk: Path) -> None:
    shop.run("up")
    shop.set({"version": "2", "readyAfter": "3s"})
    shop.env = {**shop.env, "TMPDIR": str(small_disk)}

    running = shop.spawn("up")
    scenes.until("west upgraded", lambda: shop.version("west") == "2")
    fill(small_disk)
    out, _ = running.communicate(timeout=300)

    assert running.returncode == 1, out
    assert "Traceback" not in out
    assert str(small_disk) in out
    shop.check_whole("1")  # helm needs no room to go back
    assert shop.history()[-1]["outcome"] == "rolled-back"
    scenes.check_free(shop)


# ---- etcd that is full

QUOTA = 16 * 1024 * 1024
FILLING: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap"}


def exhaust(shop: shops.Shop, cluster: str) -> None:
    """Write into a cluster until its etcd takes no more."""
    api = shop.lab.api(cluster)
    for number in range(200):
        data = {"x": secrets.token_hex(240_000)}
        body = {**FILLING, "metadata": {"name": f"filling-{number}"}, "data": data}
        status, said = api.ask("POST", "/api/v1/namespaces/default/configmaps", body)
        if b"database space exceeded" in said:
            return
        assert status == 201, said
    raise AssertionError("etcd took everything")


@pytest.fixture
def small_shop(new_lab: NewLab, tmp_path: Path) -> shops.Shop:
    """A shop over three clusters whose etcd takes 16 MiB each."""
    return shops.make(new_lab(3, etcd_quota=QUOTA), tmp_path, "data")


def test_an_etcd_without_room_for_the_journal_is_named_before_and_in_mid_wave(small_shop: shops.Shop) -> None:
    shop = small_shop
    shop.run("up")
    shop.set({"version": "2", "readyAfter": "6s"})

    running = shop.spawn("up")
    scenes.until("west upgraded", lambda: shop.version("west") == "2")
    exhaust(shop, "central")
    out, _ = running.communicate(timeout=300)

    assert running.returncode == 1, out
    assert "Traceback" not in out
    assert "etcd is out of quota" in out
    shop.check_whole("1")
    assert shop.history()[-1]["outcome"] == "rolled-back", out
    scenes.check_free(shop, ["west", "east"])

    done = shop.run("up", code=1)

    scenes.check_words(done, "central", "etcd is out of quota")
    shop.check_whole("1")
    scenes.check_free(shop, ["west", "east"])
