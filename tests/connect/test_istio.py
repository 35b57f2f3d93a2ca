"""Istio beside Cilium: refused where it is not done, planned, renewed, taken back, by the real charts."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.lab.images import charts
from isthmus.mesh import istiod, readers
from isthmus.model import errors, plan
from isthmus.model import fleet as fleets
from isthmus.rollout.connect import closings, istio, meshstate, rotation
from tests.connect import meshes

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
STATED: dict[str, Any] = {
    "trustDomain": "shop.local",
    "charts": {"base": {"path": "charts/base"}, "istiod": {"path": "charts/istiod"}},
}
CROSSED = {**STATED["charts"], "gateway": {"path": "charts/gateway"}}
SPACE = "/api/v1/namespaces/istio-system"
SECRETS = f"{SPACE}/secrets"


def fleet(own: dict[str, Any] | None = None, network: dict[str, Any] | None = None, **more: Any) -> Any:
    """Return a Fleet of west and east with Istio; `own` is of east, `more` of `mesh.istio`."""
    return fleets.Fleet.model_validate(
        {
            "metadata": {"name": "shop"},
            "spec": {
                "network": {"cni": "cilium", "kubeProxyReplacement": True, **(network or {})},
                "mesh": {"istio": {**STATED, **more}},
                "clusters": [
                    {"name": "west", "id": 1, "nodes": 1},
                    {"name": "east", "id": 2, "nodes": 1, "istio": own},
                ],
            },
        }
    )


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        (fleet(), []),
        (fleet(mode="ambient"), ["istio-not-implemented"]),
        (fleet(topology="primary-remote", own={"primary": "west"}), []),
        (fleet(own={"primary": "west", "network": "other"}, charts=CROSSED), ["istio-not-implemented"]),
        (fleet(own={"network": "other"}), ["no-istio-charts"]),
        (fleet(own={"network": "other"}, charts=CROSSED), []),
        (fleet(own={"network": "other"}, charts=CROSSED, mode="ambient"), ["istio-not-implemented"]),
        (
            fleet(own={"network": "other"}, charts=CROSSED, network={"exposure": "ClusterIP"}),
            ["gateway-cluster-ip"] * 2,
        ),
        (fleet(charts=None), ["no-istio-charts"]),
        (fleet(mtls="permissive"), ["mtls-permissive"]),
        (fleet(network={"values": {"cni": {"exclusive": True}}}), ["cilium-excludes-istio"] * 2),
        (
            fleet(network={"values": {"socketLB": {"hostNamespaceOnly": False}}}),
            ["cilium-before-sidecar"] * 2,
        ),
    ],
    ids=str,
)
def test_what_is_not_done_or_would_not_work_is_said_before_anything_is_asked(
    known: fleets.Fleet, codes: list[str]
) -> None:
    assert [each.code for each in istio.findings(known)] == codes


def test_the_values_of_istiod_are_those_of_the_fleet_with_the_users_last() -> None:
    known = fleet(values={"pilot": {"env": {"A": "b"}}, "global": {"hub": "example.com"}})

    values = istio.values(known, known.cluster("east"), istio.ISTIOD, "root.own")

    assert values["global"]["multiCluster"] == {"clusterName": "east"}
    assert (values["global"]["meshID"], values["global"]["network"]) == ("mesh1", "network1")
    assert values["meshConfig"]["trustDomain"] == "shop.local"
    assert values["global"] | {"enableReaderRBAC": False, "hub": "example.com"} == values["global"]
    assert values["pilot"]["podAnnotations"] == {"isthmus.dev/trusts": "root.own"}
    assert values["pilot"]["env"]["A"] == "b"


def test_a_reader_of_another_cluster_may_read_no_secret() -> None:
    rules = [rule for body in readers.rights(("west",)) for rule in body.get("rules") or ()]

    assert not [rule for rule in rules if "secrets" in rule["resources"]]
    assert not [rule for rule in rules if "*" in rule["resources"] and "" in rule["apiGroups"]]
    settings = [rule for rule in rules if "configmaps" in rule["resources"]]
    assert [rule["resourceNames"] for rule in settings] == [["istio"]]


# --- the end: who reads whom, and mTLS -------------------------------------------------------------


def token(ends: dt.datetime, uid: str = "1") -> str:
    """Return what a token looks like from outside."""
    claims = {"exp": ends.timestamp(), "kubernetes.io": {"serviceaccount": {"uid": uid}}}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.e30"


def facts(name: str, reader: str, remote: dict[str, Any] | None = None, **more: Any) -> istio.Facts:
    """Return a cluster that another one may read, with its remote Secret and the policy."""
    account = {"kind": "ServiceAccount", "metadata": {"name": readers.account(reader), "uid": "1"}}
    given: dict[str, Any] = {
        "server": f"https://{name}:6443",
        "authority": "QQ==",
        "rights": (account,),
        "policies": (readers.policy(),),
        "remotes": {reader: remote} if remote else {},
    }
    return istio.Facts(cluster=name, **given | more)


def secret(remote: str, days: int = 29, **more: str) -> dict[str, Any]:
    """Return the Secret by which another cluster is read, its token good for some days."""
    given = {"server": f"https://{remote}:6443", "authority": "QQ==", **more}
    return readers.secret(
        remote,
        server=given["server"],
        authority=given["authority"],
        token=token(NOW + dt.timedelta(days=days), given.get("uid", "1")),
    )


def left(west: istio.Facts, east: istio.Facts, **more: Any) -> list[str]:
    """Return what is left to do at the end, in words."""
    seen = {"west": west, "east": east}
    found = closings.of(fleet(**more), ("west", "east"), seen, now=NOW)
    return [f"{each.cluster}: {each}" for each in found]


WEST = facts("west", "east", secret("east"))
EAST = facts("east", "west", secret("west"))
FOREIGN = {**secret("east", days=1)}
FOREIGN["metadata"] = {**FOREIGN["metadata"], "labels": {readers.REMOTE: "true"}}


@pytest.mark.parametrize(
    ("west", "expected"),
    [
        (WEST, []),
        (facts("west", "east"), ["west: istiod reads east (new)"]),
        (facts("west", "east", secret("east", days=19)), ["its token ends at 2026-12-17"]),
        (facts("west", "east", secret("east", server="https://old:1")), ["is at https://east:6443"]),
        (facts("west", "east", secret("east", authority="Qg==")), ["another authority"]),
        (facts("west", "east", secret("east", uid="2")), ["its account is a new one"]),
        (facts("west", "east", {**secret("east"), "data": {"east": "eA=="}}), ["no kubeconfig"]),
        (facts("west", "east", FOREIGN), []),
        (
            dataclasses.replace(WEST, policies=()),
            ["west: create PeerAuthentication istio-system/default (mTLS alone, for the whole mesh)"],
        ),
        (
            dataclasses.replace(WEST, remotes={**WEST.remotes, "gone": secret("gone")}),
            ["west: delete Secret istio-system/istio-remote-secret-gone (gone has no Istio in this Fleet)"],
        ),
    ],
)
def test_what_is_good_is_kept_and_the_rest_is_written_anew(west: istio.Facts, expected: list[str]) -> None:
    found = left(west, EAST)

    assert len(found) == len(expected)
    assert all(part in said for part, said in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    ("chosen", "later"),
    [(("west", "east"), []), (("west",), ["east: istiod does not read west yet"]), ((), [])],
)
def test_what_stays_unread_since_a_cluster_was_left_out_is_said(
    chosen: tuple[str, ...], later: list[str]
) -> None:
    seen = {"west": facts("west", "east"), "east": facts("east", "west")}

    found = closings.findings(fleet(), chosen, seen)

    assert [f"{each.cluster}: {each.message}" for each in found] == later


def test_a_fleet_that_says_permissive_loses_our_policy_and_no_other() -> None:
    foreign = readers.policy()
    foreign["metadata"] = {**foreign["metadata"], "labels": {}}

    found = left(WEST, dataclasses.replace(EAST, policies=(foreign,)), mtls="permissive")

    assert found == ["west: delete PeerAuthentication istio-system/default (mtls: permissive)"]


def test_a_cluster_that_does_not_answer_is_not_read_anew_and_keeps_its_place() -> None:
    silent = istio.Facts(cluster="east", error="no answer")

    assert left(WEST, silent) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"mtls": {"mode": "PERMISSIVE"}}, "(mode PERMISSIVE)"),
        ({"mtls": {"mode": "STRICT"}, "portLevelMtls": {"9042": {"mode": "DISABLE"}}}, "on port 9042"),
    ],
)
def test_each_policy_that_lets_plain_traffic_in_is_named(spec: dict[str, Any], words: str) -> None:
    loose = {"metadata": {"name": "loose", "namespace": "data"}, "spec": spec}
    one = dataclasses.replace(WEST, policies=(readers.policy(), loose))

    found = list(closings.plain("west", one))

    assert [each.code for each in found] == ["plain-traffic"]
    assert "data/loose" in found[0].message
    assert words in found[0].message


# --- what istiod says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "endpoints", "code"),
    [
        ("synced", 0, None),
        ("timeout", 3, None),
        ("timeout", 0, "remote-not-read"),
        ("syncing", 3, "remote-not-read"),
        (None, 0, "remote-not-read"),
    ],
)
def test_a_remote_is_read_when_istiod_has_its_endpoints(
    state: str | None, endpoints: int, code: str | None
) -> None:
    listed = [{"id": "west", "syncStatus": "synced", "secretName": ""}]
    listed += [{"id": "east", "syncStatus": state, "secretName": "istio-system/x"}] if state else []
    shards: dict[str, Any] = {
        "a.b.svc": {"b": {"Shards": {"Kubernetes/east": [{}] * endpoints, "Kubernetes/west": [{}]}}}
    }
    said = istiod.parse(listed, shards)
    deployed = dataclasses.replace(WEST, deployment={"spec": {"template": {"spec": {"hostNetwork": True}}}})

    found = meshstate.judge(
        fleet(), {"west": deployed, "east": istio.Facts(cluster="east", error="x")}, {"west": said}, {},
        now=NOW,
    )  # fmt: skip

    codes = [each.code for each in found if each.code != "istio-not-installed"]
    assert codes == ([code] if code else [])


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"cni-exclusive": "false", "kube-proxy-replacement": "false"}, []),
        ({"cni-exclusive": "true"}, ["cilium-excludes-istio"]),
        ({"kube-proxy-replacement": "true"}, ["cilium-before-sidecar"]),
        ({"kube-proxy-replacement": "true", "bpf-lb-sock-hostns-only": "true"}, []),
    ],
)
def test_cilium_in_the_way_of_istio_is_seen_in_what_its_agents_are_told(
    config: dict[str, str], codes: list[str]
) -> None:
    seen = {"west": WEST, "east": istio.Facts(cluster="east", error="x")}

    found = meshstate.judge(fleet(), seen, {}, {"west": config}, now=NOW)

    assert [each.code for each in found if each.code != "istio-not-installed"] == codes


# --- on real API servers --------------------------------------------------------------------------

lab = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.xdist_group("connect")]


@pytest.fixture
def mesh(net: meshes.Net) -> Iterator[meshes.Net]:
    """A Fleet that asks for Istio over three clusters; what it made is taken out."""
    try:
        found = {"base": charts.folder("istio-base"), "istiod": charts.folder("istiod")}
    except errors.IsthmusError as lacking:
        pytest.skip(f"Istio's charts come in its Go module: {lacking.brief}")
    # Nobody answers the webhooks of a control plane whose pods are played.
    values = {"base": {"validationFailurePolicy": "Ignore"}}
    net.spec["mesh"] = {
        "istio": {
            "trustDomain": "shop.local",
            "charts": {name: {"path": str(path)} for name, path in found.items()},
            "values": values,
        }
    }
    # The kubeconfig of such a lab names this machine, which no other cluster's istiod would reach.
    for number, name in enumerate(meshes.CLUSTERS, start=1):
        net.own[name] = {"apiServer": f"10.8.0.{number}:6443"}
    net.write()
    yield net
    for operation in ("abort", "down"):
        net.run(operation, code=None)


def istio_releases(net: meshes.Net, cluster: str) -> list[tuple[str, int, str]]:
    """Return (name, revision, status) of Helm's records in istio-system."""
    items = net.get(cluster, f"{SECRETS}?labelSelector=owner%3Dhelm")["items"]
    labels = [item["metadata"]["labels"] for item in items]
    return sorted((str(one["name"]), int(one["version"]), str(one["status"])) for one in labels)


def remotes_of(net: meshes.Net, cluster: str) -> dict[str, readers.Remote]:
    """Return how a cluster's istiod is told to read others."""
    found = net.get(cluster, f"{SECRETS}?labelSelector=istio%2FmultiCluster%3Dtrue")["items"]
    return {key: readers.read(key, one) for one in found for key in one["data"]}


def remote_secrets(net: meshes.Net, cluster: str) -> list[str]:
    """Return the clusters that a cluster's istiod is told to read."""
    found = net.get(cluster, f"{SECRETS}?labelSelector=istio%2FmultiCluster%3Dtrue")["items"]
    return sorted(key for one in found for key in one["data"])


class TestOnServers:
    pytestmark = lab

    def test_istio_comes_after_cilium_wave_by_wave_and_clusters_read_one_another_at_the_end(
        self, mesh: meshes.Net
    ) -> None:
        waves = [["west"], ["east", "central"]]
        mesh.write(rollout={"timeout": "60s", "waves": waves, "gates": ["ready", "approve"]})

        done = mesh.run("up", code=4)

        assert f"lies in {mesh.folder / 'trust' / 'istio'}" in done.err
        assert istio_releases(mesh, "west") == [("istio-base", 1, "deployed"), ("istiod", 1, "deployed")]
        assert remote_secrets(mesh, "west") == []
        mesh.run("approve", code=4)
        mesh.run("approve")
        for name in meshes.CLUSTERS:
            assert mesh.releases(name) == [(1, "deployed")]
            assert istio_releases(mesh, name) == [("istio-base", 1, "deployed"), ("istiod", 1, "deployed")]
            assert remote_secrets(mesh, name) == sorted(set(meshes.CLUSTERS) - {name})
            policy = mesh.get(
                name, "/apis/security.istio.io/v1/namespaces/istio-system/peerauthentications/default"
            )
            assert policy["spec"] == {"mtls": {"mode": "STRICT"}}
            pod = mesh.get(name, "/apis/apps/v1/namespaces/istio-system/deployments/istiod")["spec"][
                "template"
            ]
            assert pod["spec"]["hostNetwork"] is True
        kept = remotes_of(mesh, "east")
        assert kept["west"].server == "https://10.8.0.1:6443"
        before = {name: mesh.get(name, f"{SECRETS}/cacerts")["data"] for name in meshes.CLUSTERS}

        mesh.write(rollout={"timeout": "60s", "waves": waves})
        again = mesh.run("up")

        assert "nothing to do" in again.err, again.said
        assert {name: mesh.get(name, f"{SECRETS}/cacerts")["data"] for name in meshes.CLUSTERS} == before
        mesh.lab.api("east").delete(f"{SECRETS}/istio-remote-secret-west")
        told = mesh.run("diff", "-o", "json").json()
        assert [(each["cluster"], each["remote"]) for each in told["closings"]] == [("east", "west")]
        mesh.run("up")
        assert remote_secrets(mesh, "east") == ["central", "west"]
        wide = mesh.run("down", "--only", "east", "--dry-run")
        assert "still-read" in wide.said

    @pytest.mark.long
    def test_a_cluster_without_an_istiod_comes_after_its_primary_and_goes_before_it(
        self, mesh: meshes.Net
    ) -> None:
        mesh.spec["mesh"]["istio"]["topology"] = "primary-remote"
        mesh.own_cluster["east"] = {"istio": {"primary": "west"}}
        mesh.write(rollout={"timeout": "60s", "waves": [["west"], ["east", "central"]]})

        mesh.run("up")

        ways = {name: remote_secrets(mesh, name) for name in meshes.CLUSTERS}
        assert ways == {"west": ["central", "east"], "east": [], "central": ["east", "west"]}
        assert mesh.get("east", f"{SECRETS}/cacerts") is None
        assert mesh.get("east", "/apis/apps/v1/namespaces/istio-system/deployments/istiod") is None
        told = mesh.get("east", f"{SPACE}/services/istiod")["metadata"]["annotations"]
        assert told["service.cilium.io/global"] == "true"
        ours = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Disthmus"
        accounts = mesh.get("east", f"{SPACE}/serviceaccounts?{ours}")["items"]
        assert sorted(each["metadata"]["name"] for each in accounts) == [
            "istio-reader-central",
            "istio-reader-west",
        ]
        assert "nothing to do" in mesh.run("up").err
        assert "root-in-pods" in mesh.run("rotate", "--istio", "--yes", code=1).said
        assert "remotes-left" in mesh.run("down", "--only", "west", "--dry-run", code=1).said
        mesh.run("down", "--yes")
        assert mesh.get("east", f"{SPACE}/services/istiod") is None
        assert mesh.get("east", f"{SPACE}/serviceaccounts?{ours}")["items"] == []

    def test_an_istiod_that_never_gets_ready_takes_all_back_in_every_cluster(self, mesh: meshes.Net) -> None:
        mesh.spec["mesh"]["istio"]["values"] = {
            "base": {"validationFailurePolicy": "Ignore"},
            "pilot": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}},
        }
        mesh.write(rollout={"timeout": "20s"})

        done = mesh.run("up", code=1)

        assert "rolling back every cluster that was touched" in done.out
        for name in meshes.CLUSTERS:
            assert mesh.releases(name) == []
            assert istio_releases(mesh, name) == []
            assert mesh.get(name, f"{SECRETS}/cacerts") is None
            assert remote_secrets(mesh, name) == []
            ours = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Disthmus"
            assert mesh.get(name, f"{SPACE}/serviceaccounts?{ours}")["items"] == []

    @pytest.mark.long
    def test_a_new_root_takes_the_place_of_the_old_one_also_after_a_run_that_failed(
        self, mesh: meshes.Net
    ) -> None:
        folder = mesh.folder / "trust" / "istio"
        mesh.run("up")
        old = (folder / "ca.crt").read_bytes()
        mesh.own_cluster["central"] = {
            "istio": {"values": {"pilot": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}}}}
        }
        mesh.write(rollout={"timeout": "12s"})

        failed = mesh.run("rotate", "--istio", "--yes", code=1)
        refused = mesh.run("up", code=1)
        mesh.own_cluster.clear()
        mesh.write(rollout={"timeout": "60s"})
        done = mesh.run("rotate", "--istio", "--yes")

        assert "2 of 3" not in failed.err
        assert "isthmus connect rotate --istio brings it to its end" in refused.said
        assert [line for line in done.err.splitlines() if " of 3: " in line] == list(
            rotation.ROOT_SAID.values()
        )
        new = (folder / "ca.crt").read_bytes()
        assert new != old
        assert not (folder / "next").exists()
        for name in meshes.CLUSTERS:
            held = mesh.get(name, f"{SECRETS}/cacerts")["data"]
            assert base64.b64decode(held["root-cert.pem"]) == new
        assert (mesh.folder / "trust" / "ca.crt").read_bytes() not in {old, new}
        assert "nothing to do" in mesh.run("up").err


def test_a_closing_names_what_it_writes() -> None:
    one = plan.Closing(
        cluster="west", verb=plan.Verb.UPDATE, kind="Secret", namespace="istio-system", name="x",
        remote="east", why="new",
    )  # fmt: skip

    assert str(one) == "istiod reads east (new)"
