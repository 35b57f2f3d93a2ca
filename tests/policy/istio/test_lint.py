"""Policies that mean something else than they seem."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from isthmus.policy import labels, world
from isthmus.policy.istio import attach, lint
from tests.policy.istio import meshes
from tests.policy.istio.meshes import AMBIENT, authorization, peer, pod, policies

B, ZB = pod("a/b"), pod("a/b", mesh=AMBIENT)
WAY = pod("a/way", own={attach.MANAGED: attach.WAYPOINT_CONTROLLER, attach.GATEWAY_NAME: "way"}, mesh=AMBIENT)
BEHIND = dataclasses.replace(ZB, waypoint="a/way")
SERVICE = world.Service("one", "a", "b", labels.equal("app", "b"), {}, (("TCP", 80, 8080),))
STRICT = peer("strict", mtls={"mode": "STRICT"})
POST = {"to": [{"operation": {"methods": ["POST"]}}]}
HTTP_POST = {"to": [{"operation": {"methods": ["POST"], "ports": ["8080"]}}]}
IS_X = {"from": [{"source": {"principals": ["cluster.local/ns/a/sa/x"]}}]}
SCHEME = {"from": [{"source": {"notPrincipals": ["spiffe://cluster.local/ns/a/sa/x"]}}]}
CHOSEN: dict[str, Any] = {"selector": {"matchLabels": {"app": "b"}}}
OTHER: dict[str, Any] = {"selector": {"matchLabels": {"app": "nobody"}}}
TARGET: dict[str, Any] = {
    "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "way"}]
}
CUSTOM: dict[str, Any] = {"action": "CUSTOM", "provider": {"name": "e"}, "rules": [{}]}


def deny(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return authorization("d", action="DENY", rules=list(rules), **fields)


# Rows: title, objects, endpoints, codes.
TABLE: list[tuple[str, list[dict[str, Any]], list[world.Endpoint], set[str]]] = [
    ("A at a sidecar", [STRICT, deny(POST)], [B], {"IST-A"}),
    ("A at ztunnel", [STRICT, deny(POST)], [ZB], {"IST-A"}),
    ("no A with a port", [STRICT, deny(HTTP_POST)], [B], set()),
    ("no A without HTTP", [STRICT, deny(IS_X)], [B], set()),
    ("B", [authorization(selector={"matchLabels": {attach.GATEWAY_NAME: "way"}})], [WAY], {"IST-B"}),
    ("B behind a waypoint", [authorization(rules=[IS_X])], [BEHIND], {"IST-B"}),
    ("no B with a target", [authorization(rules=[IS_X], **TARGET)], [BEHIND, WAY], set()),
    ("C", [authorization(action="AUDIT", rules=[{}])], [ZB], {"IST-C"}),
    ("C of CUSTOM", [authorization(**CUSTOM)], [ZB], {"IST-C"}),
    ("no C at a sidecar", [authorization(**CUSTOM)], [B], set()),
    ("D", [STRICT, deny(SCHEME)], [B], {"IST-D"}),
    ("E", [deny(IS_X)], [B], {"IST-E"}),
    ("E at ztunnel", [deny(IS_X)], [ZB], {"IST-E"}),
    ("no E where mutual TLS is strict", [STRICT, deny(IS_X)], [B], set()),
    ("F", [peer(portLevelMtls={"80": {"mode": "STRICT"}}, **CHOSEN)], [B], {"IST-F"}),
    ("no F on the workload's port", [peer(portLevelMtls={"8080": {"mode": "STRICT"}}, **CHOSEN)], [B], set()),
    ("G", [STRICT, peer("z", mtls={"mode": "PERMISSIVE"})], [B], {"IST-G"}),
    ("G of selectors that overlap",
     [peer("v", **CHOSEN), peer("w", selector={"matchLabels": {"app": "b", labels.NAMESPACE: "a"}})], [B],
     {"IST-G"}),
    ("no G of two levels", [STRICT, peer("z", mtls={"mode": "PERMISSIVE"}, **CHOSEN)], [B], set()),
    ("a selector of nobody", [authorization(**OTHER)], [B], {"IST-SELECTOR"}),
    ("a selector of nobody, for peers", [peer(**OTHER)], [B], {"IST-SELECTOR"}),
    ("a selector for peers in the root", [peer(namespace="istio-system", **CHOSEN)], [B], {"IST-SELECTOR"}),
    ("an ALLOW of methods at ztunnel", [authorization(rules=[POST])], [ZB], {"IST-L7"}),
    ("a DENY of all contradicts", [STRICT, deny({}), authorization(rules=[IS_X])], [B],
     {"IST-CONTRADICTION"}),
    ("a DENY of more than is allowed", [STRICT, deny(IS_X), authorization(rules=[{**IS_X, **HTTP_POST}])],
     [B],
     {"IST-CONTRADICTION"}),
    ("an ALLOW within another", [authorization("p", rules=[IS_X]), authorization("q", rules=[{}])], [B],
     {"IST-SHADOWED"}),
    ("one of two equals", [authorization("p", rules=[IS_X]), authorization("q", rules=[IS_X])], [B],
     {"IST-SHADOWED"}),
    ("no shadow of another scope", [authorization("p", rules=[IS_X]), authorization("q", rules=[{}],
     **CHOSEN)],
     [B], set()),
    ("a shadow of the root namespace",
     [authorization("p", rules=[IS_X], **CHOSEN), authorization("q", "istio-system", rules=[{}])], [B],
     {"IST-SHADOWED"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "ends", "codes"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_finding(given: list[dict[str, Any]], ends: list[world.Endpoint], codes: set[str]) -> None:
    found = lint.lint(policies(*given), ends, [SERVICE])
    assert {each.code for each in found} == codes, [each.message for each in found]
    assert len(found) == len(codes)
    assert all(each.remedy and each.cluster == "one" for each in found)


def test_what_denies_nothing_at_ztunnel_is_an_error() -> None:
    [found] = lint.lint(policies(STRICT, deny(POST)), [ZB])
    assert found.severity == "error"
    assert "never matches" in found.message
    assert meshes.say([deny(POST)], pod("a/x", mesh=AMBIENT), ZB).is_allowed
