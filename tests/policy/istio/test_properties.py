"""What holds of every set of AuthorizationPolicies."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.policy import layer7, world
from tests.policy.istio import meshes
from tests.policy.istio.meshes import AMBIENT, NONE, SIDECAR, pod, say

SOURCES: list[dict[str, Any]] = [
    {"namespaces": ["a"]}, {"notNamespaces": ["a"]}, {"principals": ["*/sa/x"]}, {"notPrincipals": ["*"]},
    {"serviceAccounts": ["a/y"]}, {"ipBlocks": ["10.0.0.0/31"]}, {"requestPrincipals": ["*"]},
    {"trustDomains": ["cluster.local"], "notNamespaces": ["b"]},
]  # fmt: skip
OPERATIONS: list[dict[str, Any]] = [
    {"ports": ["80"]}, {"notPorts": ["80"]}, {"methods": ["GET"]}, {"paths": ["/a*"]}, {"notHosts": ["b"]},
    {"ports": ["80"], "notMethods": ["PUT"]},
]  # fmt: skip
WHEN: list[dict[str, Any]] = [
    {"key": "request.headers[x]", "values": ["1"]}, {"key": "source.namespace", "notValues": ["b"]},
    {"key": "destination.port", "values": ["80"]}, {"key": "source.serviceAccount", "values": ["a/x"]},
]  # fmt: skip

rules = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.sampled_from([{"source": each} for each in SOURCES]), min_size=1, max_size=2),
        "to": st.lists(st.sampled_from([{"operation": each} for each in OPERATIONS]), min_size=1, max_size=2),
        "when": st.lists(st.sampled_from(WHEN), min_size=1, max_size=2),
    },
)
names = st.integers(0, 1 << 40).map("p{}".format)


def a_policy(*actions: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda name, action, own: meshes.authorization(name, action=action, rules=own),
        names,
        st.sampled_from(actions),
        st.lists(rules, max_size=3),
    )


REQUESTS = (None, meshes.request(), meshes.request("PUT", "/ab", "c", x="1"))
ENDS = [
    (pod(name, mesh=one, address=f"10.0.0.{place}"), pod("a/b", mesh=other), asked)
    for place, name in enumerate(("a/x", "a/y", "b/x"))
    for one, other in ((SIDECAR, SIDECAR), (AMBIENT, AMBIENT), (NONE, SIDECAR), (NONE, AMBIENT))
    for asked in REQUESTS
]
ends = st.sampled_from(ENDS)
several = st.lists(a_policy("ALLOW", "DENY"), max_size=4)
End = tuple[world.Endpoint, world.Endpoint, layer7.Request | None]


def passes(given_: list[dict[str, Any]], end: End) -> bool:
    one, other, asked = end
    return say(given_, one, other, 80, request=asked).is_allowed


@given(several, a_policy("DENY"), ends)
@settings(deadline=None, max_examples=60)
def test_another_deny_never_opens(given_: list[Any], more: dict[str, Any], end: End) -> None:
    assert passes(given_, end) or not passes([*given_, more], end)


@given(several, a_policy("ALLOW"), ends)
@settings(deadline=None, max_examples=60)
def test_another_allow_never_closes_where_one_is_already(
    given_: list[Any], more: dict[str, Any], end: End
) -> None:
    base = [*given_, meshes.authorization("base")]
    assert not passes(base, end) or passes([*base, more], end)


@given(several, a_policy("ALLOW"), rules, ends)
@settings(deadline=None, max_examples=60)
def test_another_rule_of_an_allow_never_closes(
    given_: list[Any], policy: dict[str, Any], more: dict[str, Any], end: End
) -> None:
    wider = {**policy, "spec": {**policy["spec"], "rules": [*policy["spec"]["rules"], more]}}
    assert not passes([*given_, policy], end) or passes([*given_, wider], end)


def test_the_first_allow_closes_what_it_does_not_match() -> None:
    end = (pod("b/x"), pod("a/b"), None)
    only = meshes.authorization(rules=[{"from": [{"source": {"namespaces": ["a"]}}]}])
    assert passes([], end)
    assert not passes([only], end)


@given(several, ends, st.data())
@settings(deadline=None, max_examples=60)
def test_order_means_nothing(given_: list[Any], end: End, data: st.DataObject) -> None:
    other = data.draw(st.permutations(given_))
    assert passes(given_, end) == passes(list(other), end)


@given(several, st.sampled_from(["/a", "/ab", "/c"]), st.sampled_from(["GET", "PUT"]))
@settings(deadline=None, max_examples=60)
def test_some_request_passes_where_one_does(given_: list[Any], path: str, method: str) -> None:
    one, other = pod("a/x", address="10.0.0.1"), pod("a/b")
    single = say(given_, one, other, 80, request=meshes.request(method, path, "c"))
    some = say(given_, one, other, 80, is_http=True)
    if single.is_allowed:
        assert some.is_allowed
    if not some.is_partial:
        assert some.is_allowed == single.is_allowed
