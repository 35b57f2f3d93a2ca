"""Verdicts that Cilium's own tests expect (facts, transcribed): connectivity tests and pkg/policy."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.policy import layer7, ports, rule, world
from isthmus.policy.cilium import entities, translate
from tests.policy.cilium import ground

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "cilium-policy"
FILE = FOLDER / "cases.json"
SUITE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
CASES: list[dict[str, Any]] = [each for each in SUITE.get("cases", ()) if not each["id"].endswith("-knp")]
"""Those of NetworkPolicy are asked where that is read."""

pytestmark = pytest.mark.skipif(not CASES, reason="../shared/data/cilium-policy is missing")


def _pod(fact: dict[str, Any]) -> world.Endpoint:
    names = {
        ports.Named(ports.Protocol(port["protocol"].lower()), name): port["port"]
        for name, port in fact["named_ports"].items()
    }
    return ground.pod(
        fact["name"], fact["labels"], namespace=fact["namespace"], cluster=fact["cluster"],
        account=fact["service_account"], names=names, address=fact["ip"],
    )  # fmt: skip


def _endpoints(case: dict[str, Any]) -> dict[str, world.Endpoint]:
    model = SUITE["model"]
    outside = {name: ground.outside(fact["ip"]) for name, fact in model["external_endpoints"].items()}
    reserved = {
        name: entities.named(fact["entity"], cluster=ground.LOCAL, addresses=(ground.place(fact["ip"]),))
        for name, fact in model["reserved"].items()
    }
    return outside | reserved | {name: _pod(fact) for name, fact in case["endpoints"].items()}


def _request(flow: dict[str, Any]) -> layer7.Request | None:
    http = flow.get("http") or {}
    if not http and not flow.get("sni"):
        return None
    headers = tuple((name.lower(), value) for name, value in (http.get("headers") or {}).items())
    return layer7.Request(
        method=http.get("method"), path=http.get("path"), host=http.get("host"), headers=headers,
        server_name=flow.get("sni"),
    )  # fmt: skip


@functools.cache
def _settings() -> world.Settings:
    answers: dict[str, tuple[int, ...]] = {}
    for fact in SUITE["model"]["external_endpoints"].values():
        if fact.get("fqdn"):
            answers[fact["fqdn"]] = (*answers.get(fact["fqdn"], ()), ground.place(fact["ip"]))
    return ground.settings(answers=answers)


def _rules(case: dict[str, Any]) -> rule.Rules:
    text = (FOLDER / case["policies"]).read_text(encoding="utf-8")
    return translate.translate(ground.objects(text), settings=_settings())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_flow_has_the_verdict_that_cilium_expects(case: dict[str, Any]) -> None:
    endpoints, found = _endpoints(case), _rules(case)
    for flow in case["flows"]:
        protocol = ports.Protocol(flow["protocol"].lower())
        port = 8 if protocol is ports.Protocol.ICMP else flow["port"]
        ends = endpoints[flow["src"]], endpoints[flow["dst"]]
        said = ground.ask(
            found, ends, port, using=_settings(), protocol=protocol, request=_request(flow)
        )  # fmt: skip
        shown = {**flow, "said": said}
        assert said.verdict == flow["expect"], shown
        assert flow.get("denied_at") in {None, said.denied_at}, shown
        assert flow.get("kind") in {None, said.kind}, shown


@pytest.mark.parametrize(
    "case",
    json.loads((FOLDER / "validation_cases.json").read_text(encoding="utf-8"))["cases"] if CASES else [],
    ids=lambda case: case["id"],
)
def test_the_agent_takes_or_refuses_each_object(case: dict[str, Any]) -> None:
    said = translate.refusals(world.Object(case["object"]), ground.LATEST)
    assert (not said) == case["expect"]["valid"], said
