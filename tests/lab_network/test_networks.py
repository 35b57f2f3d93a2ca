"""Regions, paths and addresses of labs with real nodes, as the folder's plan has them; labs side by side."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.cli import labspec
from isthmus.lab import labs, spec, status
from isthmus.lab.network import tools
from tests.lab_network import nets

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("network"),
]

FLEET: dict[str, Any] = {
    "apiVersion": "isthmus.dev/v1alpha1",
    "kind": "Fleet",
    "metadata": {"name": "shop"},
    "spec": {
        "addressing": {
            "pods": {"supernets": ["10.32.0.0/12"]},
            "services": {"supernets": ["10.120.0.0/16"]},
            "nodes": {"supernets": ["172.20.0.0/16"]},
        },
        "paths": [{"between": ["us-west4", "us-east1"], "mtu": 1400}],
        "clusters": [
            {"name": "us-w", "id": 1, "region": "us-west4", "context": "gke-us-w", "nodes": 20},
            {"name": "us-e", "id": 2, "region": "us-east1", "context": "gke-us-e", "nodes": 20, "mtu": 1450},
        ],
    },
}

# Sends a packet that may not be cut, and tells the largest that the way takes, once the way has said so.
ASK = """
import socket, sys, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
line.connect((sys.argv[1], 9))
for _ in range(20):
    try:
        line.send(bytes(line.getsockopt(socket.IPPROTO_IP, 14) - 28))  # IP_MTU, less IP and UDP headers
    except OSError:
        pass
    time.sleep(0.05)
print(line.getsockopt(socket.IPPROTO_IP, 14))
"""


def _largest(namespace: str, address: str) -> int:
    """Return the bytes of the largest packet that passes from a namespace to an address."""
    words = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", ASK, address]
    return int(subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout)


def test_a_folder_gives_contexts_addresses_and_mtu_and_the_wire_has_them(home: Path, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(FLEET))
    words = ["lab", "up", "--name", "shop", "--profile", "network", "-f", str(tmp_path)]

    done = subprocess.run(
        [sys.executable, "-m", "isthmus", *words],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    lab, found = labs.get("shop"), nets.layout_of("shop")
    assert [each["name"] for each in lab.kubeconfig()["contexts"]] == ["gke-us-w", "gke-us-e"]
    west, east = found.places
    addresses = {each["type"]: each["address"] for each in _node(lab, "us-w")["status"]["addresses"]}
    assert addresses["InternalIP"].startswith("172.20.0.")
    assert _node(lab, "us-w")["spec"]["podCIDR"].startswith("10.32.")
    dns = lab.api("us-e").get("/api/v1/namespaces/kube-system/services/kube-dns")
    assert dns["spec"]["clusterIP"] == east.dns_ip
    assert east.dns_ip.startswith("10.120.")
    there, back = west.nodes[0], east.nodes[0]
    assert _largest(there.namespace, back.address) == 1400
    assert _largest(back.namespace, there.address) == 1400
    assert _largest(there.namespace, west.server) == 1500


@pytest.mark.parametrize(("routing", "known"), [("tunnel", False), ("native", True)])
def test_the_network_between_nodes_knows_pods_only_where_the_fleet_routes_them(
    home: Path, tmp_path: Path, routing: str, *, known: bool
) -> None:
    fleet = {**FLEET, "spec": {**FLEET["spec"], "network": {"routing": routing}}}
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(fleet))

    labs.up(labspec.wanted("a", profile="network", clusters=None, nodes=None, source=tmp_path))

    found = nets.layout_of("a")
    for region in found.regions:
        routes = tools.Tools().ask("route", "show", namespace=region.namespace)
        targets = {each["dst"] for each in routes}
        assert all((place.pod_range in targets) is known for place in found.places)


def _node(lab: labs.Lab, cluster: str) -> Any:
    return lab.api(cluster).get(f"/api/v1/nodes/{cluster}-node-1")


def test_nodes_reach_the_api_server_of_another_region_and_nothing_beyond_the_lab(home: Path) -> None:
    labs.up(nets.wanted("a", 2))
    found = nets.layout_of("a")
    node, other = found.places[0].nodes[0], found.places[1]

    assert _connects(node.namespace, other.server, 6443)
    assert not _connects(node.namespace, found.host, 22)
    assert not _connects(node.namespace, _of_this_host(), 22)


def _connects(namespace: str, address: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
    words = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


def _of_this_host() -> str:
    """Return the address that this host would send from, or one that nobody has."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.closing(line), contextlib.suppress(OSError):
        line.connect(("192.0.2.1", 9))  # sends nothing
        return str(line.getsockname()[0])
    return "192.0.2.1"


def test_two_labs_of_the_same_ranges_run_side_by_side_and_one_goes_without_the_other(home: Path) -> None:
    one, other = labs.up(nets.wanted("a")), labs.up(nets.wanted("b"))
    first, second = nets.layout_of("a"), nets.layout_of("b")
    assert first.places[0].node_range == second.places[0].node_range
    assert one.clusters["west"].server != other.clusters["west"].server

    labs.down("a")

    assert nets.traces(home / "none", [first.key]) == []
    assert other.is_up
    assert other.api("west").is_ready()


def test_a_node_is_stopped_and_started_by_itself(home: Path) -> None:
    lab = labs.up(nets.wanted("a"))
    name = lab.clusters["west"].programs[-1]
    assert name == "west-node-1"

    lab.stop("west", name)
    assert not lab.clusters["west"].is_up
    lab.start("west", name)

    assert lab.clusters["west"].is_up
    assert labs.up(lab.spec).is_up
    shown = status.describe("a")["clusters"][0]
    assert [each["state"] for each in shown["programs"]] == ["running"] * 5
    assert shown["memory"] > 2**27  # the node's own programs count as well


def test_a_cluster_may_have_several_nodes(home: Path) -> None:
    lab = labs.up(spec.LabSpec(name="a", profile=spec.NETWORK, clusters=spec.default_clusters(1, 2)))
    first, second = nets.layout_of("a").nodes

    found = lab.api("west").get("/api/v1/nodes")["items"]

    assert [each["metadata"]["name"] for each in found] == ["west-node-1", "west-node-2"]
    assert _connects(first.namespace, second.address, 10250)


def test_a_region_of_two_clusters_is_one_network(home: Path) -> None:
    clusters = tuple(spec.ClusterSpec(name=name, region="here", nodes=1) for name in ("p", "q"))
    labs.up(spec.LabSpec(name="a", profile=spec.NETWORK, clusters=clusters))
    found = nets.layout_of("a")
    one, other = found.places

    assert len(found.regions) == 1
    assert found.paths == ()
    assert _connects(one.nodes[0].namespace, other.nodes[0].address, 10250)
