"""CoreDNS of real API servers is told of the other clusters by `connect`, and all of it goes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.connect import meshes
from tests.connect.test_names import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.xdist_group("connect")]

MAPS = "/api/v1/namespaces/kube-system/configmaps"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/isthmus-coredns-clusterset"


@pytest.fixture
def told(net: meshes.Net) -> Iterator[meshes.Net]:
    """A Fleet that asks for stub zones, over clusters with the ConfigMap of CoreDNS and one App."""
    for cluster in meshes.CLUSTERS:
        net.lab.api(cluster).create(MAPS, {"metadata": {"name": "coredns"}, "data": {"Corefile": PLAIN}})
    for number, cluster in enumerate(meshes.CLUSTERS, 1):
        net.own_cluster[cluster] = {"dns": [f"10.9.0.{number}:53"]}
    net.spec["dns"] = {"stubs": True}
    net.write()
    app: dict[str, Any] = {"apiVersion": "isthmus.dev/v1alpha1", "kind": "App"}
    app |= {"metadata": {"name": "db", "namespace": "data"}}
    app |= {"spec": {"chart": {"path": "chart"}, "clusters": {"east": {}}}}
    (net.folder / "app.yaml").write_text(yaml.safe_dump(app), encoding="utf-8")
    yield net
    for cluster in meshes.CLUSTERS:
        net.lab.api(cluster).delete(f"{MAPS}/coredns")


def corefiles(net: meshes.Net) -> list[str]:
    """Return the Corefile of each cluster."""
    return [net.get(cluster, f"{MAPS}/coredns")["data"]["Corefile"] for cluster in meshes.CLUSTERS]


def test_corefiles_are_told_of_the_others_told_no_more_and_bare_after_down(told: meshes.Net) -> None:
    told.write(clusterset=True)

    shown = told.run("diff", "-o", "json").json()
    told.run("up")
    west, east, central = corefiles(told)
    roles = [told.get(cluster, ROLE) is not None for cluster in meshes.CLUSTERS]
    again = told.run("up")
    told.write(clusterset=False)
    told.run("up")

    changes = [change for wave in shown["waves"] for step in wave for change in step["changes"]]
    assert len([each for each in changes if (each["kind"], each["name"]) == ("ConfigMap", "coredns")]) == 3
    assert "dns-limits" in [each["code"] for each in shown["findings"]]
    assert west == central
    assert "data.svc.cluster.local:53 {" in west
    assert "forward . 10.9.0.2:53 {" in west
    assert "data.svc" not in east
    assert "multicluster clusterset.local" in east
    assert roles == [True] * 3
    assert "nothing to do" in again.err
    assert ["multicluster" in each for each in corefiles(told)] == [False] * 3
    assert [told.get(cluster, ROLE) for cluster in meshes.CLUSTERS] == [None] * 3
    told.run("down")
    assert corefiles(told) == [PLAIN] * 3


def test_a_failed_operation_leaves_every_corefile_as_it_was(told: meshes.Net) -> None:
    told.own["central"] = {"values": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}}}
    told.write(rollout={"timeout": "10s"})

    told.run("up", code=1)

    assert corefiles(told) == [PLAIN] * 3


def test_what_cannot_be_told_stops_the_plan_before_anything_is_written(told: meshes.Net) -> None:
    told.own_cluster["east"] = {}
    told.write()

    refused = told.run("up", code=1)

    assert "dns-not-told" in refused.said
    assert "dns: [ADDRESS:PORT]" in refused.said
    assert corefiles(told) == [PLAIN] * 3
