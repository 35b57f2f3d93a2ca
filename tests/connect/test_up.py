"""Three clusters connected by the real Cilium chart: what lies in each; what a change or failure does."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.mesh.trust import authority
from tests.connect import meshes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.xdist_group("connect")]

NODES = {"west": "10.64.0.", "east": "10.65.0.", "central": "10.66.0."}


def test_three_clusters_are_connected_each_with_the_others(net: meshes.Net) -> None:
    done = net.run("up")

    assert f"lies in {net.folder / 'trust'}" in done.err
    key = net.folder / "trust" / "ca.key"
    assert oct(key.stat().st_mode & 0o777) == "0o600"
    assert (net.folder / "trust" / ".gitignore").read_text(encoding="utf-8") == "*.key\n"
    for name in meshes.CLUSTERS:
        assert net.releases(name) == [(1, "deployed")]
        assert sorted(net.certificates(name)) == list(meshes.CERTIFICATES)
        others = sorted(set(meshes.CLUSTERS) - {name})
        assert _users(net, name) == [f"remote-{other}" for other in others]
        assert {other: _reached(net, name, other) for other in others} == {
            other: [f"{NODES[other]}{node}" for node in (1, 2, 3)] for other in others
        }
        data = net.get(name, meshes.CONFIG)["data"]
        assert (data["cluster-name"], data["mtu"]) == (name, "1500")
        assert net.secret(name, "cilium-ca") is None, "the authority's key is in no member"


def test_a_second_run_finds_nothing_to_do_and_rotates_nothing(net: meshes.Net) -> None:
    net.run("up")
    before = {name: net.certificates(name) for name in meshes.CLUSTERS}

    done = net.run("up")

    assert "nothing to do: every cluster is as this plan wants it" in done.err
    assert {name: net.certificates(name) for name in meshes.CLUSTERS} == before
    assert [net.releases(name) for name in meshes.CLUSTERS] == [[(1, "deployed")]] * 3
    net.run("diff", "--exit-code")


def test_an_mtu_changed_in_the_fleet_reaches_the_agents_configuration(net: meshes.Net) -> None:
    net.run("up")
    net.write(mtu=1400)

    told = net.run("diff", "-o", "json", "--exit-code", code=1).json()
    net.run("up")

    assert told["values"] == [
        {"cluster": name, "path": "MTU", "old": 1500, "new": 1400} for name in meshes.CLUSTERS
    ]
    changes = {(one["kind"], one["name"]): one["fields"] for one in told["waves"][0][0]["changes"]}
    assert changes["ConfigMap", "cilium-config"] == ["data.mtu"]
    # Agents and operators read it at their start alone.
    assert set(changes) - {("ConfigMap", "cilium-config")} == {
        ("DaemonSet", "cilium"),
        ("Deployment", "cilium-operator"),
    }
    assert [net.mtu(name) for name in meshes.CLUSTERS] == ["1400"] * 3


def test_a_gate_that_waits_for_approval_is_opened_by_connect_after_each_wave(net: meshes.Net) -> None:
    waves = [["west"], ["east", "central"]]
    net.write(rollout={"timeout": "60s", "waves": waves, "gates": ["ready", "approve"]})

    held = net.run("up", code=4)
    after_first = [net.releases(name) for name in meshes.CLUSTERS]
    net.run("approve", code=4)
    done = net.run("approve")

    assert "isthmus connect approve" in held.said
    assert after_first == [[(1, "deployed")], [], []]
    assert "succeeded" in done.said
    assert [net.releases(name) for name in meshes.CLUSTERS] == [[(1, "deployed")]] * 3


def test_a_cluster_is_skipped_while_the_operation_waits(net: meshes.Net) -> None:
    waves = [["west"], ["east"], ["central"]]
    net.own["central"] = {"membership": "optional"}
    net.write(rollout={"timeout": "60s", "waves": waves, "gates": ["ready", "approve"]})
    net.run("up", code=4)

    net.run("skip", "central")
    net.run("approve", code=4)
    net.run("approve", code=None)
    done = net.run("approve", code=None)

    assert "central" in done.said
    assert [net.releases(name) for name in meshes.CLUSTERS] == [[(1, "deployed")], [(1, "deployed")], []]


def test_agents_that_never_get_ready_in_one_cluster_take_all_of_them_back(net: meshes.Net) -> None:
    net.run("up")
    before = {name: net.certificates(name) for name in meshes.CLUSTERS}
    net.own["central"] = {"values": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}}}
    net.write(mtu=1400, rollout={"timeout": "10s"})

    done = net.run("up", code=1)

    assert "rolling back every cluster that was touched" in done.out
    assert [net.mtu(name) for name in meshes.CLUSTERS] == ["1500"] * 3
    assert {name: net.certificates(name) for name in meshes.CLUSTERS} == before
    status = net.run("status", "-o", "json").json()
    assert status["operation"]["outcome"] == "rolled-back"


def test_agents_that_cannot_say_what_they_read_are_named_and_abort_takes_all_back(net: meshes.Net) -> None:
    waits = {"timeout": "8s", "gates": ["ready", "mesh"], "onFailure": "hold"}
    net.write(rollout={**waits, "waves": [["west", "east", "central"]]})

    held = net.run("up", "-o", "json", code=4)
    after = [net.releases(name) for name in meshes.CLUSTERS]
    net.run("abort")

    for name in meshes.CLUSTERS:
        assert f"{name}: KVStoreMesh clustermesh-apiserver-" in held.out
    assert "cannot be asked: cannot run /usr/bin/clustermesh-apiserver" in held.out
    assert after == [[(1, "deployed")]] * 3
    assert [net.releases(name) for name in meshes.CLUSTERS] == [[]] * 3


def test_a_first_install_that_fails_leaves_no_certificate_behind(net: meshes.Net) -> None:
    net.own["central"] = {"values": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}}}
    net.write(rollout={"timeout": "10s"})

    net.run("up", code=1)

    for name in meshes.CLUSTERS:
        assert net.mtu(name) is None
        assert net.certificates(name) == {}
        assert net.releases(name) == []


def test_a_certificate_that_somebody_lost_is_written_anew_and_the_others_stay(net: meshes.Net) -> None:
    net.run("up")
    before = {name: net.certificates(name) for name in meshes.CLUSTERS}
    lost = "clustermesh-apiserver-remote-cert"
    net.lab.api("east").delete(f"{meshes.SECRETS}/{lost}")

    status = net.run("status", "-o", "json", code=1).json()
    done = net.run("up")

    assert [(each["cluster"], each["code"]) for each in status["findings"]] == [("east", "certificate")]
    assert f"+ Secret {lost}" in done.out
    after = {name: net.certificates(name) for name in meshes.CLUSTERS}
    assert after["east"].pop(lost) != before["east"].pop(lost)
    assert after == before


def test_no_private_key_is_in_a_plan_a_journal_a_release_or_another_cluster(net: meshes.Net) -> None:
    said = [net.run("diff", "-o", "json").said, net.run("up", "-v").said]
    said += [net.run("status", "-o", "json").said, net.run("history", "-o", "json").said]

    secret = (net.folder / "trust" / "ca.key").read_bytes()
    leaves = {name: set(_keys(net, name)) for name in meshes.CLUSTERS}
    assert all(len(keys) == len(meshes.CERTIFICATES) for keys in leaves.values())
    everywhere = [secret, *(key for keys in leaves.values() for key in keys)]
    for text in (*said, *_journals(net), *_releases(net)):
        assert not [key for key in everywhere if _holds(text, key)]
    for name in meshes.CLUSTERS:
        foreign = [secret, *(key for other in meshes.CLUSTERS if other != name for key in leaves[other])]
        for text in _secrets(net, name):
            assert not [key for key in foreign if _holds(text, key)], name


def test_an_authority_of_ones_own_signs_and_another_one_later_is_refused(net: meshes.Net) -> None:
    net.run("up", "--ca", str(net.folder / "mine"))
    own = net.folder / "mine"

    signed = net.certificate("east", "clustermesh-apiserver-admin-cert")
    done = net.run("up", code=1)

    assert signed.issuer.rfc4514_string() == "CN=isthmus shop clustermesh"
    assert "other-authority" in done.said
    assert not (net.folder / "trust").exists(), "what is refused makes no key"
    net.run("up", "--ca", str(own))


def test_down_takes_out_what_up_made_and_says_what_stays(net: meshes.Net) -> None:
    net.run("up")

    done = net.run("down")

    assert "- Secret clustermesh-apiserver-admin-cert" in done.out
    assert "cilium-stays" in done.err
    for name in meshes.CLUSTERS:
        assert net.mtu(name) is None
        assert net.certificates(name) == {}
        assert net.releases(name) == []


def test_one_silent_cluster_hides_no_other(net: meshes.Net) -> None:
    net.run("up")
    config = yaml.safe_load((net.lab.kubeconfig_path).read_text(encoding="utf-8"))
    context = net.lab.clusters["east"].context
    cluster = next(one["context"]["cluster"] for one in config["contexts"] if one["name"] == context)
    next(one for one in config["clusters"] if one["name"] == cluster)["cluster"]["server"] = (
        "https://127.0.0.1:1"
    )
    dead = net.folder / "kubeconfig"
    dead.write_text(yaml.safe_dump(config), encoding="utf-8")
    net.env["KUBECONFIG"] = str(dead)

    status = net.run("status", "-o", "json", code=3).json()

    silent = [row["cluster"] for row in status["clusters"] if row["error"]]
    ready = {row["cluster"]: row["agents"] for row in status["clusters"] if not row["error"]}
    assert silent == ["east"]
    assert ready == {name: {"ready": 3, "desired": 3} for name in ("west", "central")}
    net.env["KUBECONFIG"] = str(net.lab.kubeconfig_path)


def _users(net: meshes.Net, cluster: str) -> list[str]:
    found = net.get(cluster, "/api/v1/namespaces/kube-system/configmaps/clustermesh-remote-users")
    return sorted(one["name"] for one in yaml.safe_load(found["data"]["users.yaml"])["users"])


def _reached(net: meshes.Net, cluster: str, peer: str) -> list[str]:
    found = net.secret(cluster, "cilium-kvstoremesh")
    assert found is not None
    (alias,) = yaml.safe_load(found[peer])["cilium-host-aliases"]
    return list(alias["ips"])


def _keys(net: meshes.Net, cluster: str) -> Iterator[bytes]:
    for name in meshes.CERTIFICATES:
        found = net.secret(cluster, name)
        assert found is not None
        yield found["tls.key"]


def _holds(text: str, key: bytes) -> bool:
    lines = [line for line in key.decode().splitlines() if not line.startswith("-----")]
    forms = [*lines, base64.b64encode(key).decode()]
    return any(form in text for form in forms if len(form) > 16)


def _journals(net: meshes.Net) -> Iterator[str]:
    for name in meshes.CLUSTERS:
        for one in net.get(name, "/api/v1/namespaces/isthmus-system/configmaps")["items"]:
            yield json.dumps(one)


def _releases(net: meshes.Net) -> Iterator[str]:
    for name in meshes.CLUSTERS:
        for one in net.get(name, f"{meshes.SECRETS}?labelSelector=owner%3Dhelm")["items"]:
            packed = base64.b64decode(base64.b64decode(one["data"]["release"]))
            yield gzip.decompress(packed).decode()


def _secrets(net: meshes.Net, cluster: str) -> Iterator[str]:
    found: list[dict[str, Any]] = net.get(cluster, "/api/v1/secrets")["items"]
    for one in found:
        for value in (one.get("data") or {}).values():
            yield base64.b64decode(value).decode(errors="replace")


def test_the_authority_on_disk_is_the_one_that_status_names(net: meshes.Net) -> None:
    net.run("up")

    status = net.run("status", "-o", "json").json()

    signers = {each["authority"] for row in status["clusters"] for each in row["certificates"]}
    assert signers == {status["authority"]["key_id"]}
    signed = net.certificate("west", "hubble-server-certs")
    assert authority.key_id(signed) not in signers
