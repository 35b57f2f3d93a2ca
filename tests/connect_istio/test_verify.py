"""`connect verify` with Istio and a clusterset on real nodes: what sidecars reach, as whom they are seen."""

from __future__ import annotations

import itertools
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import permissions
from isthmus.rollout.connect.proof import objects
from tests.connect_istio import meshes, proofs
from tests.connect_verify.meshes import proof, states, wait
from tests.lab_network import nets
from tests.lab_network.conftest import own_home

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("istio-verify"),
]

PAIRS = list(itertools.product(meshes.CLUSTERS, repeat=2))
SIDECARS = ("meshed-local", "meshed-remote", "plain-refused")
WHO = "spiffe://shop.local/ns/isthmus-probe-mesh/sa/probe-{}"


@pytest.fixture(scope="module")
def mesh(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[proofs.Mesh]:
    """Two clusters with Istio and a clusterset, which each test leaves as it found them."""
    with own_home():
        made = meshes.make(tmp_path_factory.mktemp("shop"), "proofs", clusterset=True)
        yield proofs.Mesh(lab=made.lab, folder=made.folder, env=made.env)


@pytest.fixture(autouse=True)
def keeps_nothing(mesh: proofs.Mesh) -> Iterator[None]:
    """Nothing of the probes is left after any test."""
    yield
    assert mesh.spaces() == []


def test_a_mesh_that_works_is_green_from_sidecars_and_by_clusterset_names(mesh: proofs.Mesh) -> None:
    found = mesh.verify()

    assert states(found) == dict.fromkeys(PAIRS, "ok")
    for leg in (*SIDECARS, "service-local", "service-remote", "name"):
        assert states(found, leg) == dict.fromkeys(PAIRS, "ok"), leg
    for source, target in PAIRS:
        for leg in ("meshed-local", "meshed-remote"):
            assert proof(found, source, target, leg)["identity"] == WHO.format(source)
        assert set(proof(found, source, target, "meshed-remote")["answered_by"]) == {target}
        assert set(proof(found, source, target, "meshed-local")["answered_by"]) == set(meshes.CLUSTERS)
        assert set(proof(found, source, target, "name")["answered_by"]) == {target}
    assert {each["what"] for each in found["not_covered"]}.isdisjoint({"identity", "names"})


def test_without_the_remote_secret_sidecars_alone_lose_the_other_cluster(mesh: proofs.Mesh) -> None:
    with mesh.missing("west", f"{meshes.SECRETS}/istio-remote-secret-east"):
        found = mesh.verify(code=1)

    wrong = {("west", "east"): "failed"}
    assert states(found) == dict.fromkeys(PAIRS, "ok") | wrong
    for leg in ("meshed-local", "meshed-remote"):
        assert states(found, leg) == dict.fromkeys(PAIRS, "ok") | wrong
    one = proof(found, "west", "east", "meshed-remote")
    assert "no healthy upstream" in one["why"]
    assert "istio-remote-secret-east" in one["remedy"]
    for leg in ("service-local", "service-remote", "name"):
        assert states(found, leg) == dict.fromkeys(PAIRS, "ok"), "global Services need no Istio"


def test_a_cluster_that_takes_plain_traffic_is_named_and_not_called_strict(mesh: proofs.Mesh) -> None:
    with mesh.changed("east", proofs.POLICY, spec={"mtls": {"mode": "PERMISSIVE"}}):
        found = mesh.verify(code=1)

    wrong = dict.fromkeys([("west", "east"), ("east", "east")], "failed")
    assert states(found) == dict.fromkeys(PAIRS, "ok") | wrong
    assert states(found, "plain-refused") == dict.fromkeys(PAIRS, "ok") | wrong
    assert "without mTLS were answered" in proof(found, "west", "east", "plain-refused")["why"]


@pytest.mark.long
def test_a_cluster_below_another_root_is_red_both_ways_and_well_by_itself(mesh: proofs.Mesh) -> None:
    with mesh.foreign_root("east"):
        found = mesh.verify(code=1)

    between = dict.fromkeys([("west", "east"), ("east", "west")], "failed")
    assert states(found, "meshed-remote") == dict.fromkeys(PAIRS, "ok") | between
    for source, target in between:
        one = proof(found, source, target, "meshed-remote")
        assert "root-cert.pem" in one["remedy"]
    assert states(found, "service-remote") == dict.fromkeys(PAIRS, "ok")


@pytest.mark.long
def test_pods_that_get_no_sidecar_are_named_and_nothing_is_asked_from_them(mesh: proofs.Mesh) -> None:
    labels = {"istio-injection": "disabled"}
    body = {"metadata": {"name": objects.Space.MESHED.value, "labels": labels}}
    mesh.lab.api("east").create("/api/v1/namespaces", body)
    try:
        found = mesh.verify(code=1)
        left = mesh.left()
    finally:
        _drop(mesh, "east", objects.Space.MESHED)

    told = {each["cluster"]: each["sidecars"] for each in found["clusters"]}
    assert told["west"]["error"] is None
    assert "has no sidecar" in told["east"]["error"]
    assert states(found, "meshed-remote") == dict.fromkeys(PAIRS, "not-proved") | {("west", "west"): "ok"}
    assert states(found, "service-remote") == dict.fromkeys(PAIRS, "ok")
    assert left == []


def test_an_interrupted_run_takes_both_kinds_of_probes_away(mesh: proofs.Mesh) -> None:
    process = _started(mesh)

    process.send_signal(signal.SIGINT)

    assert wait(process, 120) == 130
    assert process.stderr is not None
    with process.stderr as said:
        told = said.read()
    assert "the probes are taken away" in told
    assert "isthmus deploy" not in told


def test_what_a_killed_run_left_is_taken_over_and_goes(mesh: proofs.Mesh) -> None:
    process = _started(mesh)
    process.kill()
    process.communicate(timeout=10)
    assert mesh.spaces() == list(itertools.product(meshes.CLUSTERS, proofs.SPACES))

    found = mesh.verify()

    assert set(states(found).values()) == {"ok"}


def test_what_permissions_prints_is_enough_and_the_namespaces_it_has_stay(mesh: proofs.Mesh) -> None:
    rights = permissions.build(
        "connect verify", namespace="default", group="system:serviceaccounts:istio-people"
    )
    person = mesh.person([each for each, _ in rights], home="istio-people")
    try:
        found = mesh.verify(env={"KUBECONFIG": str(person)})
        left, spaces = mesh.left(), mesh.spaces()
    finally:
        for cluster, space in itertools.product(meshes.CLUSTERS, proofs.SPACES):
            _drop(mesh, cluster, space)

    assert set(states(found).values()) == {"ok"}
    assert left == []
    assert len(spaces) == 4


def _drop(mesh: proofs.Mesh, cluster: str, space: str) -> None:
    path = f"/api/v1/namespaces/{space}"
    mesh.lab.api(cluster).delete(path)
    nets.until(lambda: mesh.lab.api(cluster).get(path) is None)


def _started(mesh: proofs.Mesh) -> subprocess.Popen[str]:
    """Start a run, and return when there are pods of both kinds in every cluster."""
    process = subprocess.Popen(
        mesh.command("verify"), env=mesh.env, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        # Shells start what runs in the background with Ctrl-C switched off, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )  # fmt: skip

    def has_pods() -> bool:
        paths = [f"/api/v1/namespaces/{space}/pods" for space in proofs.SPACES]
        found = [mesh.lab.api(each).get(path) or {} for each in meshes.CLUSTERS for path in paths]
        return all(each.get("items") for each in found)

    nets.until(has_pods)
    return process
