"""Isthmus works through its own account alone, on real API servers; what it was not given they refuse."""

from __future__ import annotations

import base64
import copy
import http.client
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.lab.images import charts
from isthmus.model import errors
from tests import shops
from tests.connect import meshes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.xdist_group("connect")]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES = {
    None: f"{RBAC}/clusterroles/isthmus",
    "kube-system": f"{RBAC}/namespaces/kube-system/roles/isthmus",
    "isthmus-system": f"{RBAC}/namespaces/isthmus-system/roles/isthmus",
}
APP = "/api/v1/namespaces/data/configmaps/db"


def isthmus(net: meshes.Net, *words: str, code: int | None = 0, stdin: str | None = None) -> shops.Done:
    """Run a verb beside `connect`."""
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", *words], env=net.env, capture_output=True, text=True, timeout=300,
        check=False, input=stdin or "",
    )  # fmt: skip
    found = shops.Done(done.returncode, done.stdout, done.stderr)
    assert code in (None, found.code), f"exit {found.code}, expected {code}:\n{found.end}"
    return found


@pytest.fixture
def own(net: meshes.Net, tmp_path: Path) -> Iterator[meshes.Net]:
    """Work as the account, which is taken out again by the administrator."""
    admin = net.env["KUBECONFIG"]
    folder = ("-f", str(net.folder))
    isthmus(net, "account", "up", *folder, "--yes")
    path = tmp_path / "account" / "kubeconfig"
    path.parent.mkdir()
    isthmus(net, "account", "kubeconfig", str(path), *folder)
    net.env["KUBECONFIG"] = str(path)
    yield net
    for operation in ("abort", "down"):
        net.run(operation, code=None)
    net.env["KUBECONFIG"] = admin
    isthmus(net, "account", "down", *folder, "--yes")


@pytest.fixture
def meshed(net: meshes.Net) -> meshes.Net:
    """A Fleet that asks for Istio."""
    try:
        found = {"base": charts.folder("istio-base"), "istiod": charts.folder("istiod")}
    except errors.IsthmusError as lacking:
        pytest.skip(f"Istio's charts come in its Go module: {lacking.brief}")
    net.spec["mesh"] = {
        "istio": {
            "trustDomain": "shop.local",
            "charts": {name: {"path": str(path)} for name, path in found.items()},
            "values": {"base": {"validationFailurePolicy": "Ignore"}},
        }
    }
    for number, name in enumerate(meshes.CLUSTERS, start=1):
        net.own[name] = {"apiServer": f"10.8.0.{number}:6443"}
    net.write()
    return net


def request(net: meshes.Net, cluster: str, method: str, path: str, body: Any = None) -> int:
    """Return how an API server answers the account: its token alone, without the lab's certificate."""
    context = net.lab.clusters[cluster].context
    config = yaml.safe_load(Path(net.env["KUBECONFIG"]).read_text(encoding="utf-8"))
    plugin = next(one["user"]["exec"] for one in config["users"] if one["name"] == context)
    place = next(one["cluster"] for one in config["clusters"] if one["name"] == context)
    said = subprocess.run(
        [plugin["command"], *plugin["args"]], env=net.env, capture_output=True, text=True, timeout=60,
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    token = json.loads(said.stdout)["status"]["token"]
    authority = base64.b64decode(place["certificate-authority-data"]).decode()
    host, port = place["server"].removeprefix("https://").split(":")
    line = http.client.HTTPSConnection(
        host, int(port), timeout=20, context=ssl.create_default_context(cadata=authority)
    )
    try:
        head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        line.request(method, path, body=None if body is None else json.dumps(body), headers=head)
        return line.getresponse().status
    finally:
        line.close()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_of_connect_works_through_the_account_with_istio(meshed: meshes.Net, own: meshes.Net) -> None:
    told = own.run("diff", "-o", "json").json()
    own.run("up")
    for name in meshes.CLUSTERS:
        assert own.releases(name) == [(1, "deployed")]
    assert "own-rights" not in [each["code"] for each in told["findings"]]
    assert all(step["fenced"] for wave in told["waves"] for step in wave)
    body = own.run("status", "-o", "json").json()
    assert [each["error"] for each in body["clusters"]] == [None] * 3
    assert {each["code"] for each in body["findings"]} == {"istiod-not-asked"}
    assert "nothing to do" in own.run("up").err
    own.write(mtu=1400)
    own.run("up")
    assert [own.mtu(name) for name in meshes.CLUSTERS] == ["1400"] * 3

    own.run("down")

    for name in meshes.CLUSTERS:
        assert own.releases(name) == []
        assert own.get(name, f"{RBAC}/clusterrolebindings/isthmus-deployer") is None


def test_doctor_and_deploy_work_through_it_and_an_app_elsewhere_is_refused(
    net: meshes.Net, tmp_path: Path
) -> None:
    chart = net.folder / "charts" / "db"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: db\nversion: 0.1.0\n", encoding="utf-8")
    (chart / "templates" / "db.yaml").write_text(shops.TEMPLATE, encoding="utf-8")
    write_app(net, "data", "1")
    path, folder = tmp_path / "own.kubeconfig", ("-f", str(net.folder))
    isthmus(net, "account", "up", *folder, "--for", "deploy", "--for", "doctor", "--yes")
    isthmus(net, "account", "kubeconfig", str(path), *folder)
    admin, net.env["KUBECONFIG"] = net.env["KUBECONFIG"], str(path)

    isthmus(net, "deploy", "diff", *folder)
    isthmus(net, "deploy", "up", *folder, "--yes")
    write_app(net, "data", "2")
    isthmus(net, "deploy", "up", *folder, "--yes")
    versions = [net.get(name, APP)["data"]["version"] for name in meshes.CLUSTERS]
    status = isthmus(net, "deploy", "status", *folder, "-o", "json").json()
    isthmus(net, "deploy", "rollback", *folder, "--yes")
    back = [net.get(name, APP)["data"]["version"] for name in meshes.CLUSTERS]
    looked = isthmus(net, "doctor", *folder, "-o", "json").json()
    isthmus(net, "deploy", "down", *folder, "--yes")
    write_app(net, "elsewhere", "1")
    refused = isthmus(net, "deploy", "up", *folder, "--yes", code=1)
    net.run("diff", code=1)
    net.env["KUBECONFIG"] = admin
    isthmus(net, "account", "down", *folder, "--yes")

    assert (versions, back) == (["2"] * 3, ["1"] * 3)
    assert [each["error"] for each in status["clusters"]] == [None] * 3
    assert not [each for each in looked["not_checked"] if "forbidden" in each["why"]]
    assert "forbidden" in refused.said or "cannot" in refused.said
    assert [net.get(name, "/api/v1/namespaces/elsewhere") for name in meshes.CLUSTERS] == [None] * 3


def write_app(net: meshes.Net, namespace: str, version: str) -> None:
    """Write the App beside the Fleet."""
    app = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": "db", "namespace": namespace},
        "spec": {
            "chart": {"path": "charts/db"},
            "values": {**shops.VALUES, "version": version},
            "clusters": {name: {} for name in meshes.CLUSTERS},
        },
    }
    (net.folder / "app.yaml").write_text(yaml.safe_dump(app), encoding="utf-8")


REFUSED = [
    ("GET", "/api/v1/namespaces/default/secrets", None),
    ("GET", "/api/v1/secrets", None),
    ("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "x"}}),
    ("DELETE", "/api/v1/namespaces/default", None),
    (
        "POST",
        "/api/v1/namespaces/isthmus-system/serviceaccounts/isthmus-deployer/token",
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}},
    ),
    (
        "POST",
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "mine"},
            "roleRef": {"apiGroup": RBAC[6:-3], "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "isthmus", "namespace": "isthmus-system"}],
        },
    ),
    (
        "PUT",
        f"{RBAC}/clusterroles/isthmus",
        {"metadata": {"name": "isthmus"}, "rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]},
    ),
]


def test_what_it_was_not_given_the_api_server_refuses(own: meshes.Net) -> None:
    assert {path: request(own, "west", method, path, body) for method, path, body in REFUSED} == {
        path: 403 for _, path, _ in REFUSED
    }
    assert request(own, "west", "GET", "/api/v1/namespaces/kube-system/secrets") == 200


NEEDED = [
    (None, "namespaces", "get", "namespaces"),
    (None, "nodes", "list", "cluster-not-read"),
    (None, "clusterroles", "patch", "clusterroles"),
    (None, "clusterroles", "escalate", "cilium"),
    (None, "clusterroles", "bind", "cilium"),
    (None, "clusterrolebindings", "patch", "clusterrolebindings"),
    ("kube-system", "secrets", "list", "secrets"),
    ("kube-system", "configmaps", "patch", "configmaps"),
    ("kube-system", "services", "create", "services"),
    ("kube-system", "serviceaccounts", "patch", "serviceaccounts"),
    ("kube-system", "daemonsets", "create", "daemonsets"),
    ("kube-system", "deployments", "patch", "deployments"),
    ("kube-system", "roles", "bind", "cilium-config-agent"),
    ("kube-system", "rolebindings", "create", "rolebindings"),
]
"""Namespace, resource, verb, and what the refusal names."""


def test_each_of_these_rights_is_needed(own: meshes.Net) -> None:
    whole = own.run("diff", "-o", "json").json()
    assert [each for each in whole["findings"] if each["severity"] == "error"] == []

    missed = {}
    for space, resource, verb, named in NEEDED:
        with_less(own, space, resource, verb)
        done = own.run("diff", "--only", "west", code=None)
        if done.code not in (1, 3) or named not in done.said:
            missed[space, resource, verb] = done.said[-600:]

    assert missed == {}


def with_less(net: meshes.Net, space: str | None, resource: str, verb: str) -> None:
    """Take one right from the account in west, after all that it had before is given again."""
    api = net.lab.api("west")
    for at, path in ROLES.items():
        key = f"{net.folder}{path}"
        role = WHOLE.setdefault(key, api.get(path))
        body = copy.deepcopy(role)
        body["metadata"].pop("resourceVersion")
        if at == space:
            body["rules"] = [
                {**rule, "resources": [each]}
                | ({"verbs": [v for v in rule["verbs"] if v != verb]} if each == resource else {})
                for rule in body["rules"]
                for each in rule["resources"]
            ]
            body["rules"] = [rule for rule in body["rules"] if rule["verbs"]]
        assert api.ask("PUT", path, body)[0] == 200


WHOLE: dict[str, Any] = {}


def test_without_the_right_to_its_own_token_nothing_is_fenced_and_that_is_said(own: meshes.Net) -> None:
    with_less(own, "isthmus-system", "serviceaccounts/token", "create")

    told = own.run("diff", "-o", "json", code=None).json()

    fenced = {step["cluster"]: step["fenced"] for wave in told["waves"] for step in wave}
    assert fenced == {"west": False, "east": True, "central": True}


def test_a_preview_writes_nothing_and_a_second_run_changes_nothing(net: meshes.Net) -> None:
    folder = ("-f", str(net.folder), "-o", "json")
    shown = isthmus(net, "account", "up", *folder, "--dry-run").json()
    absent = net.get("west", ROLES[None])
    isthmus(net, "account", "up", *folder, "--yes")
    again = isthmus(net, "account", "up", *folder, "--dry-run").json()
    less = isthmus(net, "account", "up", *folder, "--for", "doctor", "--dry-run").json()
    gone = isthmus(net, "account", "down", *folder, "--yes").json()

    west = shown["clusters"][0]
    assert absent is None
    assert {"create"} == {each["verb"] for each in west["changes"]}
    assert [each["changes"] for each in again["clusters"]] == [[], [], []]
    assert {"verb": "delete", "kind": "Role", "namespace": "isthmus-system", "name": "isthmus"} in less[
        "clusters"
    ][0]["changes"]
    assert {each["verb"] for each in gone["clusters"][0]["changes"]} == {"delete"}
    for path in (*ROLES.values(), "/api/v1/namespaces/isthmus-system/serviceaccounts/isthmus"):
        assert net.get("west", path) is None


def test_its_kubeconfig_holds_no_token_and_is_no_way_to_itself(own: meshes.Net) -> None:
    path = Path(own.env["KUBECONFIG"])
    text = path.read_text(encoding="utf-8")

    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert not any("token" in one["user"] for one in yaml.safe_load(text)["users"])
    refused = isthmus(own, "account", "kubeconfig", f"{path}.2", "-f", str(own.folder), code=2)
    assert "is that of the account already" in refused.said


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    WHOLE.clear()
