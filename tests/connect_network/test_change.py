"""A new authority under traffic, and a mesh that is taken out and comes back; each leaves it connected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from isthmus.lab.images import catalog
from tests.connect_network import test_trust as agents
from tests.connect_network import worlds
from tests.lab_network import nets

if TYPE_CHECKING:
    from tests.connect_network.conftest import Connected

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("connected"),
]

SETTLE = "90"
"""Seconds: a kubelet brings a changed Secret to a running pod within its sync period of about one minute."""


def ask_on(net: nets.Net, name: str, *targets: str) -> None:
    """Start a pod of the west that asks each target five times a second until it is deleted."""
    asks = "; ".join(f"probe http -timeout 2s {target}" for target in targets)
    container = {
        "name": "main",
        "image": catalog.ref("busybox"),
        "command": ["sh", "-c", f"while true; do {asks}; sleep 0.2; done"],
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    net.api("west").create(worlds.PODS, {"metadata": {"name": name}, "spec": spec})


def answers(net: nets.Net, name: str) -> list[worlds.Json]:
    """Return what came of every try so far."""
    _, text = net.api("west").ask("GET", f"{worlds.PODS}/{name}/log")
    return [json.loads(line) for line in text.decode().splitlines() if line.startswith("{")]


@pytest.mark.long
def test_a_new_authority_takes_the_place_of_the_old_one_and_no_request_is_lost(connected: Connected) -> None:
    net, mesh = connected.net, connected.mesh
    worlds.share(net, "steady")
    address = worlds.serve(net, "east", "steady", "steady")
    old = (mesh.folder / "trust" / "ca.crt").read_bytes()
    service = "http://steady.default.svc.cluster.local/"

    def reached() -> bool:
        return worlds.asked(net, "west", "http", "-count", "1", service)[0].get("answer") == "east/steady"

    nets.until(reached)
    ask_on(net, "asking", f"http://{address}:8080/", service)
    nets.until(lambda: len(answers(net, "asking")) > 10)

    mesh.connect("rotate", "--yes", "--settle", SETTLE)

    seen = answers(net, "asking")
    worlds.remove(net, "west", "asking")
    worlds.remove(net, "east", "steady")
    assert (mesh.folder / "trust" / "ca.crt").read_bytes() != old
    assert len(seen) > 200
    assert [one for one in seen if one.get("answer") != "east/steady"] == []
    for cluster in worlds.CLUSTERS:
        nets.until(lambda each=cluster: agents.whole(net, each))  # type: ignore[misc]  # bound now
    assert mesh.connect("status", "-o", "json").json()["findings"] == []


def test_down_takes_all_out_and_the_clusters_connect_again(connected: Connected) -> None:
    net, mesh = connected.net, connected.mesh

    mesh.connect("down", "--yes")
    bare = mesh.connect("status", "-o", "json", code=1).json()
    left = {cluster: agents.held(net, cluster) for cluster in worlds.CLUSTERS}
    mesh.connect("up", "--yes")

    assert {one["code"] for one in bare["findings"]} == {"not-connected"}
    kept = [name for each in left.values() for name in each if name.startswith("kube-system-")]
    assert [name for name in kept if "cilium" in name or "clustermesh" in name or "hubble" in name] == []
    address = worlds.serve(net, "east", "again", "again")
    nets.until(
        lambda: (
            worlds.asked(net, "west", "http", "-count", "1", f"http://{address}:8080/")[0].get("answer")
            == "east/again"
        )
    )
    worlds.remove(net, "east", "again")
    assert mesh.connect("status", "-o", "json").json()["findings"] == []
