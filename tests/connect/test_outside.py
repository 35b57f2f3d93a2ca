"""Pods of Apps that are outside of the mesh are named, each with why and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.model import app as apps
from isthmus.model import document
from isthmus.rollout.connect import outside
from tests.connect import test_istio

APP = apps.App.model_construct(
    metadata=document.Metadata(name="db", namespace="data"),
    spec=apps.AppSpec.model_construct(chart=apps.Chart(path="db"), clusters={"west": apps.Member()}),
)


def home(**labels: str) -> dict[str, Any]:
    """Return a namespace with labels."""
    return {
        "metadata": {"name": "data", "labels": {key.replace("_", "-"): each for key, each in labels.items()}}
    }


def pod(
    name: str, *containers: str, first: tuple[str, ...] = (), hosted: bool = False, excluded: str = ""
) -> dict[str, Any]:
    """Return a pod with containers, `first` before them."""
    notes = {outside.EXCLUDED: excluded} if excluded else {}
    return {
        "metadata": {"name": name, "annotations": notes},
        "spec": {
            "hostNetwork": hosted,
            "containers": [{"name": each} for each in ("app", *containers)],
            "initContainers": [{"name": each} for each in first],
        },
    }


BARE, IN, NATIVE = pod("bare"), pod("in", "istio-proxy"), pod("native", first=("istio-proxy",))
ON_HOST = pod("on-host", hosted=True)
OPEN = pod("open", "istio-proxy", excluded="9042")


@pytest.mark.parametrize(
    ("space", "pods", "expected"),
    [
        (None, (), []),
        (home(istio_injection="enabled"), (), []),
        (home(istio_injection="enabled"), (IN, NATIVE), []),
        ({"metadata": {"name": "data", "labels": {"istio.io/rev": "1-31"}}}, (IN,), []),
        (home(), (), [("app-out-of-mesh", "get no sidecar")]),
        (home(istio_injection="disabled"), (BARE, IN), [("app-out-of-mesh", ": bare take plain")]),
        (home(istio_injection="enabled"), (BARE, IN), [("pods-out-of-mesh", "bare have no sidecar")]),
        (
            home(istio_injection="enabled"),
            (BARE, ON_HOST),
            [("pods-out-of-mesh", "bare have"), ("pods-out-of-mesh", "on-host are in the network")],
        ),
        (home(istio_injection="enabled"), (OPEN,), [("ports-out-of-mesh", "ports of open")]),
        (
            home(istio_injection="enabled"),
            tuple(pod(f"p{number}") for number in range(5)),
            [("pods-out-of-mesh", "p0, p1, p2 and 2 more have")],
        ),
    ],
    ids=str,
)
def test_what_of_an_app_takes_plain_traffic_is_named(
    space: dict[str, Any] | None, pods: tuple[dict[str, Any], ...], expected: list[tuple[str, str]]
) -> None:
    seen = {"west": outside.Seen(namespace=space, pods=pods)}

    found = list(outside.judge(test_istio.fleet(), APP, seen))

    assert [each.code for each in found] == [code for code, _ in expected]
    assert all(words in each.message for each, (_, words) in zip(found, expected, strict=True))
    assert {(each.cluster, each.name) for each in found} <= {("west", "db")}


def test_what_could_not_be_read_is_said_and_a_cluster_without_istio_is_not_judged() -> None:
    seen = {"west": outside.Seen(error="forbidden"), "other": outside.Seen(namespace=home())}

    found = list(outside.judge(test_istio.fleet(), APP, seen))

    assert [(each.code, each.cluster) for each in found] == [("app-not-read", "west")]
