"""Providers and IPAM: what a node's pods take, what is refused, and which defaults get in the way."""

from __future__ import annotations

import pytest

from isthmus.model import folder
from isthmus.network.ipam import addresses, provider, ranges
from tests.plan import worlds

POOLS = worlds.ADDRESSING
MESH = "  network: {cni: cilium}\n"
ISTIO = "  mesh: {istio: {enabled: true}}\n"


def plan(clusters: list[str], addressing: str = POOLS, more: str = "") -> addresses.Addresses:
    """Plan a Fleet with further lines below its spec."""
    text = worlds.text(*clusters, addressing=addressing).replace("spec:\n", f"spec:\n{more}", 1)
    parsed = folder.parse([("fleet.yaml", text)])
    assert parsed.folder is not None, parsed.findings
    return addresses.plan(parsed.folder)


@pytest.mark.parametrize(
    ("pods", "length"),
    [(1, 28), (8, 28), (9, 27), (16, 27), (17, 26), (32, 26), (33, 25), (64, 25), (65, 24), (110, 24)],
)
def test_gke_gives_a_node_twice_its_pods(pods: int, length: int) -> None:
    assert provider.gke_mask(pods) == length


@pytest.mark.parametrize(
    ("pods", "length", "nodes"),
    [
        ("10.0.0.0/21", 24, 8),
        ("10.0.0.0/20", 25, 32),
        ("10.0.0.0/18", 26, 256),
        ("10.0.0.0/16", 24, 256),
        ("10.0.0.0/16", 25, 512),
        ("10.0.0.0/14", 24, 1024),
        ("10.0.0.0/14", 26, 4096),
    ],
)
def test_the_worked_examples_of_nodes_in_a_pod_range(pods: str, length: int, nodes: int) -> None:
    addressing = f"    pods: {{supernets: [10.0.0.0/10], nodeMask: {length}}}\n"
    planned = plan([f"a 1 nodes: {nodes}, podsPerNode: 60, pods: {pods}"], addressing)
    over = plan([f"a 1 nodes: {nodes + 1}, podsPerNode: 60, pods: {pods}"], addressing)

    assert worlds.told(planned) == []
    assert worlds.told(over) == ["range-too-small"]


@pytest.mark.parametrize(
    ("length", "nodes"),
    [
        (29, 4),
        (28, 12),
        (27, 28),
        (26, 60),
        (25, 124),
        (24, 252),
        (23, 508),
        (22, 1020),
        (21, 2044),
        (20, 4092),
    ],
)
def test_the_worked_examples_of_nodes_in_a_gke_subnet(length: int, nodes: int) -> None:
    subnet = f"10.65.0.0/{length}"
    pinned = f"provider: gcp, nodeRange: {subnet}"

    [planned] = plan([f"a 1 {pinned}, nodes: {nodes}"]).room
    assert (planned.hosts_fit, worlds.told(plan([f"a 1 {pinned}, nodes: {nodes}"]))) == (nodes, [])
    assert "range-too-small" in worlds.told(plan([f"a 1 {pinned}, nodes: {nodes + 1}"]))


@pytest.mark.parametrize(
    ("cluster", "pods", "nodes"),
    [
        ("provider: gcp, nodes: 30, podsPerNode: 32", "10.0.0.0/21", "10.64.0.0/26"),
        ("provider: gcp, nodes: 30, podsPerNode: 110", "10.0.0.0/19", "10.64.0.0/26"),
        ("provider: gcp, nodes: 12, podsPerNode: 110", "10.0.0.0/20", "10.64.0.0/28"),
        ("provider: aws, nodes: 30, podsPerNode: 110, network: {ipam: eni}", "10.0.0.0/20", "10.64.0.0/26"),
        ("provider: aws, nodes: 2, podsPerNode: 16, network: {ipam: vpc-cni}", "10.0.0.0/26", "10.64.0.0/29"),
        ("provider: azure, nodes: 5, podsPerNode: 250, network: {ipam: aks-overlay}", "10.0.0.0/21", None),
        ("provider: aws, nodes: 30", "10.0.0.0/19", None),
    ],
)
def test_sizes_follow_the_provider(cluster: str, pods: str, nodes: str | None) -> None:
    [planned] = plan([f"a 1 {cluster}"]).clusters

    assert planned.text(ranges.Role.PODS) == pods
    assert nodes is None or planned.text(ranges.Role.NODES) == nodes


AKS = "provider: azure, network: {ipam: aks-overlay}"
JUDGED: dict[str, tuple[list[str], str, list[tuple[str, str, str]]]] = {
    "IPAM of another provider": (
        ["a 1 provider: gcp, network: {ipam: eni}"],
        "",
        [("ipam-not-of-provider", "error", "cluster-pool, gke, kubernetes")],
    ),
    "IPAM without a provider": (["a 1 network: {ipam: eni}"], "", []),
    "AKS overlay in a mesh": (
        [f"a 1 {AKS}", "b 2", "c 3"],
        MESH,
        [("pods-unreachable", "error", "BYOCNI")],
    ),
    "AKS overlay alone": ([f"a 1 {AKS}"], MESH, []),
    "AKS overlay without a mesh": ([f"a 1 {AKS}", "b 2", "c 3"], "  network: {cni: none}\n", []),
    "BYOCNI": (["a 1 provider: azure", "b 2", "c 3"], MESH, []),
    "too many pods for AKS": (
        [f"a 1 podsPerNode: 251, {AKS}"],
        "",
        [("pods-per-node", "error", "from 10 to 250")],
    ),
    "too few pods for AKS": (
        [f"a 1 podsPerNode: 9, {AKS}"],
        "",
        [("pods-per-node", "error", "10 to 250 pods")],
    ),
    "EKS services too large": (
        ["a 1 provider: aws, services: 10.128.0.0/9"],
        "",
        [("service-range-refused", "error", "/24 to /12")],
    ),
    "EKS services too small": (
        ["a 1 provider: aws, services: 10.96.0.0/25"],
        "",
        [("service-range-refused", "error", "/24 to /12")],
    ),
    "EKS services not private": (
        ["a 1 provider: aws, services: 100.64.0.0/20"],
        "",
        [("service-range-refused", "error", "RFC 1918")],
    ),
    "AKS services too large": (
        ["a 1 provider: azure, services: 172.16.0.0/12"],
        "",
        [
            ("service-range-refused", "error", "smaller than /12"),
            ("range-reserved", "error", "172.30.0.0/16"),
            ("range-in-use-by-default", "warning", "Docker"),
        ],
    ),
    "AKS services just small enough": (["a 1 provider: azure, services: 10.96.0.0/13"], "", []),
    "what AKS keeps": (
        ["a 1 provider: azure, pods: 172.30.0.0/18"],
        "",
        [("range-reserved", "error", "172.30.0.0/16")],
    ),
    "Docker's bridge": (
        ["a 1 pods: 172.17.0.0/18"],
        "",
        [("range-in-use-by-default", "warning", "add 172.17.0.0/16 to")],
    ),
    "Docker's bridge for many": (
        ["a 1 pods: 172.17.0.0/18", "b 2 pods: 172.17.64.0/18", "c 3"],
        "",
        [("range-in-use-by-default", "warning", "(and 1 more)")],
    ),
    "auto-mode VPC": (
        ["a 1 provider: gcp, pods: 10.128.0.0/18"],
        "",
        [("range-in-use-by-default", "warning", "auto-mode")],
    ),
    "auto-mode VPC elsewhere": (["a 1 provider: aws, pods: 10.128.0.0/18"], "", []),
    "VNet of AKS": (
        ["a 1 provider: azure, pods: 10.224.0.0/18"],
        "",
        [("range-in-use-by-default", "warning", "VNet")],
    ),
    "default VPC of AWS": (
        ["a 1 provider: aws, pods: 172.31.0.0/18"],
        "",
        [("range-in-use-by-default", "info", "default VPC")],
    ),
    "Istio's addresses": (
        ["a 1 pods: 240.240.0.0/18"],
        ISTIO,
        [("range-in-use-by-default", "warning", "ServiceEntries")],
    ),
    "Istio's addresses without Istio": (["a 1 pods: 240.240.0.0/18"], "", []),
    "VPC pods in the nodes' range": (
        ["a 1 provider: aws, pods: 10.65.0.0/18, nodeRange: 10.65.0.0/16, network: {ipam: eni}"],
        "",
        [],
    ),
    "pool pods in the nodes' range": (
        ["a 1 provider: aws, pods: 10.65.0.0/18, nodeRange: 10.65.0.0/16"],
        "",
        [("ranges-overlap", "error", "flat network")],
    ),
    "a shared subnet": (
        ["a 1 vpc: v, nodeRange: 10.65.0.0/16", "b 2 vpc: v, nodeRange: 10.65.0.0/16", "c 3"],
        "",
        [("subnet-shared", "info", "that of 'a'")],
    ),
    "equal nodes in two VPCs": (
        ["a 1 vpc: v, nodeRange: 10.65.0.0/16", "b 2 vpc: w, nodeRange: 10.65.0.0/16", "c 3"],
        "",
        [("ranges-overlap", "error", "flat network")],
    ),
    "equal services by ClusterIP": (
        ["a 1 services: 10.96.0.0/16", "b 2 services: 10.96.0.0/16", "c 3"],
        "  network: {exposure: ClusterIP}\n",
        [("services-overlap", "error", "ClusterIP")],
    ),
    "equal services by one ClusterIP": (
        ["a 1 services: 10.96.0.0/16", "b 2 services: 10.96.0.0/16, network: {exposure: ClusterIP}", "c 3"],
        "",
        [("services-overlap", "error", "ClusterIP")],
    ),
    "equal services": (
        ["a 1 services: 10.96.0.0/16", "b 2 services: 10.96.0.0/16", "c 3"],
        MESH,
        [("services-overlap", "warning", "harmless")],
    ),
    "Cilium's own pod range": (
        ["a 1 pods: 10.0.0.0/8", "b 2 pods: 10.0.0.0/8", "c 3 pods: 192.168.0.0/18"],
        "",
        [("ranges-overlap", "error", "takes in every cluster")] * 9,
    ),
    "underlay of IPv6": (
        ["a 1"],
        "  network: {underlay: ipv6}\n",
        [("wrong-family", "error", "10.64.0.0/29")],
    ),
    "services of another family": (
        ["a 1 services: 'fd00::/108'"],
        "",
        [("families-differ", "error", "no IPv6 pods")],
    ),
    "too few services": (
        ["a 1 services: 10.96.0.0/29"],
        "",
        [("range-too-small", "error", "/28")],
    ),
    "IPv6 node mask too far": (
        ["a 1 pods: 'fd00::/40'"],
        "",
        [("range-too-large", "error", "/48")],
    ),
}


@pytest.mark.parametrize("case", JUDGED)
def test_what_providers_refuse_is_told(case: str) -> None:
    clusters, more, expected = JUDGED[case]
    common = {"ranges-not-pinned", "two-voters", "even-voters"}
    found = [each for each in plan(clusters, more=more).findings if each.code not in common]
    if case == "Cilium's own pod range":
        found = [each for each in found if "takes in every cluster" in each.message][:1]
        expected = expected[:1]

    assert [(each.code, each.severity.value) for each in found] == [
        (code, level) for code, level, _ in expected
    ]
    for each, (_, _, words) in zip(found, expected, strict=True):
        assert words in f"{each.message} → {each.remedy}"
        assert (each.file, (each.line or 0) > 1) == ("fleet.yaml", True)


@pytest.mark.parametrize(
    ("clusters", "told"),
    [
        (["a 1", "b 2", "c 3 pods: 10.1.0.0/16"], "10.0.0.0/8 in every"),
        (["a 1 provider: aws, pods: 10.1.0.0/16", "b 2 pods: 172.20.0.0/18"], "EKS would take 172.20.0.0/16"),
        (["a 1 provider: aws, services: 10.96.0.0/16, pods: 10.1.0.0/16", "b 2 pods: 172.20.0.0/18"], None),
        (["a 1 provider: aws, pods: 10.1.0.0/16", "b 2 pods: 172.21.0.0/18"], None),
        (["a 1 provider: kubeadm, pods: 10.1.0.0/16, nodeRange: 10.97.0.0/24"], "kubeadm would take 10.96"),
    ],
)
def test_defaults_that_would_collide_are_told(clusters: list[str], told: str | None) -> None:
    found = [each for each in plan(clusters, "", MESH).findings if each.code == "default-range-overlaps"]

    assert [told in each.message for each in found if told] == [True] * (told is not None)
    assert bool(found) == (told is not None)


def test_a_mask_that_a_provider_does_not_follow_is_worth_a_word() -> None:
    planned = plan(["a 1 provider: gcp, podsPerNode: 32", "b 2 provider: gcp, podsPerNode: 32", "c 3"])

    [found] = [each for each in planned.findings if each.code == "node-mask-fixed"]
    assert (found.severity.value, found.line) == ("info", 6)
    assert "'a' and 1 more gets a /26" in found.message
