"""Requests of Istio's own integration tests with what they saw (facts, transcribed)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.address import prefix
from isthmus.policy import labels, layer7, world
from isthmus.policy.istio import attach, decide, model, read
from tests.policy.istio import meshes

HERE = Path(__file__).parents[4] / "shared" / "data" / "istio-authz"
FILE = HERE / "authz_requests.json"
SCENARIOS: list[dict[str, Any]] = json.loads(FILE.read_text())["scenarios"] if FILE.exists() else []
REQUESTS = [(scenario, case) for scenario in SCENARIOS for case in scenario["requests"]]

pytestmark = pytest.mark.skipif(not SCENARIOS, reason="../shared/data/istio-authz is missing")


def endpoint(facts: dict[str, Any], mesh: world.Mesh) -> world.Endpoint:
    place = {labels.NAMESPACE: facts["namespace"], labels.CLUSTER: "one"}
    addresses = (prefix.parse(facts["ip"]).first,) if "ip" in facts else ()
    name = facts.get("service") or facts["service_account"]
    own = {**facts.get("labels", {}), **place}
    account = facts.get("service_account")
    return world.Endpoint("one", facts["namespace"], name, "Pod", own, addresses, account=account, mesh=mesh)


def source(facts: dict[str, Any]) -> world.Endpoint:
    if facts.get("external"):
        return meshes.outside(facts.get("remote_ip", "192.0.2.1"))
    if facts.get("via") == "ingress-gateway":
        return meshes.pod("istio-system/istio-ingressgateway")
    return endpoint(facts, world.Mesh.SIDECAR if facts["mtls"] else world.Mesh.NONE)


def asked(facts: dict[str, Any]) -> layer7.Request | None:
    if facts["protocol"] == "tcp":
        return None
    token = facts.get("jwt")
    return layer7.Request(
        method=facts["method"],
        path=facts["path"],
        host=facts["host"],
        headers=tuple(facts.get("headers", {}).items()),
        token=("valid" if token["valid"] else "invalid") if token else None,
        claims=tuple(token["claims"].items()) if token else (),
    )


def known(scenario: dict[str, Any]) -> model.Policies:
    mesh = scenario["mesh"]
    settings = world.Settings(
        cluster="one", root_namespace=mesh["root_namespace"], trust_domain=mesh["trust_domain"]
    )
    found = read.read(meshes.objects((HERE / scenario["policies"]).read_text()), settings)
    assert not found.findings
    return found


@pytest.mark.parametrize(("scenario", "case"), REQUESTS, ids=[case["id"] for _, case in REQUESTS])
def test_a_request_of_the_suite(scenario: dict[str, Any], case: dict[str, Any]) -> None:
    facts, destination = case["request"], scenario["destination"]
    call = decide.Call(
        source=source(case["source"]),
        destination=endpoint(destination, world.Mesh.SIDECAR),
        port=facts["port"],
        is_http=facts["protocol"] != "tcp",
        request=asked(facts),
        service_port=facts["service_port"],
        served=(attach.Served(destination["namespace"], destination["service"]),),
    )
    found = decide.decide(call, {"one": known(scenario)})
    assert found.verdict.value == case["expect"], found.sentences
    if case["http_status"] is not None:
        assert found.status == case["http_status"], found.sentences
