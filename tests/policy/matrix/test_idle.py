"""Policies that speak of nobody are told, once each."""

from __future__ import annotations

import pytest

from isthmus.model.finding import Severity
from isthmus.policy import idle
from isthmus.policy.kubernetes import rules
from isthmus.policy.manifests import cluster, text

POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: a}}\n"
    "spec: {containers: [{name: c, ports: [{name: web, containerPort: 80}]}]}"
)
CASES = {
    "{podSelector: {matchLabels: {app: b}}}": (Severity.WARNING, "selects no pod"),
    "{ingress: [{}, {from: [{podSelector: {matchLabels: {app: b}}}]}]}": (Severity.INFO, "spec.ingress[1]"),
    "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}": (
        Severity.INFO,
        "spec.ingress[0]",
    ),
    "{ingress: [{ports: [{port: http}]}]}": (Severity.INFO, "spec.ingress[0]"),
    "{egress: [{to: [{podSelector: {}}], ports: [{port: http}]}]}": (Severity.INFO, "spec.egress[0]"),
    "{podSelector: {matchLabels: {app: a}}}": None,
    "{ingress: [{ports: [{port: web}]}]}": None,
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {app: a}}}]}]}": None,
    "{egress: [{to: [{podSelector: {}}], ports: [{port: web}, {port: http}]}]}": None,
}


def told(spec: str, *documents: str) -> list[tuple[Severity, str]]:
    policy = f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: n}}\nspec: {spec}"
    objects, _ = text.objects([("a.yaml", "\n---\n".join((*documents, policy)))])
    known, _ = cluster.read({"c": objects}, {})
    found = idle.check(known, rules.read(known.policies["c"], known.settings["c"]), "c")
    assert {each.file for each in found} <= {"a.yaml"}
    return [(each.severity, each.message) for each in found]


@pytest.mark.parametrize("spec", CASES)
def test_what_selects_nobody_is_told(spec: str) -> None:
    expected = CASES[spec]
    found = told(spec, POD)
    assert len(found) == (expected is not None)
    if expected is not None:
        assert found[0][0] is expected[0]
        assert expected[1] in found[0][1]


def test_policies_alone_are_compared_with_nothing() -> None:
    assert not told("{podSelector: {matchLabels: {app: b}}}")
