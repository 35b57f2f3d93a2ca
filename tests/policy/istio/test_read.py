"""Objects at the border: what is refused, what is unknown, and that nothing odd ends in a traceback."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import finding
from isthmus.policy import world
from isthmus.policy.istio import read
from tests.policy.istio import meshes

ENTRY = {"source": {"principals": ["a"]}}
# Rows: kind, spec, code of the finding, a word of its message.
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("AuthorizationPolicy", {"rule": []}, "IST-FIELD", "spec.rule"),
    ("AuthorizationPolicy", {"rules": [{"from": [{"source": {"princpals": ["a"]}}]}]}, "IST-FIELD",
     "princpals"),
    ("AuthorizationPolicy", {"rules": [{"from": [{"source": {"principals": "a"}}]}]}, "IST-INVALID", "list"),
    ("AuthorizationPolicy", {"rules": [{"to": [{"operation": {"ports": [80]}}]}]}, "IST-INVALID", "quotes"),
    ("AuthorizationPolicy", {"rules": {}}, "IST-INVALID", "list"),
    ("AuthorizationPolicy", {"action": "BLOCK"}, "IST-INVALID", "BLOCK"),
    ("AuthorizationPolicy", {"rules": [{}] * 513}, "IST-INVALID", "512"),
    ("AuthorizationPolicy", {"rules": [{"from": [ENTRY] * 513}]}, "IST-INVALID", "512"),
    ("AuthorizationPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}] * 17}, "IST-INVALID", "16"),
    ("AuthorizationPolicy", {"selector": {}, "targetRef": {"kind": "Service", "name": "a"}}, "IST-INVALID",
     "one"),
    ("AuthorizationPolicy", {"rules": [{"when": [{"key": "source.name", "values": ["a"]}]}]}, "IST-INVALID",
     "unknown"),
    ("PeerAuthentication", {"mtls": {"mode": "STRCT"}}, "IST-INVALID", "STRCT"),
    ("PeerAuthentication", {"portLevelMtls": {"80": {"mode": "STRICT"}}}, "IST-INVALID", "selector"),
    ("PeerAuthentication", {"mtl": {"mode": "STRICT"}}, "IST-FIELD", "spec.mtl"),
    ("RequestAuthentication", {"jwtRules": [{"issuer": "a", "audience": ["a"]}]}, "IST-FIELD", "audience"),
    ("RequestAuthentication", {"jwtRules": [{"issuer": "a", "jwks": "{"}]}, "IST-INVALID", "jwks"),
]  # fmt: skip


def an_object(kind: str, spec: Any) -> world.Object:
    data = {"apiVersion": meshes.API, "kind": kind, "metadata": {"name": "p", "namespace": "a"}, "spec": spec}
    return world.Object(data, "p.yaml", 3)


@pytest.mark.parametrize(("kind", "spec", "code", "word"), BAD)
def test_a_bad_object_is_an_error_and_takes_no_part(
    kind: str, spec: dict[str, Any], code: str, word: str
) -> None:
    found = read.read([an_object(kind, spec)], meshes.SETTINGS)
    [said] = {(each.code, each.severity, each.file, each.line) for each in found.findings}
    assert said == (code, finding.Severity.ERROR, "p.yaml", 3)
    assert word in found.findings[0].message
    assert (found.authorizations, found.peers, found.authentications) == ((), (), ())


def test_other_kinds_are_passed_over() -> None:
    data = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    assert read.read([world.Object(data)], meshes.SETTINGS).findings == ()


KEYS = st.sampled_from(
    ["rules", "from", "source", "to", "operation", "when", "key", "values", "principals", "ports", "paths",
     "selector", "matchLabels", "targetRefs", "mtls", "mode", "portLevelMtls", "80", "jwtRules", "issuer",
     "audiences", "fromHeaders", "provider", "action", "ipBlocks", "trafficPolicy", "tls", "host", "exportTo"]
)  # fmt: skip
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
KINDS = st.sampled_from([kind for _, kind in sorted(read.KINDS)])


@given(KINDS, trees)
def test_nothing_odd_ends_in_a_traceback(kind: str, spec: Any) -> None:
    is_networking = kind in {"DestinationRule", "Gateway"}
    group = "networking.istio.io/v1" if is_networking else meshes.API
    data = {"apiVersion": group, "kind": kind, "metadata": {"name": "p", "namespace": "a"}, "spec": spec}
    read.read([world.Object(data)], meshes.SETTINGS)


FIELDS = (
    "rules",
    "selector",
    "targetRefs",
    "mtls",
    "portLevelMtls",
    "jwtRules",
    "trafficPolicy",
    "workloadSelector",
    "exportTo",
)
shaped = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, trees))


@given(KINDS, shaped)
def test_nothing_odd_in_a_known_field_does_either(kind: str, spec: Any) -> None:
    group = "networking.istio.io/v1" if kind in {"DestinationRule", "Gateway"} else meshes.API
    data = {"apiVersion": group, "kind": kind, "metadata": {"name": "p", "namespace": "a"}, "spec": spec}
    read.read([world.Object(data)], meshes.SETTINGS)
