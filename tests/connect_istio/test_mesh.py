"""Istio over ClusterMesh on real nodes: who reads whom, who may call whom, and what stays when it goes."""

from __future__ import annotations

import base64
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest
import yaml

from tests.connect_istio import meshes, roots
from tests.lab_network import nets

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(400)]

GONE = (
    ("west", "asker"),
    ("west", "plain"),
    ("west", "steady"),
    ("east", "server"),
    ("east", "open"),
)
PAIRS = (("west", "east"), ("east", "west"))


@pytest.fixture(scope="module")
def served(mesh: meshes.Mesh) -> str:
    """Pods that ask in west, one with a sidecar and one without; the server is in east alone."""
    mesh.start("west", "asker")
    mesh.start("west", "plain", meshed=False)
    return mesh.start("east", "server")


@pytest.mark.parametrize(("reader", "remote"), PAIRS)
def test_each_istiod_reads_the_other_cluster(mesh: meshes.Mesh, reader: str, remote: str) -> None:
    def is_read() -> bool:
        found = mesh.status()["clusters"][reader]["istio"]["remotes"]
        return [(each["cluster"], each["read"]) for each in found] == [(remote, True)]

    nets.until(is_read, 60.0)
    one = mesh.status()["clusters"][reader]["istio"]
    assert one["remotes"][0]["endpoints"] > 0
    assert 25 <= one["remotes"][0]["days"] <= 30
    assert one["istiod"] == {"ready": 1, "desired": 1}
    assert one["strict"] is True


def test_status_finds_nothing_wrong(mesh: meshes.Mesh) -> None:
    def is_well() -> bool:
        return not mesh.status()["findings"]

    nets.until(is_well, 60.0)


def test_doctor_asks_istiod_too_and_finds_nothing_wrong_with_istio(mesh: meshes.Mesh) -> None:
    nets.until(lambda: not mesh.status()["findings"], 60.0)

    found = mesh.command("doctor", "-f", str(mesh.folder), "-o", "json").json()

    wrong = [each for each in found["findings"] if each["code"].startswith(("istio-", "sidecars-", "cni-"))]
    assert wrong == []
    assert [each for each in found["not_checked"] if "istiod says" in each["what"]] == []


def test_contexts_alone_show_whom_each_istiod_reads(mesh: meshes.Mesh) -> None:
    found = mesh.seen_by_contexts()

    read = {name: [each["cluster"] for each in one["istio"]["remotes"]] for name, one in found.items()}
    assert read == {"istio-west": ["east"], "istio-east": ["west"]}


def test_a_second_run_finds_nothing_to_do(mesh: meshes.Mesh) -> None:
    done = mesh.run("up", "--yes")

    assert "nothing to do" in done.err, done.said


def test_a_sidecar_in_one_cluster_calls_a_service_of_the_other_alone_with_mtls(
    mesh: meshes.Mesh, served: str
) -> None:
    def answered() -> dict[str, object] | None:
        found = mesh.ask("west", "asker", f"http://server.{meshes.SPACE}.svc/")
        return found if found.get("status") == 200 else None

    found = nets.until(answered, 60.0)

    assert found["answer"] == "east/server"
    told = dict(part.split("=", 1) for part in str(found["identity"]).split(";"))
    assert told["URI"] == f"spiffe://{meshes.DOMAIN}/ns/{meshes.SPACE}/sa/asker"
    assert told["By"] == f"spiffe://{meshes.DOMAIN}/ns/{meshes.SPACE}/sa/server"


def test_plain_traffic_to_a_pod_of_the_mesh_is_refused(mesh: meshes.Mesh, served: str) -> None:
    found = mesh.ask("west", "plain", f"http://{served}:8080/")

    assert "reset by peer" in found["error"]
    mesh.start("east", "open", meshed=False)
    other = mesh.get("east", f"{meshes.PODS}/open")["status"]["podIP"]
    assert mesh.ask("west", "plain", f"http://{other}:8080/")["answer"] == "east/open"


def test_with_everything_in_the_secrets_of_one_cluster_those_of_the_other_stay_shut(
    mesh: meshes.Mesh,
) -> None:
    tokens = mesh.tokens("east")
    assert sorted(tokens) == ["west"]

    for path in (meshes.SECRETS, "/api/v1/secrets", f"{meshes.SECRETS}/cacerts"):
        assert _code(mesh, "west", path, tokens["west"]) == 403
    assert _code(mesh, "west", "/api/v1/namespaces/default/services", tokens["west"]) == 200
    assert _code(mesh, "west", f"{meshes.ISTIO}/configmaps", tokens["west"]) == 403


def test_the_key_of_the_root_is_in_no_cluster_and_no_key_is_in_a_plan(mesh: meshes.Mesh) -> None:
    key = (mesh.folder / "trust" / "istio" / "ca.key").read_text(encoding="utf-8")
    assert oct((mesh.folder / "trust" / "istio" / "ca.key").stat().st_mode & 0o777) == "0o600"

    said = mesh.run("history", "-o", "json").out
    for cluster, other in PAIRS:
        assert _held(mesh, cluster)["ca-key.pem"] not in said
        assert mesh.tokens(cluster)[other] not in said
        foreign = base64.b64encode(key.encode()).decode(), key, _held(mesh, other)["ca-key.pem"]
        for text in _secrets(mesh, cluster):
            assert not [each for each in foreign if each in text]


@pytest.mark.timeout(700)
def test_a_new_root_takes_the_place_of_the_old_one_and_no_call_between_clusters_is_lost(
    mesh: meshes.Mesh, served: str
) -> None:
    old = roots.root(mesh)
    roots.ask_on(mesh, "west", "steady", f"http://server.{meshes.SPACE}.svc/")
    nets.until(lambda: len(roots.answers(mesh, "west", "steady")) > 10, 60.0)
    assert roots.held(mesh, "east", "server").is_below(old)
    begun = len(roots.answers(mesh, "west", "steady"))

    roots.killed(mesh, "2 of 3", "rotate", "--istio", "--yes", "--settle", "200")
    refused = mesh.run("up", "--yes", code=1)
    done = mesh.run("rotate", "--istio", "--yes", "--settle", "200")

    said = roots.answers(mesh, "west", "steady")[begun:]
    new = roots.root(mesh)
    assert "rotation-unfinished" in refused.err
    assert [line[:6] for line in done.err.splitlines() if " of 3: " in line] == ["2 of 3", "3 of 3"]
    assert len(said) > 100
    assert [each for each in said if each.get("answer") != "east/server"] == []
    for cluster, name in (("west", "steady"), ("west", "asker"), ("east", "server")):
        found = roots.held(mesh, cluster, name)
        assert found.is_below(new)
        assert list(found.roots) == [new]
    for cluster in meshes.CLUSTERS:
        nets.until(lambda each=cluster: roots.trusted(mesh, each)["agents"] == [new], 60.0)  # type: ignore[misc]  # bound now
        assert roots.trusted(mesh, cluster) == {"agents": [new], "istiod": [new], "webhook": [new]}
    assert not (mesh.folder / "trust" / "istio" / "next").exists()
    assert "nothing to do" in mesh.run("up", "--yes").err


def test_down_takes_out_all_that_up_has_made(mesh: meshes.Mesh) -> None:
    for cluster, name in GONE:
        mesh.lab.api(cluster).delete(f"{meshes.PODS}/{name}?gracePeriodSeconds=0")

    done = mesh.run("down", "--yes")

    assert "istio-stays" in done.err
    for cluster in meshes.CLUSTERS:
        ours = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Disthmus"
        for path in (
            meshes.SECRETS,
            f"{meshes.ISTIO}/serviceaccounts",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/istio-system/roles",
            "/apis/security.istio.io/v1/peerauthentications",
        ):
            left = [each["metadata"]["name"] for each in mesh.get(cluster, f"{path}?{ours}")["items"]]
            assert [name for name in left if name != "isthmus-deployer"] == [], path
        for path in (
            "/apis/apps/v1/namespaces/istio-system/deployments/istiod",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector",
            f"{meshes.SECRETS}/cacerts",
            f"{meshes.DEPLOYMENTS}/istio-eastwestgateway",
            "/apis/networking.istio.io/v1/namespaces/istio-system/gateways/cross-network-gateway",
        ):
            assert mesh.get(cluster, path) is None
        assert "topology.istio.io/network" not in mesh.get(cluster, meshes.ISTIO)["metadata"]["labels"]


def _code(mesh: meshes.Mesh, cluster: str, path: str, token: str) -> int:
    """Return what an API server answers to somebody with that token alone."""
    config = yaml.safe_load(mesh.lab.kubeconfig_path.read_text(encoding="utf-8"))
    address = mesh.lab.clusters[cluster].server
    entry = next(each["cluster"] for each in config["clusters"] if each["cluster"]["server"] == address)
    return _ask(entry, path, token)


def _ask(entry: dict[str, str], path: str, token: str) -> int:
    trust = ssl.create_default_context(cadata=base64.b64decode(entry["certificate-authority-data"]).decode())
    request = urllib.request.Request(  # noqa: S310 - the lab's own address
        entry["server"] + path, headers={"Authorization": f"Bearer {token}"}
    )
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        return int(refused.code)


def _held(mesh: meshes.Mesh, cluster: str) -> dict[str, str]:
    """Return what Secret cacerts of a cluster holds, in base64."""
    found: dict[str, str] = mesh.get(cluster, f"{meshes.SECRETS}/cacerts")["data"]
    return found


def _secrets(mesh: meshes.Mesh, cluster: str) -> list[str]:
    """Return every field of every Secret of a cluster, as it is written and as it is meant."""
    found = [each for body in mesh.get(cluster, "/api/v1/secrets")["items"] for each in _fields(body)]
    return [*found, *(base64.b64decode(each).decode(errors="replace") for each in found)]


def _fields(body: dict[str, Any]) -> list[str]:
    return list((body.get("data") or {}).values())
