"""Services that the App exposes to other clusters: annotated with its release, and taken back with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: db, annotations: {team: data}}
spec: {selector: {app: db}, ports: [{name: cql, port: 9042}]}
"""
GLOBAL = "service.cilium.io/global"


@pytest.fixture(autouse=True)
def service(shop: shops.Shop) -> None:
    """Give the chart a Service with an annotation of its own."""
    with (shop.folder / "charts" / "db" / "templates" / "all.yaml").open("a", encoding="utf-8") as file:
        file.write(SERVICE)
    shop.spec["rollout"]["timeout"] = "90s"
    expose(shop, {"name": "db", "global": True})


def expose(shop: shops.Shop, *services: dict[str, object]) -> None:
    """Write which Services are exposed."""
    shop.spec["services"] = list(services)
    shop.write()


def notes(shop: shops.Shop) -> list[dict[str, str]]:
    """Return the annotations of the Service in each cluster that are not Helm's."""
    path = f"/api/v1/namespaces/{shop.namespace}/services/db"
    found = [shop.get(name, path)["metadata"]["annotations"] for name in shop.clusters]
    return [{key: each[key] for key in each if "helm" not in key} for each in found]


def test_annotations_come_with_the_app_and_go_when_it_no_longer_says_so(shop: shops.Shop) -> None:
    shop.run("up")
    come = notes(shop)
    again = shop.run("up")
    expose(shop)
    gone = shop.run("up")

    assert come == [{"team": "data", GLOBAL: "true"}] * 3
    assert "nothing to do" in again.err
    assert f"metadata.annotations.{GLOBAL}" in gone.out
    assert notes(shop) == [{"team": "data"}] * 3
    shop.run("rollback")
    assert notes(shop) == [{"team": "data", GLOBAL: "true"}] * 3


def test_a_failed_operation_leaves_the_annotations_as_they_were(shop: shops.Shop) -> None:
    shop.run("up")
    expose(shop, {"name": "db", "global": True, "affinity": "local"})
    shop.spec["rollout"]["timeout"] = "8s"
    shop.set({"version": "2"}, central={"never": True})

    shop.run("up", code=1)

    assert notes(shop) == [{"team": "data", GLOBAL: "true"}] * 3
    shop.check_whole("1")


def test_an_export_where_no_cluster_has_a_clusterset_is_refused_before_anything(shop: shops.Shop) -> None:
    expose(shop, {"name": "db", "export": True})

    refused = shop.run("up", code=1)

    assert "no kind ServiceExport" in refused.said
    assert "clusterset: true" in refused.said
    assert [shop.version(name) for name in shop.clusters] == [None] * 3


def test_a_service_that_the_chart_does_not_have_is_refused(shop: shops.Shop) -> None:
    expose(shop, {"name": "dbb", "global": True})

    assert "service-not-rendered" in shop.run("diff", code=1).said
