"""What a remedy says is done to the letter, and the finding is gone and no error has come."""

from __future__ import annotations

import pytest

from isthmus.model import finding, folder
from isthmus.network import plan

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10]}
    services: {supernets: [10.96.0.0/16]}
    nodes: {supernets: [10.64.0.0/16]}
  network: {version: '1.20'}
  mesh: {istio: {version: '1.29', trustDomain: shop.local}}
  clusters:
  - {name: west, id: 1, region: w, nodes: 9, growth: 2}
  - {name: east, id: 2, region: e, nodes: 9, growth: 2}
  - {name: mid, id: 3, region: m, nodes: 9, growth: 2}
"""
Edit = tuple[str, str]
CASES: dict[str, tuple[list[Edit], str, str, list[Edit]]] = {
    # what is wrong, the code, words of the remedy, and what they say done
    "wider": (
        [("10.0.0.0/10", "10.0.0.0/18")],
        "address-space-full",
        "write 10.0.0.0/17 for 10.0.0.0/18 in `addressing.pods.supernets`",
        [("10.0.0.0/18", "10.0.0.0/17")],
    ),
    "another": (
        [("10.0.0.0/10", "10.0.0.0/19")],
        "address-space-full",
        "add 10.0.64.0/18 to `addressing.pods.supernets`",
        [("[10.0.0.0/19]", "[10.0.0.0/19, 10.0.64.0/18]")],
    ),
    "smaller blocks": (
        [("[10.0.0.0/10]", "[10.0.0.0/10], nodeMask: 9")],
        "address-space-full",
        "or write `nodeMask: 25` in `addressing.pods`",
        [("nodeMask: 9", "nodeMask: 25")],
    ),
    "a node's block": (
        [("[10.0.0.0/10]", "[10.0.0.0/10], nodeMask: 26")],
        "node-block-too-small",
        "write `nodeMask: 25`",
        [("nodeMask: 26", "nodeMask: 25")],
    ),
    "fewer nodes": (
        [("east, id: 2, region: e, nodes: 9, growth: 2", "east, id: 2, region: e, nodes: 90000")],
        "address-space-full",
        "plan 'east' for 8192 nodes in all",
        [("nodes: 90000", "nodes: 8192")],
    ),
    "a mask": (
        [("[10.96.0.0/16]", "[10.96.0.0/16], mask: 30")],
        "wrong-mask",
        "write at most 28",
        [("mask: 30", "mask: 28")],
    ),
    "a supernet in a supernet": (
        [("[10.0.0.0/10]", "[10.0.0.0/10, 10.1.0.0/16]")],
        "supernets-overlap",
        "take 10.1.0.0/16 out",
        [(", 10.1.0.0/16", "")],
    ),
    "a pinned range": (
        [("region: e,", "region: e, pods: 10.1.0.0/24,")],
        "range-too-small",
        "pin a /19 or larger",
        [("10.1.0.0/24", "10.1.0.0/19")],
    ),
    "a range over another": (
        [("region: e,", "region: e, pods: 10.1.0.0/19,"), ("region: m,", "region: m, pods: 10.1.0.0/19,")],
        "ranges-overlap",
        "take `pods` out",
        [("region: m, pods: 10.1.0.0/19,", "region: m,")],
    ),
    "somebody's default": (
        [("10.0.0.0/10", "172.17.0.0/17, 172.18.0.0/16")],
        "range-in-use-by-default",
        "add 172.17.0.0/16 to `addressing.avoid`",
        [("  network:", "    avoid: [172.17.0.0/16]\n  network:")],
    ),
    "all space is somebody's default": (
        [("10.96.0.0/16", "10.200.0.0/16"), ("region: e,", "region: e, provider: gcp,")],
        "range-in-use-by-default",
        "for example `addressing.services.supernets: [10.65.0.0/16]`",
        [("10.200.0.0/16", "10.65.0.0/16")],
    ),
    "reserved": (
        [("10.0.0.0/10", "127.0.0.0/10")],
        "range-reserved",
        "for example from 10.0.0.0/8",
        [("127.0.0.0/10", "10.0.0.0/10")],
    ),
    "two voters": (
        [("  - {name: mid, id: 3, region: m, nodes: 9, growth: 2}\n", "")],
        "two-voters",
        "add `witness: {context: NAME}`",
        [("  clusters:", "  witness: {context: ops}\n  clusters:")],
    ),
    "an id over the limit": (
        [("id: 3", "id: 300")],
        "cluster-id-over-max",
        "write `network: {maxConnectedClusters: 511}`",
        [("{version: '1.20'", "{maxConnectedClusters: 511, version: '1.20'")],
    ),
    "an id that clashes": (
        [
            ("id: 3", "id: 130, network: {ipam: eni}, provider: aws"),
            ("{version: '1.20'", "{routing: native, version: '1.20'"),
        ],
        "cluster-id-clashes",
        "use an id from 1 to 127",
        [("id: 130", "id: 127")],
    ),
    "ENI in a tunnel": (
        [("region: e,", "region: e, provider: aws, network: {ipam: eni},")],
        "ipam-needs-native-routing",
        "write `routing: native` in `network` of the Fleet",
        [("{version: '1.20'", "{routing: native, version: '1.20'")],
    ),
    "maxConnectedClusters": (
        [("{version: '1.20'", "{maxConnectedClusters: 300, version: '1.20'")],
        "max-connected-clusters",
        "write 255, or 511",
        [("300", "255")],
    ),
    "an MTU": (
        [("{version: '1.20'", "{mtu: 9001, version: '1.20'")],
        "mtu-too-large",
        "write `mtu: 1500`",
        [("mtu: 9001", "mtu: 1500")],
    ),
    "a mixed datapath": (
        [("region: e,", "region: e, network: {encapsulation: geneve},")],
        "mixed-encapsulation",
        "once for the Fleet, and none in clusters",
        [
            ("network: {encapsulation: geneve}, ", ""),
            ("{version: '1.20'", "{encapsulation: geneve, version: '1.20'"),
        ],
    ),
    "a path of nothing": (
        [("  clusters:", "  paths: [{between: [w, e]}]\n  clusters:")],
        "path-says-nothing",
        "write its `mtu`",
        [("[w, e]", "[w, e], mtu: 1500")],
    ),
    "the pods of AKS CNI Overlay": (
        [("region: e,", "region: e, provider: azure, network: {ipam: aks-overlay},")],
        "pods-unreachable",
        "write `ipam: cluster-pool`",
        [("aks-overlay", "cluster-pool")],
    ),
    "ambient": (
        [("{version: '1.29'", "{mode: ambient, version: '1.26'")],
        "ambient-too-old",
        "use Istio 1.29 or newer",
        [("'1.26'", "'1.29'")],
    ),
    "an underlay that nodes have not": (
        [("{version: '1.20'", "{underlay: ipv6, version: '1.20'")],
        "wrong-family",
        "or write `underlay: ipv4`",
        [("underlay: ipv6", "underlay: ipv4")],
    ),
    "a version of nobody": (
        [("'1.20'", "'99.1'")],
        "cilium-version-unknown",
        "1.13 or a later 1.x",
        [("'99.1'", "'1.13'")],
    ),
}


def edited(text: str, edits: list[Edit]) -> str:
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    return text


def judged(text: str) -> list[finding.Finding]:
    parsed = folder.parse([("fleet.yaml", text)])
    assert parsed.folder is not None, parsed.findings
    return [*parsed.findings, *plan.plan(parsed.folder).findings]


def test_a_plain_fleet_says_little() -> None:
    found = judged(FLEET)
    assert {each.severity for each in found} <= {finding.Severity.INFO}
    assert len(found) <= 3


@pytest.mark.parametrize("case", CASES)
def test_what_the_remedy_says_takes_the_finding_away(case: str) -> None:
    wrong, code, words, right = CASES[case]
    text = edited(FLEET, wrong)
    told = [each for each in judged(text) if each.code == code]
    assert any(words in each.remedy for each in told), told

    after = judged(edited(text, right))

    assert code not in {each.code for each in after}
    assert not finding.has_errors(after), after
