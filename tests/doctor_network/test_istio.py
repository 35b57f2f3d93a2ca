"""Remote Secrets, roots and trust domains of Istio, as objects like those of istioctl and the charts.

No istiod runs here: what it would make of them is judged from the objects.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from isthmus.mesh.trust import authority
from tests.connect_verify import meshes
from tests.doctor_network import worlds
from tests.doctor_network.worlds import errors_of
from tests.lab_network import nets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("doctor"),
]

Json = dict[str, Any]

HOME = "/api/v1/namespaces/istio-system"
SECRETS, CONFIGS = f"{HOME}/secrets", f"{HOME}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/istio-system/deployments"
ACCOUNT = "istio-reader-service-account"
ROOT = authority.create("Root", random=os.urandom, now=datetime.now(UTC))
STRANGER = authority.create("Root", random=os.urandom, now=datetime.now(UTC))


def coded(text: bytes | str) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def decoded(secret: Json, key: str) -> Json:
    found: Json = yaml.safe_load(base64.b64decode(secret["data"][key]))
    return found


def other(cluster: str) -> str:
    return next(each for each in meshes.CLUSTERS if each != cluster)


def dress(world: worlds.World, cluster: str) -> None:
    """Make what Istio has in a cluster: an istiod that is scaled away, its mesh, its root, a reader."""
    api = world.mesh.lab.api(cluster)
    api.create("/api/v1/namespaces", {"metadata": {"name": "istio-system"}})
    env = [{"name": "CLUSTER_ID", "value": cluster}]
    containers = [{"name": "discovery", "image": "isthmus.dev/lab/pilot:1.31.0", "env": env}]
    labels = {"app": "istiod"}
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    api.create(DEPLOYMENTS, {"metadata": {"name": "istiod", "labels": labels}, "spec": spec})
    api.create(CONFIGS, {"metadata": {"name": "istio"}, "data": {"mesh": "trustDomain: shop.local\n"}})
    api.create(SECRETS, {"metadata": {"name": "cacerts"}, "data": {"root-cert.pem": coded(ROOT.pem)}})
    api.create(f"{HOME}/serviceaccounts", {"metadata": {"name": ACCOUNT}})


def introduce(world: worlds.World, cluster: str) -> None:
    """Give a cluster the remote Secret of the other one, as `istioctl create-remote-secret` writes it."""
    name = other(cluster)
    lab, there = world.mesh.lab, world.mesh.lab.api(name)
    code, said = there.ask("POST", f"{HOME}/serviceaccounts/{ACCOUNT}/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 86400},
    })  # fmt: skip
    assert code == 201, said
    token = json.loads(said)["status"]["token"]
    ca = (lab.clusters[name].folder / "pki" / "ca.crt").read_bytes()
    place = {"server": lab.clusters[name].server, "certificate-authority-data": coded(ca)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": place}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "users": [{"name": name, "user": {"token": token}}],
    }
    lab.api(cluster).create(SECRETS, {
        "metadata": {"name": f"istio-remote-secret-{name}", "labels": {"istio/multiCluster": "true"}},
        "data": {name: coded(yaml.safe_dump(config))},
    })  # fmt: skip


@pytest.fixture(scope="module")
def dressed(world: worlds.World) -> Iterator[worlds.World]:
    """The mesh with objects of Istio in both clusters."""
    try:
        for cluster in meshes.CLUSTERS:
            dress(world, cluster)
        for cluster in meshes.CLUSTERS:
            introduce(world, cluster)
        with contextlib.ExitStack() as stack:
            for cluster in meshes.CLUSTERS:
                stack.enter_context(world.changed(cluster, worlds.CONFIG, beside_istio))
            yield world
    finally:
        for cluster in meshes.CLUSTERS:
            world.mesh.lab.api(cluster).delete(HOME)
        for cluster in meshes.CLUSTERS:
            api = world.mesh.lab.api(cluster)
            nets.until(lambda api=api: api.get(HOME) is None)  # type: ignore[misc]  # a bound default


def beside_istio(body: Json) -> None:
    """Set what Istio needs of Cilium; a Fleet that asks for Istio has it from `connect up`."""
    body["data"]["bpf-lb-sock-hostns-only"] = "true"


def in_remote(change: Callable[[Json], None]) -> Callable[[Json], None]:
    """Return a change of the Secret whose kubeconfig is changed."""

    def changed(secret: Json) -> None:
        config = decoded(secret, "east")
        change(config)
        secret["data"]["east"] = coded(yaml.safe_dump(config))

    return changed


def token(ends: datetime) -> str:
    part = base64.urlsafe_b64encode(json.dumps({"exp": ends.timestamp()}).encode()).decode().rstrip("=")
    return f"e30.{part}.bm8"


def renamed(secret: Json) -> None:
    secret["data"] = {"orient": secret["data"]["east"]}


class Fault(NamedTuple):
    """An object of the west and its change; the trouble, its code, the cluster, and a part of the remedy."""

    path: str
    change: Callable[[Json], None]
    trouble: int
    code: str
    cluster: str
    remedy: str


REMOTE = f"{SECRETS}/istio-remote-secret-east"
ANEW = "istioctl create-remote-secret"
FAULTS = {
    "a key that is not the cluster's id": Fault(REMOTE, renamed, 11, "istio-remote-missing", "west", ANEW),
    "no kubeconfig": Fault(
        REMOTE, lambda secret: secret["data"].update(east=coded("nothing")), 11, "istio-remote-unreadable",
        "west", ANEW,
    ),
    "a token that has ended": Fault(
        REMOTE,
        in_remote(lambda config: config["users"][0]["user"].update(
            token=token(datetime.now(UTC) - timedelta(hours=1)))),
        11, "istio-remote-token", "west", "restart istiod",
    ),
    "a program for credentials": Fault(
        REMOTE, in_remote(lambda config: config["users"][0].update(user={"exec": {"command": "aws"}})), 11,
        "istio-remote-refused", "west", ANEW,
    ),
    "the address of the pod itself": Fault(
        REMOTE,
        in_remote(lambda config: config["clusters"][0]["cluster"].update(server="https://127.0.0.1:6443")),
        11, "istio-remote-local", "west", "--server https://",
    ),
    "a server that does not answer": Fault(
        REMOTE,
        in_remote(lambda config: config["clusters"][0]["cluster"].update(
            server=config["clusters"][0]["cluster"]["server"].rpartition(":")[0] + ":9")),
        11, "istio-remote-unreachable", "west", "open that port",
    ),
    "an authority that the server no longer has": Fault(
        REMOTE,
        in_remote(lambda config: config["clusters"][0]["cluster"].update(
            {"certificate-authority-data": coded(STRANGER.pem)})),
        11, "istio-remote-ca", "west", ANEW,
    ),
    "another root": Fault(
        f"{SECRETS}/cacerts", lambda secret: secret["data"].update({"root-cert.pem": coded(STRANGER.pem)}),
        12, "istio-root-differs", "east", "intermediate of one root",
    ),
    "another trust domain": Fault(
        f"{CONFIGS}/istio", lambda body: body["data"].update(mesh="trustDomain: west.local\n"), 12,
        "istio-trust-domain-differs", "east", "trustDomain",
    ),
}  # fmt: skip


def test_a_mesh_that_fits_has_no_finding(dressed: worlds.World) -> None:
    found = dressed.doctor(code=0)

    assert [each for each in found["findings"] if each["severity"] != "warning"] == []
    assert {each["code"] for each in found["findings"]} <= {"cni-exclusive"}
    assert {each["why"] for each in found["not_checked"] if each["trouble"] == 11} == {
        "no pod of istiod runs"
    }
    assert next(each["state"] for each in found["troubles"] if each["trouble"] == 12) == "clear"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_istio_is_named_with_its_remedy_and_nothing_else_is(
    dressed: worlds.World, name: str
) -> None:
    fault = FAULTS[name]
    with dressed.changed("west", fault.path, fault.change):
        found = dressed.doctor(code=1)

    said = errors_of(found)
    assert [(each["trouble"], each["code"], each["cluster"]) for each in said] == [
        (fault.trouble, fault.code, fault.cluster)
    ], json.dumps(said, indent=1)
    assert fault.remedy in said[0]["remedy"]
    assert errors_of(dressed.doctor(code=0)) == []


def test_a_setting_of_cilium_that_passes_sidecars_by_is_named(dressed: worlds.World) -> None:
    def change(body: Json) -> None:
        body["data"]["bpf-lb-sock-hostns-only"] = "false"

    with dressed.changed("west", worlds.CONFIG, change):
        found = dressed.doctor(code=1)

    assert [(each["trouble"], each["code"], each["cluster"]) for each in errors_of(found)] == [
        (14, "sidecars-bypassed", "west")
    ]


def test_no_token_is_shown(dressed: worlds.World) -> None:
    tokens = [
        decoded(dressed.mesh.lab.api(cluster).get(f"{SECRETS}/istio-remote-secret-{other(cluster)}"),
                other(cluster))["users"][0]["user"]["token"]
        for cluster in meshes.CLUSTERS
    ]  # fmt: skip
    with dressed.changed("west", REMOTE, renamed):
        shown = json.dumps(dressed.doctor(code=1))

    assert not any(each in shown for each in tokens)
