"""A cluster without an istiod on real nodes: its sidecars live by the primary's, wherever that runs."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.connect_istio import meshes, proofs, roots
from tests.connect_istio.test_mesh import code_of
from tests.connect_verify.meshes import states
from tests.lab_network import nets
from tests.lab_network.conftest import own_home

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("istio-remote"),
]

PAIRS = list(itertools.product(meshes.CLUSTERS, repeat=2))
SLICES = "/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices"


@pytest.fixture(scope="module")
def mesh(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[proofs.Mesh]:
    """West with an istiod and two nodes, east that uses it."""
    with own_home():
        made = meshes.make(tmp_path_factory.mktemp("shop"), "remote", remote="east")
        yield proofs.Mesh(lab=made.lab, folder=made.folder, env=made.env)


@pytest.fixture(scope="module")
def pods(mesh: proofs.Mesh) -> meshes.Mesh:
    """Pods with a sidecar: who asks in east, who answers in west."""
    found = meshes.Mesh(lab=mesh.lab, folder=mesh.folder, env=mesh.env)
    found.start("east", "asker")
    found.start("west", "server")
    return found


def test_the_primary_reads_the_remote_which_has_no_istiod_and_nothing_is_wrong(pods: meshes.Mesh) -> None:
    nets.until(lambda: not pods.status()["findings"], 60.0)

    found = {name: one["istio"] for name, one in pods.status()["clusters"].items()}
    assert (found["east"]["primary"], found["east"]["istiod"], found["east"]["remotes"]) == ("west", None, [])
    assert [(each["cluster"], each["read"]) for each in found["west"]["remotes"]] == [("east", True)]
    assert pods.get("east", f"{meshes.SECRETS}/cacerts") is None
    assert "nothing to do" in pods.run("up", "--yes").err
    said = pods.command("doctor", "-f", str(pods.folder), "-o", "json").json()
    assert said["findings"] == []


def test_a_sidecar_of_the_remote_has_its_certificate_from_the_primary_and_calls_it_with_mtls(
    pods: meshes.Mesh,
) -> None:
    found = nets.until(lambda: answered(pods), 60.0)

    assert found["answer"] == "west/server"
    told = dict(part.split("=", 1) for part in str(found["identity"]).split(";"))
    assert told["URI"] == f"spiffe://{meshes.DOMAIN}/ns/{meshes.SPACE}/sa/asker"
    assert roots.held(pods, "east", "asker").is_below(roots.root(pods))


def test_verify_is_green_both_ways(mesh: proofs.Mesh) -> None:
    found = mesh.verify()

    assert states(found) == dict.fromkeys(PAIRS, "ok")
    for leg in ("meshed-local", "meshed-remote", "plain-refused"):
        assert states(found, leg) == dict.fromkeys(PAIRS, "ok"), leg


def test_the_account_of_the_primary_reads_no_secret_of_the_remote_and_writes_nothing(
    pods: meshes.Mesh,
) -> None:
    token = pods.tokens("west")["east"]

    for path in (meshes.SECRETS, "/api/v1/secrets", f"{meshes.ISTIO}/configmaps"):
        assert code_of(pods, "east", path, token) == 403
    assert code_of(pods, "east", "/api/v1/services", token) == 200
    rules = pods.get("east", "/apis/rbac.authorization.k8s.io/v1/clusterroles/isthmus-istio-reader")["rules"]
    wide = {verb for rule in rules for verb in rule["verbs"] if rule["apiGroups"][0][:5] != "authe"}
    assert wide - {"get", "list", "watch"} == {"create"}  # reviews of tokens and of rights


def test_an_istiod_that_comes_back_at_another_address_is_found_by_old_and_new_sidecars(
    pods: meshes.Mesh,
) -> None:
    before = place(pods)
    nodes = pods.get("west", "/api/v1/nodes")["items"]
    old = next(each for each in nodes if address(each) == before)
    path = f"/api/v1/nodes/{old['metadata']['name']}"
    shut = {**old, "spec": {**old["spec"], "unschedulable": True}}
    assert pods.lab.api("west").ask("PUT", path, {**shut, "metadata": meta(pods, path)})[0] == 200

    for each in pods.get("west", proofs.PODS)["items"]:
        pods.lab.api("west").delete(f"{meshes.ISTIO}/pods/{each['metadata']['name']}")

    moved = nets.until(lambda: place(pods) not in {"", before} and place(pods), 120.0)
    assert reached(pods) == [moved]
    nets.until(lambda: "asker.shop" in proxies(pods), 120.0)
    pods.start("east", "late")
    nets.until(lambda: "late.shop" in proxies(pods), 60.0)
    assert nets.until(lambda: answered(pods), 60.0)["answer"] == "west/server"


def test_down_leaves_both_bare(pods: meshes.Mesh) -> None:
    for cluster, name in (("east", "asker"), ("east", "late"), ("west", "server")):
        pods.lab.api(cluster).delete(f"{meshes.PODS}/{name}?gracePeriodSeconds=0")

    assert "remotes-left" in pods.run("down", "--only", "west", "--yes", code=1).said
    pods.run("down", "--yes")

    ours = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Disthmus"
    for cluster in meshes.CLUSTERS:
        for path in (f"{meshes.ISTIO}/services", meshes.SECRETS, f"{meshes.ISTIO}/serviceaccounts"):
            left = [each["metadata"]["name"] for each in pods.get(cluster, f"{path}?{ours}")["items"]]
            assert [name for name in left if name != "isthmus-deployer"] == [], path
        hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        assert pods.get(cluster, f"{hooks}/istio-sidecar-injector") is None


def answered(pods: meshes.Mesh) -> dict[str, Any] | None:
    """Ask west from the sidecar in east; None while there is no answer."""
    found = pods.ask("east", "asker", f"http://server.{meshes.SPACE}.svc/")
    return found if found.get("status") == 200 else None


def reached(pods: meshes.Mesh) -> list[str]:
    """Return where the API server of east finds istiod."""
    listed = pods.get("east", SLICES)["items"]
    return [text for each in listed for one in each["endpoints"] or () for text in one["addresses"]]


def place(pods: meshes.Mesh) -> str:
    """Return the one address of istiod that east knows; empty while there is none, or several."""
    found = reached(pods)
    return found[0] if len(found) == 1 else ""


def address(node: dict[str, Any]) -> str:
    """Return the InternalIP of a node."""
    given = node["status"]["addresses"]
    return next(str(each["address"]) for each in given if each["type"] == "InternalIP")


def meta(pods: meshes.Mesh, path: str) -> dict[str, Any]:
    """Return the metadata of an object of west as it is now."""
    found: dict[str, Any] = pods.get("west", path)["metadata"]
    return found


def proxies(pods: meshes.Mesh) -> list[str]:
    """Return the proxies that the istiod of west serves; none while it cannot be asked."""
    ready = [each for each in pods.get("west", proofs.PODS)["items"] if nets.ready(each)]
    if not ready:
        return []
    words = ("pilot-discovery", "request", "GET", "/debug/syncz")
    try:
        said = json.loads(pods.said("west", "istio-system", ready[0]["metadata"]["name"], words, "discovery"))
    except ValueError:
        return []
    return [str(each.get("proxy")) for each in said]
