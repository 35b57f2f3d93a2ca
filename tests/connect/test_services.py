"""What `connect status` says of an App's Services across clusters, by their objects."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.rollout.connect import services
from tests.rollout.test_exposure import app

Cluster = dict[str, dict[str, str]]
NOTE = "service.cilium.io/"


def seen(found: Cluster, exports: dict[str, Any] | None = None, port: int = 80) -> services.Seen:
    """Return a cluster whose Services carry these annotations."""
    ports = [{"name": "http", "port": port}]
    live = {
        name: {"metadata": {"name": name, "annotations": notes}, "spec": {"ports": ports}}
        for name, notes in found.items()
    }
    return services.Seen(services=live, exports=exports)


ON = {f"{NOTE}global": "true"}
EXPORTED = {"isthmus.dev/exported": "true"}
CONFLICT = {"status": {"conditions": [{"type": "Conflict", "status": "True", "message": "ports"}]}}
CASES: list[tuple[list[dict[str, Any]], services.Seen, services.Seen, list[tuple[str, str | None]]]] = [
    ([], seen({"web": {}}), seen({"web": {}}), []),
    ([], seen({"web": ON}), seen({"web": {"io.cilium/global-service": "true"}}), []),
    ([], seen({"web": ON}), seen({"web": {}}), [("service-not-global", "east")]),
    ([], seen({"web": ON}), seen({}), [("service-missing", "east")]),
    ([], seen({"web": ON}), seen({"web": ON}, port=81), [("service-ports-differ", None)]),
    ([], seen({"web": {**ON, f"{NOTE}affinity": "none"}}), seen({"web": ON}), [("affinity-none", "west")]),
    (
        [],
        seen({"web": {**ON, f"{NOTE}shared": "false"}}),
        seen({"web": {**ON, f"{NOTE}shared": "false"}}),
        [("service-shares-nothing", None)],
    ),
    ([{"global": True}], seen({"web": ON}), seen({"web": {}}), [("service-not-exposed", "east")]),
    ([{"global": True}], seen({}), seen({}), [("service-missing", "west"), ("service-missing", "east")]),
    (
        [{"export": True}],
        seen({"web": EXPORTED}, {"web": {}}),
        seen({"web": EXPORTED}),
        [("no-clusterset", "east")],
    ),
    (
        [{"export": True}],
        seen({"web": EXPORTED}, {"web": CONFLICT}),
        seen({"web": EXPORTED}, {}),
        [("export-not-whole", "west"), ("export-missing", "east")],
    ),
    ([], services.Seen(error="refused"), seen({"web": ON}), [("services-unread", "west")]),
]


@pytest.mark.parametrize(("stated", "west", "east", "expected"), CASES)
def test_a_service_that_is_not_alike_in_all_clusters_is_found(
    stated: list[dict[str, Any]],
    west: services.Seen,
    east: services.Seen,
    expected: list[tuple[str, str | None]],
) -> None:
    told = app(*({"name": "web", **each} for each in stated))

    found = list(services.judge(told, {"west": west, "east": east}))

    assert [(each.code, each.cluster) for each in found] == expected
    assert all(each.remedy for each in found)


def test_the_public_form_has_a_row_for_each_cluster_that_answered() -> None:
    told = app({"name": "web", "global": True})

    (row,) = services.rows(told, {"west": seen({"web": ON}, {"web": {}}), "east": seen({})})

    assert row == {
        "app": "shop",
        "namespace": "data",
        "service": "web",
        "clusters": [
            {
                "cluster": "west",
                "present": True,
                "global": True,
                "shared": True,
                "affinity": None,
                "exported": True,
                "ports": ["http:80/TCP"],
            },
            {"cluster": "east", "present": False},
        ],
    }
