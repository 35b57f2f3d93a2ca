"""What is pinned or asked for, and what the plan says of it: (code, line of fleet.yaml, words)."""

from __future__ import annotations

import pytest

from tests.plan import worlds

PLAIN = "    pods: {supernets: [10.0.0.0/10]}\n"

CASES: dict[str, tuple[list[str], str, list[tuple[str, int, str]]]] = {
    "pods over pods": (
        ["a 1 pods: 10.1.0.0/16", "b 2 pods: 10.1.128.0/17"],
        "",
        [("ranges-overlap", 7, "10.1.0.0/16, the pods of 'a' (fleet.yaml:6)")],
    ),
    "pods over nodes of another": (
        ["a 1 pods: 10.1.0.0/16", "b 2 nodeRange: 10.1.3.0/24"],
        "",
        [("ranges-overlap", 7, "flat network")],
    ),
    "within a cluster": (
        ["a 1 'pods': 10.1.0.0/16, services: 10.1.0.0/20"],
        "",
        [("ranges-overlap", 6, "hide a pod")],
    ),
    "services over pods of another": (
        ["a 1 services: 10.1.0.0/20", "b 2 pods: 10.1.0.0/16"],
        "",
        [("ranges-overlap", 7, "hide a pod")],
    ),
    "equal services": (
        ["a 1 services: 10.96.0.0/12", "b 2 services: 10.96.0.0/12"],
        "",
        [("services-overlap", 7, "harmless")],
    ),
    "apart": (["a 1 pods: 10.1.0.0/16", "b 2 pods: 10.2.0.0/16"], "", []),
    "IPv6 over IPv6": (
        ["a 1 pods: 'fd00::/48'", "b 2 pods: 'fd00::/56'"],
        "",
        [("ranges-overlap", 7, "fd00::/48")],
    ),
    "pods of two families": (
        ["a 1 pods: 'fd00::/48'", "b 2 pods: 10.1.0.0/16", "c 3 pods: 10.2.0.0/16"],
        "",
        [("families-apart", 6, "the pods of 'a' have IPv6 alone and those of 'b' IPv4 alone")],
    ),
    "pods of one family and of both": (
        ["a 1 pods: 'fd00::/48,10.3.0.0/16'", "b 2 pods: 10.1.0.0/16", "c 3 pods: 'fd01::/48'"],
        "",
        [("families-apart", 7, "give the pods of both IPv6")],
    ),
    "avoided": (
        ["a 1 pods: 172.17.0.0/16"],
        "    avoid: [172.16.0.0/12]\n",
        [("range-avoided", 8, "172.16.0.0/12")],
    ),
    "reserved": (
        ["a 1 pods: 127.0.0.0/16"],
        "",
        [("range-reserved", 6, "the pods of 'a', overlaps 127.0.0.0/8, which is reserved (loopback)")],
    ),
    "a supernet twice": (
        ["a 1"],
        "    pods: {supernets: [10.0.0.0/10, 10.0.0.0/10]}\n",
        [("supernets-overlap", 6, "take one of them out")],
    ),
    "a supernet in another of its role": (
        ["a 1"],
        "    pods: {supernets: [10.1.0.0/16, 10.0.0.0/10]}\n",
        [("supernets-overlap", 6, "take 10.1.0.0/16 out")],
    ),
    "reserved IPv6": (
        ["a 1"],
        "    pods: {supernets: ['fe80::/48']}\n",
        [("range-reserved", 6, "for example from fd00::/8"), ("address-space-full", 8, "add fd00::")],
    ),
    "too few addresses, in words": (
        ["a 1 nodes: 3, pods: 10.1.0.0/24"],
        "",
        [("range-too-small", 6, "has 1 block /24 for nodes, and 3 nodes need 3")],
    ),
    "many clusters with too many pods": (
        ["a 1 podsPerNode: 300", "b 2 podsPerNode: 300", "c 3 podsPerNode: 300"],
        PLAIN,
        [("node-block-too-small", 8, "for pods in 'a' (as in 2 more), and 300 pods are wanted")],
    ),
    "a default of nobody who has asked": (
        ["a 1 nodes: 9, provider: aws", "b 2 nodes: 9, provider: aws"],
        "    pods: {supernets: [10.100.0.0/20]}\n    services: {supernets: [10.200.0.0/20]}\n",
        [("address-space-full", 10, "the pods of 'b'"), ("address-space-full", 10, "the services of 'b'")],
    ),
    "too few blocks": (
        ["a 1 nodes: 30, growth: 3, pods: 10.1.0.0/18"],
        "",
        [("range-too-small", 6, "pin a /17")],
    ),
    "enough blocks": (["a 1 nodes: 30, growth: 3, pods: 10.1.0.0/17"], "", []),
    "too few node addresses": (
        ["a 1 nodes: 30, nodeRange: 10.1.0.0/27"],
        "",
        [("range-too-small", 6, "need 30 and 5")],
    ),
    "too many pods for a block": (
        ["a 1 podsPerNode: 300"],
        PLAIN,
        [("node-block-too-small", 8, "nodeMask: 23")],
    ),
    "just as many pods": (["a 1 podsPerNode: 254"], PLAIN, []),
    "one pod too many": (["a 1 podsPerNode: 255"], PLAIN, [("node-block-too-small", 8, "nodeMask: 23")]),
    "full": (
        ["a 1 nodes: 200", "b 2 nodes: 200", "c 3"],
        "    pods: {supernets: [10.0.0.0/15, 10.9.0.0/24]}\n",
        [("address-space-full", 10, "the largest free block is /24")],
    ),
    "supernets that share": (
        ["a 1"],
        "    pods: {supernets: [10.0.0.0/10]}\n    nodes: {supernets: [10.1.0.0/16]}\n",
        [("supernets-overlap", 7, "10.0.0.0/10 for pods"), ("address-space-full", 9, "nothing is free")],
    ),
    "two families": (
        ["a 1"],
        "    pods: {supernets: [10.0.0.0/10, 'fd00::/48']}\n",
        [],
    ),
    "mask of the other family": (
        ["a 1"],
        "    pods: {supernets: [10.0.0.0/10], nodeMask: 64}\n",
        [("wrong-mask", 6, "at most 30")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_problem_is_told_once_where_it_can_be_changed(case: str) -> None:
    clusters, addressing, expected = CASES[case]
    planned = worlds.plan(*clusters, addressing=addressing)
    common = {"ranges-not-pinned", "two-voters"}
    findings = [each for each in planned.findings if each.code not in common]

    assert [(each.code, each.line) for each in findings] == [(code, line) for code, line, _ in expected]
    for each, (_, _, words) in zip(findings, expected, strict=True):
        assert words in f"{each.message} → {each.remedy}"
        assert each.file == "fleet.yaml"


def test_ranges_that_only_the_plan_knows_are_worth_a_word() -> None:
    planned = worlds.plan("a 1", "b 2", "c 3 pods: 10.9.0.0/16")

    [found] = [each for each in planned.findings if each.severity.value == "info"]
    assert (found.code, found.cluster) == ("ranges-not-pinned", None)
    assert "a, b, c" in found.message


def test_many_equal_ranges_give_one_finding_each_and_not_one_for_each_pair() -> None:
    clusters = [f"c{number} {number} pods: 10.0.0.0/16" for number in range(1, 101)]

    assert len(worlds.plan(*clusters, addressing="").findings) == 99 + 1  # and the even number of voters
