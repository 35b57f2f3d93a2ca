"""What Istio's layer lets through, in classes, against single decisions."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.policy import labels, ports
from isthmus.policy.istio import attach, decide, openings
from tests.policy.istio import meshes

TCP = ports.Protocol.TCP


def spread(blocks: list[openings.Block]) -> dict[tuple[int, int], openings.Opening]:
    found: dict[tuple[int, int], openings.Opening] = {}
    for block in blocks:
        pairs = itertools.product(labels.places(block.sources), labels.places(block.destinations))
        for pair in pairs:
            assert pair not in found
            found[pair] = block.opening
    return found


def test_an_allow_for_one_account_and_port_opens_that_port_alone() -> None:
    rule = {"from": [{"source": {"principals": ["cluster.local/ns/a/sa/x"]}}],
            "to": [{"operation": {"ports": ["9042"]}}]}  # fmt: skip
    known = {"one": meshes.policies(meshes.authorization(rules=[rule]))}
    sources = [meshes.pod("a/x"), meshes.pod("a/y"), meshes.pod("z/x", mesh=meshes.NONE)]
    found = spread(list(openings.openings(sources, [meshes.pod("a/b")], known)))
    port = ports.interval(TCP, 9042, 9042)
    assert ports.intersection(found[0, 0].any, openings.TCP) == port
    assert ports.intersection(found[0, 0].whole, openings.TCP) == port
    assert found[1, 0].any == found[2, 0].any == openings.BEYOND


def test_an_allow_for_a_method_limits_and_lets_no_opaque_stream_through() -> None:
    rule = {"to": [{"operation": {"methods": ["GET"]}}]}
    known = {"one": meshes.policies(meshes.authorization(rules=[rule]))}
    [found] = spread(list(openings.openings([meshes.pod("a/x")], [meshes.pod("a/b")], known))).values()
    assert found.tcp == found.whole == openings.BEYOND
    assert found.http == ports.ALL
    assert found.limited == openings.TCP


def test_outside_the_mesh_everything_is_open() -> None:
    known = {"one": meshes.policies(meshes.authorization())}
    ends = [meshes.pod("a/b", mesh=meshes.NONE)]
    [found] = spread(list(openings.openings(ends, ends, known))).values()
    assert found == openings.OPEN


NAMES = ("a/x", "a/y", "b/x", "istio-system/gate")
MESHES = (meshes.SIDECAR, meshes.AMBIENT, meshes.NONE)
CROWD = [
    *(meshes.pod(name, mesh=mesh) for name in NAMES for mesh in MESHES),
    meshes.pod("a/x", mesh=meshes.NONE, own={attach.GATEWAY_NAME: "gate"}),
    meshes.outside("192.0.2.1"),
]
SOURCES: list[dict[str, Any]] = [
    {"namespaces": ["a"]},
    {"notNamespaces": ["a"]},
    {"principals": ["*/sa/x"]},
    {"notPrincipals": ["*"]},
    {"serviceAccounts": ["y"]},
    {"namespaces": ["b*"], "notPrincipals": ["cluster.local/ns/b/sa/y"]},
]
OPERATIONS: list[dict[str, Any]] = [
    {"ports": ["80"]}, {"notPorts": ["80", "443"]}, {"methods": ["GET"]}, {"ports": ["443"], "paths": ["/a"]}
]  # fmt: skip

rules = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.sampled_from([{"source": each} for each in SOURCES]), min_size=1, max_size=2),
        "to": st.lists(st.sampled_from([{"operation": each} for each in OPERATIONS]), min_size=1, max_size=2),
    },
)
authorizations = st.builds(
    lambda place, namespace, action, own, selector: meshes.authorization(
        f"p{place}", namespace, action=action, rules=own, **selector
    ),
    st.integers(0, 1 << 30),
    st.sampled_from(["a", "b", "istio-system"]),
    st.sampled_from(["ALLOW", "DENY"]),
    st.lists(rules, max_size=2),
    st.sampled_from([{}, {"selector": {"matchLabels": {"app": "x"}}}]),
)
peers = st.builds(
    lambda namespace, mode, ports_: meshes.peer(
        f"q-{namespace}-{mode}", namespace, mtls={"mode": mode}, **ports_
    ),
    st.sampled_from(["a", "b", "istio-system"]),
    st.sampled_from(["STRICT", "PERMISSIVE", "UNSET"]),
    st.sampled_from(
        [{}, {"selector": {"matchLabels": {"app": "x"}}, "portLevelMtls": {"80": {"mode": "PERMISSIVE"}}}]
    ),
)


@given(st.lists(authorizations, max_size=4), st.lists(peers, max_size=3))
@settings(max_examples=25, deadline=None)
def test_classes_and_single_decisions_agree(given_: list[Any], mtls: list[Any]) -> None:
    known = {"one": meshes.policies(*given_, *mtls)}
    found = spread(list(openings.openings(CROWD, CROWD, known)))
    assert len(found) == len(CROWD) ** 2
    for (one, other), opening in found.items():
        for port in (80, 443, 9999):
            for is_http in (False, True):
                call = decide.Call(source=CROWD[one], destination=CROWD[other], port=port, is_http=is_http)
                wanted = decide.decide(call, known)
                kept = opening.http if is_http else opening.tcp
                assert ports.has(kept, TCP, port) == wanted.is_allowed
