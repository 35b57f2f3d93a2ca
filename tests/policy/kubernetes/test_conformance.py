"""Verdicts of the conformance tests of NetworkPolicy: every ordered pair of pods, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.policy import decide, ports, rule, world
from tests.policy import suites

SUITE: dict[str, Any] = suites.load(suites.E2E / "cases.json")
CASES: list[dict[str, Any]] = SUITE.get("cases", [])

pytestmark = pytest.mark.skipif(not CASES, reason="../shared/data/k8s-netpol-e2e is missing")

PORTS = [
    {"containerPort": port, "protocol": protocol, "name": f"serve-{port}-{protocol.lower()}"}
    for port in (80, 81)
    for protocol in ("TCP", "UDP", "SCTP")
]


def pod(title: str, labels: dict[str, str]) -> world.Object:
    namespace, _, name = title.partition("/")
    return world.Object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "c", "ports": PORTS}]},
            "status": {"podIP": SUITE["model"]["pod_ips"][title]},
        }
    )


def space(name: str, labels: dict[str, str]) -> world.Object:
    return world.Object(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']} {case['name']}")
def test_every_pair_has_the_verdict_of_the_conformance_test(case: dict[str, Any]) -> None:
    for step in case["steps"]:
        spaces = SUITE["model"]["namespaces"]
        objects = [space(name, step["namespace_labels"].get(name, spaces[name])) for name in spaces]
        objects += [
            pod(title, step["pod_labels"].get(title, {"pod": title.partition("/")[2]}))
            for title in case["pods"]
        ]
        objects += [world.Object(policy) for policy in step["policies"]]
        known, rules = suites.judged(objects)
        book = decide.Book(suites.SETTINGS, rules)
        pods = {f"{each.namespace}/{each.name}": each for each in known.endpoints}
        protocol = ports.Protocol(step["protocol"].lower())
        assert not rules.findings
        for verdict in step["verdicts"]:
            ask = decide.Ask(pods[verdict["src"]], pods[verdict["dst"]], protocol, step["port"])
            is_allowed = all(book.decide(direction, ask).is_allowed for direction in rule.Direction)
            assert is_allowed is (verdict["expect"] == "allow"), verdict
