"""Policies that an API server would refuse, or that do not what they seem to: findings with file and line."""

from __future__ import annotations

import pytest

from isthmus.model import finding
from tests.policy.kubernetes import written

NP, CNP, ANP, BANP = written.VERSIONS
ALL = "subject: {namespaces: {}}"
STAGE = "tier: Admin, priority: 1, subject: {namespaces: {}}"
BAD = [
    (NP, "[]", "policy-value", "spec"),
    (NP, "{podselector: {}}", "policy-field", "podselector"),
    (NP, "{podSelector: [a]}", "policy-value", "spec.podSelector"),
    (NP, "{podSelector: {matchLabels: {a: 1}}}", "policy-value", "matchLabels.a"),
    (NP, "{podSelector: {matchExpressions: [{key: a, operator: Is}]}}", "policy-value", "'Is'"),
    (NP, "{podSelector: {matchExpressions: [{key: a, operator: In}]}}", "policy-value", "needs values"),
    (
        NP,
        "{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
        "policy-value",
        "takes no",
    ),
    (NP, "{podSelector: {matchExpressions: [{operator: Exists}]}}", "policy-value", "key"),
    (NP, "{podSelector: {matchExpressions: [{key: a, operator: In, values: [1]}]}}", "policy-value", "text"),
    (NP, "{policyTypes: [Both]}", "policy-value", "'Both'"),
    (NP, "{policyTypes: Ingress}", "policy-value", "policyTypes"),
    (NP, "{ingress: {}}", "policy-value", "spec.ingress"),
    (NP, "{ingress: [7]}", "policy-value", "spec.ingress[0]"),
    (NP, "{ingress: [{form: []}]}", "policy-field", "form"),
    (NP, "{ingress: [{from: [{}]}]}", "policy-value", "spec.ingress[0].from[0]"),
    (NP, "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]}", "policy-value", "10.0.0.1"),
    (NP, "{ingress: [{from: [{ipBlock: {cidr: 300.0.0.0/8}}]}]}", "policy-value", "300.0.0.0/8"),
    (
        NP,
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}",
        "policy-value",
        "11.0.0.0",
    ),
    (
        NP,
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}",
        "policy-value",
        "strictly",
    ),
    (NP, "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}", "policy-value", "beside"),
    (NP, "{ingress: [{ports: [{port: 0}]}]}", "policy-value", "ports[0].port"),
    (NP, "{ingress: [{ports: [{port: 70000}]}]}", "policy-value", "70000"),
    (NP, "{ingress: [{ports: [{port: true}]}]}", "policy-value", "ports[0].port"),
    (NP, "{ingress: [{ports: [{port: '80'}]}]}", "policy-value", "'80'"),
    (NP, "{ingress: [{ports: [{port: a-name-that-is-long}]}]}", "policy-value", "a-name"),
    (NP, "{ingress: [{ports: [{protocol: ICMP}]}]}", "policy-value", "ICMP"),
    (NP, "{ingress: [{ports: [{endPort: 9}]}]}", "policy-value", "endPort"),
    (NP, "{ingress: [{ports: [{port: http, endPort: 9}]}]}", "policy-value", "endPort"),
    (NP, "{ingress: [{ports: [{port: 9, endPort: 8}]}]}", "policy-value", "9-8"),
    (NP, "{policyTypes: [Ingress], egress: [{}]}", "policy-ignored", "Egress"),
    (CNP, "{priority: 1, subject: {namespaces: {}}}", "policy-value", "tier"),
    (CNP, "{tier: Admin, subject: {namespaces: {}}}", "policy-value", "priority"),
    (CNP, "{tier: Admin, priority: 1001, subject: {namespaces: {}}}", "policy-value", "1001"),
    (CNP, "{tier: Admin, priority: 1, subject: {}}", "policy-value", "spec.subject"),
    (CNP, "{tier: Admin, priority: 1, subject: {namespaces: {}, pods: {}}}", "policy-value", "2 fields"),
    (
        CNP,
        f"{{{STAGE}, ingress: [{{action: Allow, from: [{{namespaces: {{}}}}]}}]}}",
        "policy-value",
        "'Allow'",
    ),
    (CNP, f"{{{STAGE}, ingress: [{{action: Deny, from: []}}]}}", "policy-value", "no peer"),
    (
        CNP,
        f"{{{STAGE}, ingress: [{{action: Deny, from: [{{networks: [10.0.0.0/8]}}]}}]}}",
        "policy-field",
        "networks",
    ),
    (CNP, f"{{{STAGE}, egress: [{{action: Deny, to: [{{networks: [10.0.0]}}]}}]}}", "policy-value", "10.0.0"),
    (
        CNP,
        f"{{{STAGE}, egress: [{{action: Accept, to: [{{domainNames: [a b]}}]}}]}}",
        "policy-value",
        "'a b'",
    ),
    (
        CNP,
        f"{{{STAGE}, ingress: [{{action: Deny, from: [{{pods: {{}}}}], protocols: [{{icmp: {{}}}}]}}]}}",
        "policy-field",
        "icmp",
    ),
    (ANP, f"{{{ALL}}}", "policy-value", "priority"),
    (
        ANP,
        f"{{priority: 1, {ALL}, ingress: [{{action: Accept, from: [{{namespaces: {{}}}}]}}]}}",
        "policy-value",
        "'Accept'",
    ),
    (BANP, f"{{{ALL}}}", "policy-value", "default"),
]


@pytest.mark.parametrize(("kind", "spec", "code", "words"), BAD, ids=lambda part: str(part)[:70])
def test_what_an_api_server_refuses_is_told_with_its_place(
    kind: str, spec: str, code: str, words: str
) -> None:
    found = written.read(written.policy(kind, spec)).findings
    assert found[0].code == code
    assert words in found[0].message
    assert {(each.kind, each.name, each.cluster, each.file, each.line) for each in found} == {
        (kind, "p", "c", "p.yaml", 3)
    }


def test_equal_priorities_are_told_and_names_then_decide() -> None:
    rules = "ingress: [{action: %s, from: [{namespaces: {}}]}]"
    objects = [
        written.policy(CNP, f"{{{STAGE}, {rules % action}}}", name)
        for name, action in (("b", "Accept"), ("a", "Deny"))
    ]
    for order in (objects, objects[::-1]):
        found = written.read(*order)
        assert [(each.code, each.severity, each.name) for each in found.findings] == [
            ("policy-order", finding.Severity.WARNING, "b")
        ]
        assert not written.is_taken(found, written.pod("x/p"), written.pod("a/q"))


def test_two_tiers_may_have_the_same_priority() -> None:
    spec = "{tier: %s, priority: 1, subject: {namespaces: {}}}"
    found = written.read(*(written.policy(CNP, spec % tier, tier.lower()) for tier in ("Admin", "Baseline")))
    assert not found.findings


@pytest.mark.parametrize("part", ["ports: [{port: 0}]", "from: [{ipBlock: {cidr: nowhere}}]", "from: [{}]"])
def test_a_broken_part_of_a_network_policy_lets_nothing_through(part: str) -> None:
    found = written.read(written.policy(NP, f"{{podSelector: {{}}, ingress: [{{{part}}}]}}"))
    assert not written.is_taken(found, written.pod("x/p"), written.pod("a/q"))
    assert written.is_taken(found, written.pod("x/p"), written.pod("b/q"))


@pytest.mark.parametrize("action", ["Accept", "Deny", "Pass"])
def test_a_peer_of_a_newer_version_fails_closed(action: str) -> None:
    odd = f"{{action: {action}, from: [{{galaxies: {{}}}}]}}"
    rules = f"ingress: [{odd}, {{action: Deny, from: [{{namespaces: {{}}}}]}}]"
    found = written.read(written.policy(CNP, f"{{{STAGE}, {rules}}}"))
    assert [each.code for each in found.findings] == ["policy-field", "policy-value"]
    # An accept that nobody understands accepts nothing; a deny or a pass denies what no later rule would.
    assert not written.is_taken(found, written.pod("x/p"), written.pod("a/q"))
    assert written.is_taken(found, written.outside(5), written.pod("a/q")) is (action == "Accept")
