"""The same mesh on two networks: what goes from one to the other goes through the gateway of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connect_istio import meshes
from tests.lab_network import nets

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(400)]

TARGET = f"http://server.{meshes.SPACE}.svc/"
SENT = f"outbound|80||server.{meshes.SPACE}.svc.cluster.local"
PASSED = f"outbound_.80_._.server.{meshes.SPACE}.svc.cluster.local"


@pytest.fixture(scope="module")
def split(mesh: meshes.Mesh) -> str:
    """Each cluster on a network of its own; who asks is in west, who answers in east, at this address."""
    mesh.split()
    for cluster, name in (("west", "asker"), ("west", "plain"), ("east", "server"), ("east", "open")):
        mesh.lab.api(cluster).delete(f"{meshes.PODS}/{name}?gracePeriodSeconds=0")
        nets.until(lambda: mesh.get(cluster, f"{meshes.PODS}/{name}") is None, 60.0)  # noqa: B023
    mesh.start("west", "asker")
    return mesh.start("east", "server")


def node(mesh: meshes.Mesh, cluster: str) -> str:
    """Return where the gateway of a cluster is reached."""
    given = mesh.get(cluster, "/api/v1/nodes")["items"][0]["status"]["addresses"]
    return next(str(each["address"]) for each in given if each["type"] == "InternalIP") + ":32443"


def asked(mesh: meshes.Mesh, *, works: bool) -> Callable[[], dict[str, Any] | None]:
    """Return what asks the Service, and returns the outcome once it is as it should be."""

    def ask() -> dict[str, Any] | None:
        found = mesh.ask("west", "asker", TARGET)
        return found if (found.get("status") == 200) is works else None

    return ask


def test_status_shows_both_networks_and_where_each_istiod_sends(mesh: meshes.Mesh, split: str) -> None:
    nets.until(lambda: not mesh.status()["findings"], 60.0)

    found = {name: one["istio"] for name, one in mesh.status()["clusters"].items()}

    for name, other in (("west", "east"), ("east", "west")):
        assert found[name]["network"] == f"{name}-net"
        assert found[name]["gateway"] == {"ready": 1, "desired": 1, "reached": [node(mesh, name)]}
        assert found[name]["gateways"][f"{other}-net"] == [node(mesh, other)]
    assert "nothing to do" in mesh.run("up", "--yes").err


def test_a_call_to_the_other_network_passes_its_gateway_with_mtls_from_end_to_end(
    mesh: meshes.Mesh, split: str
) -> None:
    found = nets.until(asked(mesh, works=True), 60.0)

    assert found["answer"] == "east/server"
    told = dict(part.split("=", 1) for part in str(found["identity"]).split(";"))
    assert told["URI"] == f"spiffe://{meshes.DOMAIN}/ns/{meshes.SPACE}/sa/asker"
    assert told["By"] == f"spiffe://{meshes.DOMAIN}/ns/{meshes.SPACE}/sa/server"
    assert list(mesh.proxied("west", meshes.SPACE, "asker")[SENT]) == [node(mesh, "east")]
    passed = mesh.proxied("east", "istio-system", gateway(mesh))[PASSED]
    assert [(place, counts["cx_total"] > 0) for place, counts in passed.items()] == [(f"{split}:8080", True)]


def test_without_the_gateway_nothing_comes_through(mesh: meshes.Mesh, split: str) -> None:
    nets.until(asked(mesh, works=True), 60.0)

    mesh.scale("east", 0)

    nets.until(asked(mesh, works=False), 60.0)
    assert "gateway-off" in [each["code"] for each in mesh.status()["findings"]]
    mesh.scale("east", 1)
    assert nets.until(asked(mesh, works=True), 60.0)["answer"] == "east/server"


def gateway(mesh: meshes.Mesh) -> str:
    """Return the pod of the gateway in east."""
    pods = mesh.get("east", f"{meshes.ISTIO}/pods?labelSelector=istio%3Deastwestgateway")["items"]
    return next(str(each["metadata"]["name"]) for each in pods if nets.ready(each))
