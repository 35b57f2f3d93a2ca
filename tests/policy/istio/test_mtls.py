"""Mutual TLS between the sides of a call: PeerAuthentication, DestinationRule, and who speaks at all."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.policy import world
from isthmus.policy.istio import attach
from tests.policy.istio import meshes
from tests.policy.istio.meshes import AMBIENT, NONE, SIDECAR, authorization, peer, pod, policies, say

B = pod("a/b")
X = pod("a/x")
PLAIN = pod("a/x", mesh=NONE)
OWN: dict[str, Any] = {"selector": {"matchLabels": {"app": "b"}}}


def strict(name: str = "p", namespace: str = "a", **fields: Any) -> dict[str, Any]:
    return peer(name, namespace, mtls={"mode": "STRICT"}, **fields)


def mode(word: str, name: str = "p", namespace: str = "a", **fields: Any) -> dict[str, Any]:
    return peer(name, namespace, mtls={"mode": word}, **fields)


def on(port: int, word: str) -> dict[str, Any]:
    return {**OWN, "portLevelMtls": {str(port): {"mode": word}}}


ROOT = "istio-system"
# Rows: title, policies, does plaintext to port 8080 pass.
INHERITED: list[tuple[str, list[dict[str, Any]], bool]] = [
    ("nothing is permissive", [], True),
    ("the mesh", [strict(namespace=ROOT)], False),
    ("the mesh, and a namespace that is unset", [strict(namespace=ROOT), peer("n")], False),
    ("the mesh, and a namespace that is open", [strict(namespace=ROOT), mode("PERMISSIVE")], True),
    ("the namespace", [strict()], False),
    ("another namespace", [strict(namespace="z")], True),
    ("the workload", [strict(**OWN)], False),
    ("another workload", [strict(selector={"matchLabels": {"app": "c"}})], True),
    ("the workload opens what the namespace closes", [strict(), mode("PERMISSIVE", "w", **OWN)], True),
    ("the workload is unset", [strict(), peer("w", **OWN)], False),
    ("a selector in the root namespace does nothing", [strict(namespace=ROOT, **OWN)], True),
    ("a port opens", [strict(**on(8080, "PERMISSIVE"))], True),
    ("another port opens", [strict(**on(9090, "PERMISSIVE"))], False),
    ("a port closes", [mode("PERMISSIVE", **on(8080, "STRICT"))], False),
    ("another port closes", [mode("PERMISSIVE", **on(9090, "STRICT"))], True),
    ("a port closes under nothing", [peer("w", **on(8080, "STRICT"))], False),
    ("a port opens under the namespace", [strict(), peer("w", **on(8080, "PERMISSIVE"))], True),
    ("a port opens under the mesh", [strict(namespace=ROOT), peer("w", **on(8080, "PERMISSIVE"))], True),
    ("another port opens under the mesh", [strict(namespace=ROOT), peer("w", **on(9, "PERMISSIVE"))], False),
    ("the oldest counts", [strict("new", created="2026-02-01T00:00:00Z"),
                           mode("PERMISSIVE", "old", created="2026-01-01T00:00:00Z")], True),
    ("of the same second the first name counts", [strict("b"), mode("PERMISSIVE", "a")], True),
    ("the oldest of the mesh counts", [strict("b", ROOT), mode("PERMISSIVE", "a", ROOT)], True),
    ("the oldest of a workload counts", [strict("b", **OWN), mode("PERMISSIVE", "a", **OWN)], True),
    ("a port of a younger policy does nothing",
     [strict("b", **on(8080, "PERMISSIVE")), strict("a", **OWN)], False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "passes"), [row[1:] for row in INHERITED], ids=[row[0] for row in INHERITED]
)
@pytest.mark.parametrize("mesh", [SIDECAR, AMBIENT])
def test_plaintext(given: list[dict[str, Any]], passes: bool, mesh: world.Mesh) -> None:
    found = say(given, PLAIN, pod("a/b", mesh=mesh))
    assert found.is_allowed is passes, found.sentences
    assert say(given, pod("a/x", mesh=mesh), pod("a/b", mesh=mesh)).is_allowed


# Where ztunnel's translation differs from a sidecar: (policies, sidecar, ztunnel).
APART = [
    ("DISABLE on a port under STRICT of the namespace", [strict(), peer("w", **on(8080, "DISABLE"))], True,
     False),
    ("a namespace that is unset hides the mesh's STRICT",
     [strict(namespace=ROOT), peer("n"), peer("w", **on(9090, "PERMISSIVE"))], False, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sidecar", "ztunnel"), [row[1:] for row in APART], ids=[row[0] for row in APART]
)
def test_where_ztunnel_goes_another_way(given: list[dict[str, Any]], sidecar: bool, ztunnel: bool) -> None:
    assert say(given, PLAIN, B).is_allowed is sidecar
    assert say(given, PLAIN, pod("a/b", mesh=AMBIENT)).is_allowed is ztunnel


def test_plaintext_to_a_strict_port_is_reset_and_the_policy_named() -> None:
    found = say([strict()], PLAIN, B, request=meshes.request())
    assert (found.verdict.value, found.status) == ("deny", None)
    assert [(each.kind, each.name) for each in found.because] == [("PeerAuthentication", "p")]


def test_a_gateway_is_no_matter_of_peer_authentication() -> None:
    gate = pod("a/gate", own={attach.GATEWAY_NAME: "gate"})
    assert say(
        [strict(namespace=ROOT)], meshes.outside("192.0.2.1"), gate, request=meshes.request()
    ).is_allowed


ANYONE = authorization("id", rules=[{"from": [{"source": {"principals": ["*"]}}]}])


def rule(word: str | None, name: str = "d", namespace: str = "a", **fields: Any) -> dict[str, Any]:
    spec = {"host": "b.a.svc.cluster.local", **fields}
    if word:
        spec["trafficPolicy"] = {"tls": {"mode": word}}
    metadata = {"name": name, "namespace": namespace}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule"}
    return {**kind, "metadata": metadata, "spec": spec}


PORTS: dict[str, Any] = {
    "trafficPolicy": {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "DISABLE"}}]}
}
# Rows: title, objects, does the call arrive with an identity.
CLIENTS: list[tuple[str, list[dict[str, Any]], bool]] = [
    ("auto", [], True),
    ("auto to a port that is disabled", [mode("DISABLE")], False),
    ("DISABLE", [rule("DISABLE")], False),
    ("ISTIO_MUTUAL", [rule("ISTIO_MUTUAL")], True),
    ("SIMPLE", [rule("SIMPLE")], False),
    ("of another host", [rule("DISABLE", host="c.a.svc.cluster.local")], True),
    ("by its short name", [rule("DISABLE", host="b")], False),
    ("by a wildcard", [rule("DISABLE", host="*.a.svc.cluster.local")], False),
    ("the exact before the wildcard", [rule("DISABLE", host="*.local"), rule("ISTIO_MUTUAL", "e")], True),
    ("the root namespace's", [rule("DISABLE", namespace=ROOT, host="*.local")], False),
    (
        "the own before the root's",
        [rule("DISABLE", namespace=ROOT, host="*.local"), rule("ISTIO_MUTUAL")],
        True,
    ),
    ("of a namespace that keeps it", [rule("DISABLE", namespace=ROOT, exportTo=["."])], True),
    ("by port of the Service", [rule(None, **PORTS)], False),
    ("without TLS", [rule(None, trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})], True),
]


@pytest.mark.parametrize(("given", "arrives"), [row[1:] for row in CLIENTS], ids=[row[0] for row in CLIENTS])
def test_what_a_client_speaks(given: list[dict[str, Any]], arrives: bool) -> None:
    served = (attach.Served("a", "b"),)
    found = say([*given, ANYONE], X, B, served=served, service_port=80)
    assert found.is_allowed is arrives, found.sentences


def test_without_auto_mtls_a_client_speaks_plaintext() -> None:
    known = policies(ANYONE, settings=world.Settings(cluster="one", auto_mtls=False))
    assert not say(known, X, B).is_allowed


def test_a_side_that_insists_breaks_the_call() -> None:
    served = (attach.Served("a", "b"),)
    assert not say([rule("DISABLE"), strict()], X, B, served=served).is_allowed
    assert not say([rule("ISTIO_MUTUAL"), mode("DISABLE")], X, B, served=served).is_allowed
    assert not say([rule("ISTIO_MUTUAL")], X, pod("a/b", mesh=NONE), served=served).is_allowed
    assert say([rule("DISABLE")], X, pod("a/b", mesh=NONE), served=served).is_allowed


def test_a_destination_rule_means_nothing_to_ztunnel() -> None:
    served = (attach.Served("a", "b"),)
    given = [rule("DISABLE"), ANYONE]
    assert say(given, pod("a/x", mesh=AMBIENT), pod("a/b", mesh=AMBIENT), served=served).is_allowed


@pytest.mark.parametrize(("one", "other"), [(SIDECAR, AMBIENT), (AMBIENT, SIDECAR), (AMBIENT, AMBIENT)])
def test_meshed_sides_know_each_other(one: world.Mesh, other: world.Mesh) -> None:
    assert say([ANYONE, strict()], pod("a/x", mesh=one), pod("a/b", mesh=other)).is_allowed
