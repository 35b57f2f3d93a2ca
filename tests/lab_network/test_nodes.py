"""A node is a real one: Cilium by its unmodified chart makes it Ready, and pods on it reach each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs
from isthmus.lab.network import groups
from tests.lab_network import nets

if TYPE_CHECKING:
    from tests.lab_network.nets import Net

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("network"),
]


def _remove(net: Net, name: str) -> None:
    net.api("west").delete(f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0")
    nets.until(lambda: "metadata" not in net.pod("west", name))


def test_a_node_is_ready_with_its_planned_address_and_the_kubelet_that_the_lab_built(net: Net) -> None:
    node = net.node("west")

    assert nets.ready(node)
    assert not node["spec"].get("taints")
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36")
    addresses = {each["type"]: each["address"] for each in node["status"]["addresses"]}
    assert addresses["InternalIP"] == net.layout.by_cluster["west"].nodes[0].address
    assert node["metadata"]["labels"]["topology.kubernetes.io/region"] == "west"


def test_a_pod_reaches_another_by_address_and_the_api_server_by_its_service(net: Net) -> None:
    address = net.serve("west", "server")

    code, text = net.run("west", "client", ["probe", "http", f"http://{address}:8080/"])
    service = net.layout.by_cluster["west"].service_ip
    opened, words = net.run("west", "caller", ["sh", "-c", f"echo | nc -w 3 {service} 443"])

    _remove(net, "server")
    assert code == 0, text
    assert json.loads(text.splitlines()[0])
    assert opened == 0, words


def test_a_name_of_a_service_is_resolved(net: Net) -> None:
    nets.until(lambda: net.are_ready("west"))

    code, text = net.run("west", "asker", ["nslookup", "kubernetes.default.svc.cluster.local"])

    assert code == 0, text
    assert net.layout.by_cluster["west"].service_ip in text


def test_an_mtu_that_helm_changes_is_that_of_new_pods(net: Net) -> None:
    read = ["cat", "/sys/class/net/eth0/mtu"]
    before = net.run("west", "before", read)

    net.install("west", {"MTU": 1350})
    after = net.run("west", "after", read)

    net.install("west")
    assert before == (0, "1500\n")
    assert after == (0, "1350\n")


def test_nothing_of_the_host_changes_when_a_node_writes_to_it(net: Net) -> None:
    panic = Path("/proc/sys/kernel/panic").read_text()
    root = net.lab.clusters["west"].folder / "nodes/west-node-1/root"

    assert (
        root / "etc/cni/net.d"
    ).is_dir() is False  # an overlay of the node holds it, not the root's folder
    assert (root.parent / "upper/etc/cni/net.d").is_dir()
    assert not Path("/etc/cni/net.d/05-cilium.conflist").exists()
    assert not Path("/opt/cni/bin/cilium-cni").exists()
    assert not list(Path("/sys/fs/bpf").glob("cilium*"))
    assert panic == Path("/proc/sys/kernel/panic").read_text()


def test_a_killed_node_ends_with_all_its_containers_and_comes_back(net: Net) -> None:
    node = net.layout.by_cluster["west"].nodes[0]
    net.serve("west", "server")

    net.lab.kill("west", node.name)
    nets.until(lambda: not _processes(node.group))
    labs.up(net.lab.spec)

    nets.until(lambda: nets.ready(net.node("west")) and not net.node("west")["spec"].get("taints"))
    nets.until(lambda: net.are_ready("west"))
    _remove(net, "server")
    address = net.serve("west", "server")
    code, text = net.run("west", "client", ["probe", "http", f"http://{address}:8080/"])
    _remove(net, "server")
    assert code == 0, text


def _processes(group: str) -> list[str]:
    return [
        pid
        for hierarchy in groups.hierarchies()
        for file in (hierarchy.path / group).rglob("cgroup.procs")
        for pid in file.read_text().split()
    ]
