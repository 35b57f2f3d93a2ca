"""What single fields of Kubernetes' policies mean, and what is otherwise under Cilium."""

from __future__ import annotations

import dataclasses

import pytest

from isthmus.address import prefix
from isthmus.model import finding
from isthmus.policy import labels, ports, world
from tests.policy.kubernetes import written

NP, CNP, ANP, BANP = written.VERSIONS
CILIUM = dataclasses.replace(written.HERE, enforcer=world.Enforcer.CILIUM)
OLD = dataclasses.replace(CILIUM, cilium=(1, 18))
WITHIN = prefix.parse("10.0.0.7").first
STAGE = "tier: Admin, priority: 1, subject: {namespaces: {}}"
BLOCK = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"


MODES = {
    "Kubernetes leaves it open: pods and nodes are matched": (written.HERE, (True, True, True)),
    "Cilium matches neither": (CILIUM, (True, False, False)),
    "Cilium that matches pods": (
        dataclasses.replace(CILIUM, cidr_match=frozenset({"pods"})),
        (True, True, False),
    ),
    "Cilium that matches nodes": (
        dataclasses.replace(CILIUM, cidr_match=frozenset({"nodes"})),
        (True, False, True),
    ),
}


@pytest.mark.parametrize("case", MODES)
def test_a_block_of_addresses_reaches_what_the_enforcer_says(case: str) -> None:
    settings, expected = MODES[case]
    found = written.read(written.policy(NP, BLOCK), settings=settings)
    ends = (written.outside(WITHIN), written.pod("b/q", address=WITHIN), written.node(WITHIN))
    verdicts = tuple(written.is_sent(found, written.pod("a/p"), end, settings=settings) for end in ends)
    assert verdicts == expected


PEERS = "{podSelector: {}, ingress: [{from: [{podSelector: %s}]}]}"
KNOWING = f"{{matchExpressions: [{{key: {labels.CLUSTER}, operator: Exists}}]}}"
REACH = {
    "Kubernetes knows one cluster": (written.HERE, PEERS % "{}", False),
    "Cilium before 1.19 means all clusters": (OLD, PEERS % "{}", True),
    "Cilium since 1.19 means its own": (CILIUM, PEERS % "{}", False),
    "a selector that asks for the cluster means what it says": (CILIUM, PEERS % KNOWING, True),
}


@pytest.mark.parametrize("case", REACH)
def test_peers_of_another_cluster_are_reached_as_the_version_says(case: str) -> None:
    settings, spec, expected = REACH[case]
    found = written.read(written.policy(NP, spec), settings=settings)
    here, there = written.pod("a/p"), written.pod("a/p", cluster="other")
    assert written.is_taken(found, here, written.pod("a/q"), settings=settings)
    assert written.is_taken(found, there, written.pod("a/q"), settings=settings) is expected


def test_under_cilium_peers_by_namespace_reach_other_clusters_and_peers_by_pod_do_not() -> None:
    rules = "ingress: [{action: Accept, from: [{%s}]}, {action: Deny, from: [{namespaces: {}}]}]"
    there = written.pod("b/p", cluster="other")
    for peer, expected in (("namespaces: {}", True), ("pods: {podSelector: {}}", False)):
        found = written.read(written.policy(CNP, f"{{{STAGE}, {rules % peer}}}"), settings=CILIUM)
        assert written.is_taken(found, there, written.pod("a/q"), settings=CILIUM) is expected


@pytest.mark.parametrize(
    ("kind", "settings", "is_enforced"),
    [
        (CNP, CILIUM, True),
        (CNP, OLD, False),
        (ANP, CILIUM, False),
        (BANP, CILIUM, False),
        (ANP, written.HERE, True),
    ],
)
def test_what_the_enforcer_does_not_know_is_told_and_does_nothing(
    kind: str, settings: world.Settings, is_enforced: bool
) -> None:
    stage = {CNP: STAGE, ANP: "priority: 1, subject: {namespaces: {}}", BANP: "subject: {namespaces: {}}"}[
        kind
    ]
    spec = f"{{{stage}, ingress: [{{action: Deny, from: [{{namespaces: {{}}}}]}}]}}"
    found = written.read(written.policy(kind, spec, "default"), settings=settings)
    assert bool(found.rules) is is_enforced
    told = [] if is_enforced else [("policy-not-enforced", finding.Severity.WARNING)]
    assert [(each.code, each.severity) for each in found.findings] == told


PORTS = {
    "a number": ("tcp: {destinationPort: {number: 80}}", {80: True, 81: False}),
    "a range": (
        "tcp: {destinationPort: {range: {start: 80, end: 90}}}",
        {79: False, 80: True, 90: True, 91: False},
    ),
    "a whole protocol": ("tcp: {}", {1: True, 65535: True}),
    "another protocol": ("udp: {}", {80: False}),
    "a name": ("destinationNamedPort: http", {8080: True, 80: False}),
}


@pytest.mark.parametrize("case", PORTS)
def test_protocols_of_a_cluster_policy_are_read(case: str) -> None:
    part, expected = PORTS[case]
    spec = (
        f"{{{STAGE}, ingress: [{{action: Accept, from: [{{namespaces: {{}}}}], protocols: [{{{part}}}]}}, "
        "{action: Deny, from: [{namespaces: {}}]}]}"
    )
    found = written.read(written.policy(CNP, spec))
    assert not found.findings
    named = {ports.Named(written.TCP, "http"): 8080}
    end = dataclasses.replace(written.pod("a/q"), names=named)
    assert {port: written.is_taken(found, written.pod("b/p"), end, port) for port in expected} == expected


def test_nodes_are_chosen_by_their_labels_and_no_pod_is_one() -> None:
    spec = f"{{{STAGE}, egress: [{{action: Deny, to: [{{nodes: {{matchLabels: {{rack: %s}}}}}}]}}]}}"
    pod = written.pod("b/p", rack="r1")
    for rack, expected in (("r1", False), ("r2", True)):
        found = written.read(written.policy(CNP, spec % rack))
        assert written.is_sent(found, written.pod("a/p"), written.node(WITHIN)) is expected
        assert written.is_sent(found, written.pod("a/p"), pod)


NAMES = {
    "example.org": ("example.org", True),
    "example.org with another name": ("www.example.org", False),
    "*.example.org": ("www.example.org", True),
    "*.example.org at any depth": ("a.b.example.org", True),
    "*.example.org is not itself": ("example.org", False),
    "*.example.org is not a longer word": ("anexample.org", False),
    "Example.Org. as DNS writes it": ("example.org", True),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_are_the_addresses_that_dns_gave(case: str) -> None:
    answered, expected = NAMES[case]
    settings = dataclasses.replace(written.HERE, answers={answered: (WITHIN,)})
    wanted = case.partition(" ")[0]
    spec = (
        f"{{{STAGE}, egress: [{{action: Accept, to: [{{domainNames: ['{wanted}']}}]}}, "
        "{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}"
    )
    found = written.read(written.policy(CNP, spec), settings=settings)
    assert not found.findings
    assert written.is_sent(found, written.pod("a/p"), written.outside(WITHIN), settings=settings) is expected


TYPES = {
    "{podSelector: {}}": (False, True),
    "{podSelector: {}, egress: []}": (False, True),
    "{podSelector: {}, egress: [{}]}": (False, True),
    "{podSelector: {}, egress: [{to: [{podSelector: {}}]}]}": (False, False),
    "{podSelector: {}, policyTypes: [Egress]}": (True, False),
    "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}]}": (True, False),
    "{podSelector: {}, policyTypes: [], ingress: [{from: []}]}": (True, True),
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}": (True, True),
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}": (True, True),
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]}": (False, True),
}


@pytest.mark.parametrize("spec", TYPES)
def test_directions_are_isolated_as_written_or_by_default(spec: str) -> None:
    found = written.read(written.policy(NP, spec))
    assert not found.findings
    mine, other = written.pod("a/p"), written.pod("b/q")
    assert (written.is_taken(found, other, mine), written.is_sent(found, mine, other)) == TYPES[spec]


def test_any_pod_of_any_namespace_is_nobody_outside() -> None:
    found = written.read(
        written.policy(NP, "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}")
    )
    assert not written.is_taken(found, written.outside(WITHIN), written.pod("a/p"))


def test_tiers_are_asked_in_their_order() -> None:
    deny = "{%s, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
    skip = f"{{{STAGE}, ingress: [{{action: Pass, from: [{{namespaces: {{}}}}]}}]}}"
    admin = written.policy(CNP, deny % "tier: Admin, priority: 5, subject: {namespaces: {}}", "deny")
    passing = written.policy(CNP, skip, "pass")
    base = written.policy(CNP, deny % "tier: Baseline, priority: 0, subject: {namespaces: {}}", "base")
    allow = written.policy(NP, "{podSelector: {}, ingress: [{}]}", "allow")
    ends = written.pod("b/q"), written.pod("a/p")
    expected = [
        ([admin, allow], False),
        ([admin, passing, allow], True),
        ([admin, passing], True),
        ([admin, passing, base], False),
        ([admin, passing, base, allow], True),
        ([base], False),
    ]
    for objects, verdict in expected:
        assert written.is_taken(written.read(*objects), *ends) is verdict
        assert written.is_taken(written.read(*objects[::-1]), *ends) is verdict
