"""A Cilium that somebody else installed by Helm: shown, left alone, and taken over only when asked."""

from __future__ import annotations

import pytest

from tests.connect import meshes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.xdist_group("connect")]


@pytest.fixture
def foreign(net: meshes.Net) -> meshes.Net:
    """Cilium with ClusterMesh in east, by helm and with certificates that helm made."""
    values = {
        "cluster": {"name": "east", "id": 2},
        "MTU": 1350,
        "clustermesh": {"useAPIServer": True, "config": {"enabled": True}},
        **meshes.LEAN,
    }
    net.helm("east", "install", "cilium", str(net.chart), "-n", "kube-system", "--values", "-", values=values)
    return net


def test_it_is_shown_and_not_changed(foreign: meshes.Net) -> None:
    before = foreign.certificates("east")

    done = foreign.run("up", code=1)

    assert "foreign-cilium" in done.said
    assert "1350 → 1500" in done.out
    assert "--adopt" in done.said
    assert foreign.mtu("east") == "1350"
    assert foreign.certificates("east") == before
    assert foreign.mtu("west") is None
    assert not (foreign.folder / "trust").exists()


def test_it_is_taken_over_with_its_certificates(foreign: meshes.Net) -> None:
    before = foreign.certificates("east")

    foreign.run("up", "--adopt")

    after = foreign.certificates("east")
    assert sorted(after) == list(meshes.CERTIFICATES), "helm deletes none that its old release had made"
    assert not set(after.values()) & set(before.values())
    assert foreign.mtu("east") == "1500"
    assert "nothing to do" in foreign.run("up").err
    status = foreign.run("status", "-o", "json").json()
    assert [row["release"]["ours"] for row in status["clusters"]] == [True, True, True]


def test_taking_it_over_fails_and_all_is_as_it_was(foreign: meshes.Net) -> None:
    before = foreign.certificates("east")
    foreign.own["central"] = {"values": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}}}
    foreign.write(rollout={"timeout": "10s"})

    foreign.run("up", "--adopt", code=1)

    assert foreign.mtu("east") == "1350"
    assert foreign.certificates("east") == before
    assert foreign.mtu("west") is None
    assert foreign.certificates("west") == {}


def test_it_is_not_taken_out_without_being_asked(foreign: meshes.Net) -> None:
    done = foreign.run("down", code=1)

    assert "foreign-cilium" in done.said
    assert foreign.mtu("east") == "1350"


def test_agents_without_a_release_are_left_to_what_installed_them(net: meshes.Net) -> None:
    api = net.lab.api("west")
    path = "/apis/apps/v1/namespaces/kube-system/daemonsets"
    labels = {"k8s-app": "cilium"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "agent", "image": "example/cilium"}]},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    api.create(path, {"metadata": {"name": "cilium"}, "spec": spec})
    try:
        done = net.run("up", "--adopt", code=1)
    finally:
        api.delete(f"{path}/cilium")

    assert "cilium-without-helm" in done.said
