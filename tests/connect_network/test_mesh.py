"""`isthmus connect up` on real nodes: real Cilium, real ClusterMesh, real packets between clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connect_network import worlds
from tests.lab_network import nets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.connect_network.conftest import Connected

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("connected"),
]

HEADERS = 28
"""Bytes of IPv4 and UDP."""
PODS = 1450
"""Bytes of a pod's packet where 1500 pass in VXLAN (Cilium 1.20 pkg/mtu/mtu.go: 50 of headers)."""


@pytest.fixture
def echo(connected: Connected) -> Iterator[str]:
    """A pod of the east that answers, by its address."""
    yield worlds.serve(connected.net, "east", "echo", "echo")
    worlds.remove(connected.net, "east", "echo")


def test_up_makes_nodes_ready_and_status_finds_nothing_wrong(connected: Connected) -> None:
    assert all(nets.ready(connected.net.node(cluster)) for cluster in worlds.CLUSTERS)

    status = connected.mesh.connect("status", "-o", "json").json()

    assert "succeeded" in connected.first.said
    assert {one["cluster"]: one["agents"] for one in status["clusters"]} == {
        cluster: {"ready": 1, "desired": 1} for cluster in worlds.CLUSTERS
    }
    assert status["findings"] == []


def test_a_second_up_has_nothing_to_do(connected: Connected) -> None:
    assert "nothing to do" in connected.mesh.connect("up", "--yes").said


@pytest.mark.parametrize("words", [("http", "http://{}:8080/"), ("tcp", "{}:9000"), ("udp", "{}:9001")])
def test_a_pod_of_one_cluster_is_answered_by_a_pod_of_the_other(
    connected: Connected, echo: str, words: tuple[str, str]
) -> None:
    protocol, target = words

    def answer() -> str:
        # The other cluster hears of a new pod through two etcds.
        (one,) = worlds.asked(connected.net, "west", protocol, "-count", "1", target.format(echo))
        return str(one.get("answer", ""))

    assert nets.until(answer).startswith("east/echo")


def test_the_largest_packet_between_clusters_is_the_planned_one(connected: Connected, echo: str) -> None:
    nets.until(
        lambda: worlds.asked(connected.net, "west", "tcp", "-count", "1", f"{echo}:9000")[0].get("answer")
    )
    sizes = {"fits": PODS - HEADERS, "does not fit": PODS - HEADERS + 1}

    seen = {
        what: worlds.asked(
            connected.net, "west", "udp", "-count", "1", "-timeout", "2s", "-size", str(size), f"{echo}:9001"
        )
        for what, size in sizes.items()
    }

    assert seen["fits"][0].get("answer") == f"east/echo {sizes['fits']}", seen
    assert seen["does not fit"][0].get("error"), seen


def test_a_global_service_goes_on_with_the_other_cluster_when_its_own_backend_is_gone(
    connected: Connected,
) -> None:
    net = connected.net
    worlds.share(net, "shop")
    for cluster in worlds.CLUSTERS:
        worlds.serve(net, cluster, "shop", "shop")

    def answers() -> set[str]:
        # A name of the cluster's own DNS, as an application has it.
        tries = worlds.asked(net, "west", "http", "-count", "20", "http://shop.default.svc.cluster.local/")
        return {each.get("answer", "nobody") for each in tries}

    assert nets.until(lambda: answers() == {"west/shop", "east/shop"})
    worlds.remove(net, "west", "shop")
    assert nets.until(lambda: answers() == {"east/shop"})
    worlds.remove(net, "east", "shop")


def test_an_mtu_of_the_fleet_reaches_the_pods_and_goes_back(connected: Connected) -> None:
    read = ["cat", "/sys/class/net/eth0/mtu"]
    before = connected.net.run("west", "mtu-before", read)

    connected.mesh.write(mtu=1400)
    connected.mesh.connect("up", "--yes")
    after = connected.net.run("west", "mtu-after", read)

    del connected.mesh.network["mtu"]
    connected.mesh.write()
    connected.mesh.connect("up", "--yes")
    assert (before, after) == ((0, "1500\n"), (0, "1400\n"))
