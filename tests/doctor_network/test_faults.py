"""On a real mesh each trouble that a fault causes is named, with its remedy, and is gone with the fault."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from isthmus.cli import permissions
from isthmus.lab.images import catalog
from isthmus.rollout.connect.proof import hosts
from tests.connect_verify import meshes
from tests.doctor_network import worlds
from tests.doctor_network.worlds import errors_of

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("doctor"),
]

Json = dict[str, Any]


class Fault(NamedTuple):
    """What goes wrong, and what doctor has to say of it: number, codes, cluster, a part of the remedy."""

    make: Callable[[worlds.World], contextlib.AbstractContextManager[None]]
    trouble: int
    codes: set[str]
    cluster: str
    remedy: str
    args: tuple[str, ...] = ()


FAULTS = {
    "another authority": Fault(worlds.other_authority, 1, {"mesh-ca-differs"}, "west", "connect up -f"),
    "an expired certificate": Fault(worlds.expired, 1, {"certificate"}, "east", "isthmus connect up -f"),
    "a peer under another name": Fault(
        worlds.renamed, 2, {"mesh-peer-missing", "mesh-peer-unknown", "mesh-peer-half"}, "west",
        "isthmus connect up -f",
    ),
    "a wrong address": Fault(worlds.misplaced, 3, {"mesh-address-wrong"}, "west", "isthmus connect up -f"),
    "a range of both": Fault(worlds.same_range, 5, {"ranges-overlap"}, "east", "isthmus plan check"),
    "packets that vanish": Fault(
        worlds.shrunken, 6, {"packets-vanish"}, "west", "network: {mtu: 1300}", ("--probe",)
    ),
    "an id given twice": Fault(
        worlds.same_id, 7, {"cluster-id-shared", "cluster-id-changed", "cluster-id-not-applied"}, "east",
        "isthmus connect up -f",
    ),
    "a policy without clusters": Fault(
        worlds.shut, 8, {"policy-local-only"}, "west", "io.cilium.k8s.policy.cluster"
    ),
    "a service global on one side": Fault(
        worlds.one_sided, 9, {"service-not-global"}, "east",
        "kubectl --context doctor-east -n shop annotate service orders service.cilium.io/global=true",
    ),
    "a user that is gone": Fault(
        worlds.without_user, 10, {"remote-user-missing"}, "east", "isthmus connect up -f"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_remedy_and_nothing_else_is(world: worlds.World, name: str) -> None:
    fault = FAULTS[name]
    with fault.make(world):
        found = world.doctor(*fault.args, code=1)

    said = errors_of(found)
    assert {each["trouble"] for each in said} == {fault.trouble}, json.dumps(said, indent=1)
    assert {each["code"] for each in said} <= fault.codes, json.dumps(said, indent=1)
    mine = [each for each in said if each["cluster"] == fault.cluster]
    assert any(fault.remedy in each["remedy"] for each in mine), json.dumps(said, indent=1)
    assert all(each["evidence"] for each in mine), json.dumps(said, indent=1)
    assert not errors_of(world.until(lambda now: not errors_of(now), *fault.args))


def test_a_mesh_that_works_has_no_finding_and_says_what_was_not_looked_at(world: worlds.World) -> None:
    found = world.doctor("--probe", code=0)

    assert found["findings"] == []
    assert {each["error"] for each in found["clusters"]} == {None}
    clear = {each["trouble"] for each in found["troubles"] if each["state"] == "clear"}
    assert clear >= {0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 16}
    assert {(each["trouble"], each["why"]) for each in found["not_checked"] if each["what"] == "Istio"} == {
        (11, "there is none in this cluster"),
        (12, "there is none in this cluster"),
    }


def test_an_interface_that_leaves_work_to_the_processor_is_a_warning(world: worlds.World) -> None:
    with world.without_segmentation():
        (said,) = world.doctor("--probe", code=0)["findings"]

    assert (said["code"], said["severity"], said["cluster"]) == ("offloads-missing", "warning", "west")
    assert said["evidence"] == ["eth0 tx-tcp-segmentation"]
    assert "ethtool -K eth0 tx-tcp-segmentation on" in said["remedy"]


def test_pods_on_nodes_that_a_killed_run_left_are_taken_over_and_go(world: worlds.World) -> None:
    for cluster in meshes.CLUSTERS:
        api = world.mesh.lab.api(cluster)
        api.create("/api/v1/namespaces", hosts.namespace())
        body = hosts.daemon_set("killed", catalog.ref("busybox"))
        api.create(f"/apis/apps/v1/namespaces/{hosts.NAMESPACE}/daemonsets", body)

    found = world.doctor("--probe", code=0)

    assert found["findings"] == []
    assert not [each for each in found["not_checked"] if each["trouble"] == 16]
    for cluster in meshes.CLUSTERS:
        assert world.mesh.lab.api(cluster).get(f"/api/v1/namespaces/{hosts.NAMESPACE}") is None


@pytest.mark.long
def test_a_dead_overlay_under_a_green_control_plane_is_caught_by_pods_and_by_agents(
    world: worlds.World,
) -> None:
    with world.without_overlay():
        probed = errors_of(world.doctor("--probe", code=1))
        # Agents probe all nodes once in about 100 seconds.
        seen = world.until(lambda found: bool(errors_of(found)), seconds=200.0)
    clean = world.doctor(code=0)  # long before agents probe again: what they call dead is asked once more

    assert {(each["trouble"], each["code"]) for each in probed} == {(4, "pods-unreachable")}
    assert {(each["trouble"], each["code"]) for each in errors_of(seen)} == {(4, "overlay-dead")}
    assert all("although its control plane reads that cluster" in each["message"] for each in errors_of(seen))
    assert all("UDP 8472" in each["remedy"] for each in [*probed, *errors_of(seen)])
    assert errors_of(clean) == []


def test_a_silent_cluster_is_told_and_hides_nothing_of_the_other(world: worlds.World) -> None:
    with worlds.expired(world):
        alone = world.doctor("--only", "east", code=1)
        found = world.doctor(code=3, kubeconfig=world.mesh.without("west"))

    assert {each["code"] for each in errors_of(alone)} == {"certificate"}
    assert [(each["cluster"], each["code"]) for each in errors_of(found)] == [
        ("west", "cluster-silent"),
        ("east", "certificate"),
    ]
    assert ("west", "everything") in {(each["cluster"], each["what"]) for each in found["not_checked"]}


def test_what_permissions_prints_is_enough_and_a_right_that_lacks_is_named(world: worlds.World) -> None:
    rights = list(permissions.build("doctor", namespace="default", group="system:serviceaccounts:people"))
    # The namespace of Istio is not here, and nobody can be given a Role in it.
    documents = [each for each, _ in rights if each["metadata"].get("namespace") != "istio-system"]
    person = world.mesh.person(documents)

    whole = world.doctor(code=0, kubeconfig=person)
    with world.changed("west", f"{worlds.ROLES}/isthmus-doctor", _without_secrets):
        less = world.until(lambda found: bool(_refused(found)), kubeconfig=person)

    assert _refused(whole) == set()
    assert whole["findings"] == []
    assert {cluster for cluster, _ in _refused(less)} == {"west"}
    assert "certificates in Secrets" in {what for _, what in _refused(less)}
    assert next(each["state"] for each in less["troubles"] if each["trouble"] == 9) == "clear"


def _refused(found: Json) -> set[tuple[str, str]]:
    """Return what was not looked at for lack of a right."""
    left = [each for each in found["not_checked"] if "permissions doctor" in (each["remedy"] or "")]
    return {(each["cluster"], each["what"]) for each in left}


def _without_secrets(role: Json) -> None:
    role["rules"] = [each for each in role["rules"] if each["resources"] != ["secrets"]]


def test_on_contexts_alone_it_finds_the_same(world: worlds.World) -> None:
    contexts = [word for cluster in meshes.CLUSTERS for word in ("--context", f"{worlds.LAB}-{cluster}")]
    with worlds.one_sided(world):
        done = subprocess.run(
            [sys.executable, "-m", "isthmus", "doctor", *contexts], env=dict(world.mesh.env),
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert "error: doctor-east: Service/shop/orders: the Service is global in doctor-west" in done.stdout
    assert "→ kubectl --context doctor-east -n shop annotate service orders" in done.stdout
    assert "Not checked:" in done.stdout
