"""JSON web tokens: what is refused before authorization, and what policies see of the claims."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from tests.policy.istio import meshes
from tests.policy.istio.meshes import authorization, pod, say

if TYPE_CHECKING:
    from isthmus.policy import layer7

B, X = pod("a/b"), pod("a/x")
CLAIMS: dict[str, Any] = {
    "iss": "https://issuer/x", "sub": "me", "aud": ["one", "two"], "azp": "app", "scope": "read write",
    "teams": "red blue", "number": 7, "deep": {"er": ["a", "b"]},
}  # fmt: skip


def tokens(name: str = "t", *issuers: dict[str, Any]) -> dict[str, Any]:
    rules = list(issuers) or [{"issuer": "https://issuer/x", "jwksUri": "https://issuer/jwks"}]
    kind = {"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication"}
    return {**kind, "metadata": {"name": name, "namespace": "a"}, "spec": {"jwtRules": rules}}


def carrying(token: str | None = "valid", **claims: Any) -> layer7.Request:
    given = tuple({**CLAIMS, **claims}.items()) if token else ()
    return dataclasses.replace(meshes.request(), token=token, claims=given)


ANY = {"issuer": "", "jwksUri": "https://issuer/jwks"}
STATUS: list[tuple[str, list[dict[str, Any]], layer7.Request, int]] = [
    ("no token", [tokens()], carrying(None), 200),
    ("a valid one", [tokens()], carrying(), 200),
    ("an invalid one", [tokens()], carrying("invalid"), 401),
    ("an invalid one that nobody looks at", [], carrying("invalid"), 200),
    ("one of another issuer", [tokens()], carrying(iss="other"), 401),
    ("one of any issuer", [tokens("t", ANY)], carrying(iss="other"), 200),
    ("one for other audiences", [tokens("t", {"issuer": "https://issuer/x", "audiences": ["three"]})],
     carrying(),
     403),
    ("one for this audience", [tokens("t", {"issuer": "https://issuer/x", "audiences": ["two"]})],
     carrying(), 200),
    ("one of the second of two policies", [tokens("t", {"issuer": "other"}), tokens("u")], carrying(), 200),
    ("401 before any denial", [tokens(), authorization()], carrying("invalid"), 401),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "asked", "status"), [row[1:] for row in STATUS], ids=[row[0] for row in STATUS]
)
def test_a_token(given: list[dict[str, Any]], asked: layer7.Request, status: int) -> None:
    assert say(given, X, B, request=asked).status == status


SUBJECTS = [
    ("*", True), ("https://issuer/x/me", True), ("https://issuer/x/*", True), ("*/me", True),
     ("*issuer/x/me", True),
    ("https://issuer/x/you", False), ("https://issuer/*", False), ("https:*", True), ("*e", True),
    ("https://issuer/x/m*", True), ("me", False), ("*/you", False),
]  # fmt: skip


@pytest.mark.parametrize(("value", "matches"), SUBJECTS)
def test_a_request_principal(value: str, matches: bool) -> None:
    rule = {"from": [{"source": {"requestPrincipals": [value]}}]}
    found = say([tokens(), authorization(rules=[rule])], X, B, request=carrying())
    assert found.is_allowed is matches


def test_without_a_token_there_is_no_request_principal() -> None:
    rule = {"from": [{"source": {"requestPrincipals": ["*"]}}]}
    other = {"from": [{"source": {"notRequestPrincipals": ["*"]}}]}
    for asked in (carrying(None), meshes.request()):
        assert not say([tokens(), authorization(rules=[rule])], X, B, request=asked).is_allowed
        assert say([tokens(), authorization(rules=[other])], X, B, request=asked).is_allowed
    # Nobody checked this one, so it is no principal either.
    assert not say([authorization(rules=[rule])], X, B, request=carrying()).is_allowed


CONDITIONS = [
    ("request.auth.claims[scope]", "read", True),
    ("request.auth.claims[scope]", "read write", False),  # it became a list
    ("request.auth.claims[teams]", "red", False),
    ("request.auth.claims[teams]", "red*", True),
    ("request.auth.claims[deep][er]", "b", True),
    ("request.auth.claims[deep][none]", "b", False),
    ("request.auth.claims[number]", "7", False),
    ("request.auth.claims[sub]", "*", True),
    ("request.auth.claims[none]", "*", False),
    ("request.auth.audiences", "two", True),
    ("request.auth.presenter", "app", True),
    ("request.auth.principal", "https://issuer/x/me", True),
]


@pytest.mark.parametrize(("key", "value", "matches"), CONDITIONS)
def test_a_claim(key: str, value: str, matches: bool) -> None:
    rule = {"when": [{"key": key, "values": [value]}]}
    assert say([tokens(), authorization(rules=[rule])], X, B, request=carrying()).is_allowed is matches
    other = {"when": [{"key": key, "notValues": [value]}]}
    assert say([tokens(), authorization(rules=[other])], X, B, request=carrying()).is_allowed is not matches


def test_claims_between_spaces_that_a_rule_names() -> None:
    rule = {"when": [{"key": "request.auth.claims[teams]", "values": ["red"]}]}
    spaced = tokens("t", {"issuer": "https://issuer/x", "spaceDelimitedClaims": ["teams"]})
    assert say([spaced, authorization(rules=[rule])], X, B, request=carrying()).is_allowed


def test_a_claim_denies_all_tcp() -> None:
    rule = {"when": [{"key": "request.auth.claims[sub]", "values": ["me"]}]}
    assert not say([authorization(action="DENY", rules=[rule])], X, B).is_allowed
