"""Where Istio's policies do something else than they seem to; expected outcomes follow its source."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from isthmus.policy import layer7, world
from isthmus.policy.istio import attach, authorize
from tests.policy.istio import meshes
from tests.policy.istio.meshes import AMBIENT, NONE, authorization, pod, policies, request, say

B = pod("a/b", address="10.0.0.2")
ZB = pod("a/b", mesh=AMBIENT, address="10.0.0.2")
X = pod("a/x", address="10.0.0.1")
ZX = pod("a/x", mesh=AMBIENT, address="10.0.0.1")
PLAIN = pod("a/x", mesh=NONE, address="10.0.0.1")
GET = request()


def source(**fields: Any) -> dict[str, Any]:
    return {"from": [{"source": fields}]}


def operation(**fields: Any) -> dict[str, Any]:
    return {"to": [{"operation": fields}]}


def when(key: str, *values: str, excluded: tuple[str, ...] = ()) -> dict[str, Any]:
    condition: dict[str, Any] = {"key": key}
    if values:
        condition["values"] = list(values)
    if excluded:
        condition["notValues"] = list(excluded)
    return {"when": [condition]}


def deny(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return authorization("d", action="DENY", rules=list(rules), **fields)


def allow(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return authorization("p", rules=list(rules), **fields)


POST = operation(methods=["POST"])
IS_X = source(principals=["cluster.local/ns/a/sa/x"])

# Rows: title, policy, source, destination, request or None, verdict.
TABLE: list[tuple[str, dict[str, Any], world.Endpoint, world.Endpoint, layer7.Request | None, str]] = [
    ("an ALLOW without rules lets nothing through", authorization(), X, B, GET, "deny"),
    ("an ALLOW with an empty rule lets everything through", allow({}), X, B, GET, "allow"),
    ("an ALLOW with an empty rule at ztunnel", allow({}), ZX, ZB, None, "allow"),
    ("an ALLOW without rules at ztunnel", authorization(), ZX, ZB, None, "deny"),
    ("a DENY of a method stops all TCP at a sidecar", deny(POST), X, B, None, "deny"),
    ("a DENY of a method lets another method pass", deny(POST), X, B, GET, "allow"),
    ("a DENY of a method does nothing at ztunnel", deny(POST), ZX, ZB, None, "allow"),
    ("a DENY of a method and a peer at a sidecar", deny({**POST, **IS_X}), X, B, None, "deny"),
    ("a DENY of a method and a peer does nothing at ztunnel", deny({**POST, **IS_X}), ZX, ZB, None, "allow"),
    ("a DENY of a method on a port at ztunnel", deny(operation(methods=["POST"], ports=["8080"])), ZX, ZB,
     None,
     "deny"),
    ("a DENY of a header and a peer does nothing at ztunnel",
     deny({**IS_X, **when("request.headers[a]", "1")}), ZX, ZB, None, "allow"),
    ("a DENY of a header and a peer stops the peer's TCP at a sidecar",
     deny({**IS_X, **when("request.headers[a]", "1")}), X, B, None, "deny"),
    ("an ALLOW of a method lets no TCP through", allow(POST), X, B, None, "deny"),
    ("one HTTP attribute leaves the whole ALLOW rule out on TCP",
     allow({"to": [{"operation": {"ports": ["8080"]}}, {"operation": {"paths": ["/a"]}}]}), X, B, None,
     "deny"),
    ("an ALLOW of a method lets nothing through at ztunnel", allow(POST), ZX, ZB, None, "deny"),
    ("a remote address counts on TCP at a sidecar", allow(source(remoteIpBlocks=["10.0.0.0/8"])), X, B, None,
     "allow"),
    ("a remote address counts as HTTP at ztunnel", allow(source(remoteIpBlocks=["10.0.0.0/8"])), ZX, ZB, None,
     "deny"),
    ("trustDomains narrows at a sidecar", allow(source(trustDomains=["other"], principals=["*"])), X, B, None,
     "deny"),
    ("trustDomains is dropped without a word at ztunnel",
     allow(source(trustDomains=["other"], principals=["*"])), ZX, ZB, None, "allow"),
    ("trustDomains alone never matches at ztunnel", allow(source(trustDomains=["cluster.local"])), ZX, ZB,
     None,
     "deny"),
    ("source.serviceAccount is TCP at a sidecar", allow(when("source.serviceAccount", "a/x")), X, B, None,
     "allow"),
    ("source.serviceAccount in `when` is HTTP to ztunnel", allow(when("source.serviceAccount", "a/x")), ZX,
     ZB,
     None, "deny"),
    ("serviceAccounts in `from` is known to ztunnel", allow(source(serviceAccounts=["x"])), ZX, ZB, None,
     "allow"),
    ("an account without a namespace is of the policy's", allow(source(serviceAccounts=["x"])), pod("z/x"), B,
     None, "deny"),
    ("an account is no prefix", allow(source(serviceAccounts=["a/x"])), pod("a/xy"), B, None, "deny"),
    ("AUDIT never decides", authorization(action="AUDIT", rules=[{}]), X, B, GET, "allow"),
    ("a DENY in dry run", deny({}, annotations={"istio.io/dry-run": "true"}), X, B, GET, "allow"),
    ("an only ALLOW in dry run closes nothing",
     authorization(annotations={"istio.io/dry-run": "true"}), X, B, GET, "allow"),
    ("dry run 'false' is enforced", deny({}, annotations={"istio.io/dry-run": "false"}), X, B, GET, "deny"),
    ("CUSTOM asks", authorization(action="CUSTOM", provider={"name": "e"}, rules=[{}]), X, B, GET, "ask"),
    ("CUSTOM for another path", authorization(action="CUSTOM", provider={"name": "e"},
                                              rules=[operation(paths=["/admin"])]), X, B, GET, "allow"),
    ("CUSTOM is unknown to ztunnel", authorization(action="CUSTOM", provider={"name": "e"}, rules=[{}]),
     ZX, ZB,
     None, "allow"),
    ("a policy of another namespace", authorization(namespace="z"), X, B, GET, "allow"),
    ("a policy of the root namespace", authorization(namespace="istio-system"), X, B, GET, "deny"),
    ("a selector in the root namespace counts everywhere",
     authorization(namespace="istio-system", selector={"matchLabels": {"app": "b"}}), X, B, GET, "deny"),
    ("a selector of other labels", authorization(selector={"matchLabels": {"app": "c"}}), X, B, GET, "allow"),
    ("targetRefs are ignored at a sidecar",
     authorization(targetRefs=[{"kind": "Service", "name": "b"}]), X, B, GET, "allow"),
    ("targetRefs are ignored at ztunnel",
     authorization(targetRefs=[{"kind": "Service", "name": "b"}]), ZX, ZB, None, "allow"),
    ("plaintext has no principal, a DENY by identity misses it", deny(IS_X), PLAIN, B, GET, "allow"),
    ("a DENY of everyone without identity", deny(source(notPrincipals=["*"])), PLAIN, B, GET, "deny"),
    ("a DENY of everyone without identity at ztunnel", deny(source(notPrincipals=["*"])), PLAIN, ZB, None,
     "deny"),
    ("an ALLOW of all but a namespace lets plaintext through", allow(source(notNamespaces=["a"])), PLAIN,
     B, GET,
     "allow"),
    ("an ALLOW of any identity", allow(source(principals=["*"])), PLAIN, B, GET, "deny"),
    ("a namespace by prefix", allow(source(namespaces=["a*"])), pod("abc/x"), B, None, "allow"),
    ("a namespace by suffix", allow(source(namespaces=["*c"])), pod("abc/x"), B, None, "allow"),
    ("a wildcard within a namespace at a sidecar", allow(source(namespaces=["a*c"])), pod("abc/x"), B, None,
     "allow"),
    ("a wildcard within a namespace at ztunnel", allow(source(namespaces=["a*c"])), pod("abc/x",
     mesh=AMBIENT),
     ZB, None, "deny"),
    ("a principal by suffix", allow(source(principals=["*/sa/x"])), X, B, None, "allow"),
    ("a principal with its scheme matches nobody",
     allow(source(principals=["spiffe://cluster.local/ns/a/sa/x"])),
     X, B, None, "deny"),
    ("values are any, excluded none", allow(source(namespaces=["a", "z"], notPrincipals=["*/sa/x"])), X, B,
     None,
     "deny"),
    ("a port is the workload's", allow(operation(ports=["80"])), X, B, None, "deny"),
    ("a port that is not excluded", allow(operation(notPorts=["80"])), X, B, None, "allow"),
    ("the peer's address", allow(source(ipBlocks=["10.0.0.1"])), X, B, None, "allow"),
    ("not the peer's address", deny(source(notIpBlocks=["10.0.0.0/24"])), X, B, None, "allow"),
    ("a peer without a known address", allow(source(ipBlocks=["0.0.0.0/0"])), pod("a/x"), B, None, "deny"),
    ("the destination's address", allow(when("destination.ip", "10.0.0.2")), X, B, None, "allow"),
    ("the destination's port", allow(when("destination.port", "8080")), ZX, ZB, None, "allow"),
    ("a condition that excludes alone", deny(when("source.namespace", excluded=("a",))), pod("z/x"), B, None,
     "deny"),
    ("a header value", deny(when("request.headers[X-A]", "one")), X, B, request(x_a="one"), "deny"),
    ("a header value keeps its case", deny(when("request.headers[x-a]", "One")), X, B, request(x_a="one"),
     "allow"),
    ("a header that is absent meets what excludes", deny(when("request.headers[x-a]", excluded=("one",))),
     X, B,
     GET, "deny"),
    ("any value of a header", deny(when("request.headers[x-a]", "*")), X, B, request(x_a="two"), "deny"),
    ("a host in any case", deny(operation(hosts=["B.example"])), X, B, request(host="b.EXAMPLE"), "deny"),
    ("a host with a port is another host", deny(operation(hosts=["b.example"])), X, B,
     request(host="b.example:8080"), "allow"),
    ("a host with a port by prefix", deny(operation(hosts=["b.example:*"])), X, B,
     request(host="b.example:80"),
     "deny"),
    ("a method keeps its case", deny(operation(methods=["get"])), X, B, GET, "allow"),
    ("a path keeps its case", deny(operation(paths=["/A"])), X, B, request(path="/a"), "allow"),
    ("a path without its query", deny(operation(paths=["/a"])), X, B, request(path="/a?b=/c"), "deny"),
    ("a path by suffix", deny(operation(paths=["*/info"])), X, B, request(path="/x/info"), "deny"),
    ("a path is no prefix by itself", deny(operation(paths=["/a"])), X, B, request(path="/a/"), "allow"),
    ("a template of one segment", deny(operation(paths=["/a/{*}/c"])), X, B, request(path="/a/b/c"), "deny"),
    ("a template of one segment, two given", deny(operation(paths=["/a/{*}/c"])), X, B,
     request(path="/a/b/b/c"),
     "allow"),
    ("a template of the rest", deny(operation(paths=["/a/{**}"])), X, B, request(path="/a/b/c"), "deny"),
    ("a template of an empty rest", deny(operation(paths=["/a/{**}"])), X, B, request(path="/a/"), "deny"),
    ("a template of the rest wants its slash", deny(operation(paths=["/a/{**}"])), X, B, request(path="/a"),
     "allow"),
    ("a template between", deny(operation(paths=["/{**}/c"])), X, B, request(path="/a/b/c"), "deny"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "one", "other", "asked", "verdict"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_policy(
    policy: dict[str, Any],
    one: world.Endpoint,
    other: world.Endpoint,
    asked: layer7.Request | None,
    verdict: str,
) -> None:
    found = say([policy], one, other, request=asked)
    assert found.verdict.value == verdict, found.sentences


NORMALIZED = [
    ("NONE", "/a/../b", "/a/../b"),
    ("BASE", "/a/../b", "/b"),
    ("DEFAULT", "/a/./b", "/a/b"),
    ("BASE", "/a/%2E%2e/b", "/b"),
    ("BASE", "/a//b", "/a//b"),
    ("BASE", "/%61dmin", "/admin"),
    ("BASE", "\\a\\b", "/a/b"),
    ("BASE", "/a%2Fb", "/a%2Fb"),
    ("BASE", "/../../a", "/a"),
    ("BASE", "/a/..", "/"),
    ("MERGE_SLASHES", "/a//b///c", "/a/b/c"),
    ("MERGE_SLASHES", "/a%2f/b", "/a%2f/b"),
    ("DECODE_AND_MERGE_SLASHES", "/a%2f/b", "/a/b"),
    ("DECODE_AND_MERGE_SLASHES", "/a%5Cb%5c%2Fc", "/a/b/c"),
]


@pytest.mark.parametrize(("mode", "path", "seen"), NORMALIZED)
def test_a_path_is_seen_as_the_mesh_normalizes_it(mode: str, path: str, seen: str) -> None:
    known = policies(
        deny(operation(paths=[seen])), settings=world.Settings(cluster="one", path_normalization=mode)
    )
    assert say(known, X, B, request=request(path=path)).verdict is authorize.Verdict.DENY


def test_custom_comes_first_and_denials_still_hold() -> None:
    custom = authorization("c", action="CUSTOM", provider={"name": "e"}, rules=[{}])
    assert say([custom, deny({})], X, B, request=GET).verdict.value == "deny"
    assert say([custom, authorization()], X, B, request=GET).verdict.value == "deny"
    assert say([custom, allow({})], X, B, request=GET).verdict.value == "ask"


PROVIDERS = [
    ({"e": "grpc"}, ["e"], GET, "ask"),
    ({"e": "http"}, ["e"], GET, "ask"),
    ({"e": "grpc"}, ["e"], None, "ask"),
    ({"e": "http"}, ["e"], None, "allow"),  # not asked about TCP
    ({}, ["e"], GET, "deny"),
    ({"e": "grpc", "f": "grpc"}, ["e", "f"], GET, "deny"),
]


@pytest.mark.parametrize(("known", "used", "asked", "verdict"), PROVIDERS)
def test_providers_of_custom(
    known: dict[str, str], used: list[str], asked: layer7.Request | None, verdict: str
) -> None:
    given = [authorization(name, action="CUSTOM", provider={"name": name}, rules=[{}]) for name in used]
    settings = world.Settings(cluster="one", providers=known)
    assert say(policies(*given, settings=settings), X, B, request=asked).verdict.value == verdict


def test_several_providers_with_the_flag_of_istiod() -> None:
    given = [authorization(name, action="CUSTOM", provider={"name": name}, rules=[{}]) for name in ("e", "f")]
    settings = world.Settings(cluster="one", providers={"e": "grpc", "f": "grpc"}, has_many_providers=True)
    assert say(policies(*given, settings=settings), X, B, request=GET).verdict.value == "ask"


DOMAINS = [
    # trust domain, aliases, principal of the policy, does it match an account of the mesh
    ("td", (), "cluster.local/ns/a/sa/x", True),
    ("td", (), "td/ns/a/sa/x", True),
    ("td", (), "other/ns/a/sa/x", False),
    ("td", ("old",), "old/ns/a/sa/x", True),
    ("td", ("old",), "*/ns/a/sa/x", True),
    ("new-td", ("old-td",), "*-td/ns/a/sa/x", True),
    ("td", ("old",), "ol*/ns/a/sa/x", True),
]


@pytest.mark.parametrize(("domain", "aliases", "principal", "matches"), DOMAINS)
def test_trust_domains_and_their_aliases(
    domain: str, aliases: tuple[str, ...], principal: str, matches: bool
) -> None:
    settings = world.Settings(cluster="one", trust_domain=domain, trust_domain_aliases=aliases)
    known = policies(deny(source(principals=[principal])), settings=settings)
    assert (say(known, X, B).verdict.value == "deny") is matches


def test_ztunnel_knows_no_aliases() -> None:
    settings = world.Settings(cluster="one", trust_domain="td", trust_domain_aliases=("old",))
    known = policies(deny(source(principals=["old/ns/a/sa/x"])), settings=settings)
    assert say(known, ZX, ZB).is_allowed
    assert not say(known, X, B).is_allowed


REMOTES = [
    # X-Forwarded-For, trusted proxies, the client a gateway sees
    ("198.51.100.1, 203.0.113.2", 0, "10.0.0.1"),
    ("198.51.100.1, 203.0.113.2", 1, "203.0.113.2"),
    ("198.51.100.1, 203.0.113.2", 2, "198.51.100.1"),
    ("203.0.113.2", 2, "10.0.0.1"),
]


@pytest.mark.parametrize(("header", "proxies", "client"), REMOTES)
def test_a_gateway_believes_as_many_proxies_as_it_is_told(header: str, proxies: int, client: str) -> None:
    gate = pod("a/gate", own={attach.GATEWAY_NAME: "gate"})
    known = policies(deny(source(remoteIpBlocks=[client])), deny(source(remoteIpBlocks=["192.0.2.0/24"])))
    asked = dataclasses.replace(GET, headers=(("x-forwarded-for", header),))
    found = say(known, meshes.outside("10.0.0.1"), gate, request=asked, trusted_proxies=proxies)
    assert found.verdict.value == "deny", found.sentences


def test_a_gateway_is_bound_by_target_or_selector() -> None:
    gate = pod("a/gate", own={attach.GATEWAY_NAME: "gate"})
    stranger = meshes.outside("192.0.2.1")
    ref = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}
    assert say([authorization(targetRefs=[ref])], stranger, gate, request=GET).status == 403
    assert (
        say([authorization(selector={"matchLabels": {"app": "gate"}})], stranger, gate).verdict.value
        == "deny"
    )
    assert say([authorization(targetRefs=[{**ref, "name": "other"}])], stranger, gate).is_allowed


WAYPOINT = dataclasses.replace(ZB, waypoint="a/way")
REF = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "way"}
SERVED = (attach.Served("a", "b"),)
WAYPOINTS: list[tuple[str, dict[str, Any], world.Endpoint, str]] = [
    ("targets of its Gateway count", authorization(targetRefs=[REF]), ZX, "deny"),
    ("a selector does not", authorization(selector={"matchLabels": {attach.GATEWAY_NAME: "way"}}), ZX,
     "allow"),
    ("targets of the Service count", authorization(targetRefs=[{"kind": "Service", "name": "b"}]), ZX,
     "deny"),
    ("targets of another Service do not",
     authorization(targetRefs=[{"kind": "Service", "name": "c"}]), ZX, "allow"),
    ("targets of the class count in the root namespace",
     authorization(namespace="istio-system", targetRefs=[{**REF, "kind": "GatewayClass",
     "name": "istio-waypoint"}]),
     ZX, "deny"),
    ("targets of the class do not elsewhere",
     authorization(targetRefs=[{**REF, "kind": "GatewayClass", "name": "istio-waypoint"}]), ZX, "allow"),
    ("the waypoint knows methods", allow(operation(methods=["GET"]), targetRefs=[REF]), ZX, "allow"),
    ("the waypoint knows the peer", allow(IS_X, targetRefs=[REF]), ZX, "allow"),
    ("behind it the peer is the waypoint", allow(IS_X), ZX, "deny"),
    ("behind it the waypoint's account is allowed", allow(source(serviceAccounts=["way"])), ZX, "allow"),
    ("plaintext goes past the waypoint", authorization(targetRefs=[REF]), PLAIN, "allow"),
    ("a sidecar goes past the waypoint", authorization(targetRefs=[REF]), X, "allow"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "one", "verdict"), [row[1:] for row in WAYPOINTS], ids=[row[0] for row in WAYPOINTS]
)
def test_a_waypoint(policy: dict[str, Any], one: world.Endpoint, verdict: str) -> None:
    found = say([policy], one, WAYPOINT, request=GET, served=SERVED)
    assert found.verdict.value == verdict, found.sentences


def test_without_a_request_the_answer_is_partial() -> None:
    found = say([allow(operation(methods=["GET"]))], X, B, is_http=True)
    assert (found.is_allowed, found.is_partial) == (True, True)
    found = say([deny(operation(paths=["/a"]))], X, B, is_http=True)
    assert (found.is_allowed, found.is_partial) == (True, True)
    assert say([deny(operation(ports=["8080"]))], X, B, is_http=True).verdict.value == "deny"


def test_outside_the_mesh_and_at_the_source_nothing_is_judged() -> None:
    given = [authorization("p", "a"), authorization("q", "z")]
    assert say(given, X, pod("a/b", mesh=NONE)).is_allowed
    assert say([authorization("p", "z")], pod("z/x"), B).is_allowed


def test_a_decision_names_what_decided_or_whose_absence_did() -> None:
    found = say([deny(IS_X), allow({})], X, B, request=GET)
    assert [(each.kind, each.name) for each in found.because] == [("AuthorizationPolicy", "d")]
    assert (found.status, found.point) == (403, attach.Point.SIDECAR)
    found = say([allow(IS_X)], pod("a/y"), B)
    assert [each.name for each in found.because] == ["p"]
    assert found.status is None
    assert say([], X, B, request=GET).because == ()


def test_the_mesh_of_the_other_cluster_has_another_trust_domain() -> None:
    other = meshes.policies(settings=world.Settings(cluster="two", trust_domain="east"))
    far = pod("a/x", cluster="two")
    for aliases, skips, verdict in (((), False, "deny"), (("east",), False, "allow"), ((), True, "allow")):
        settings = world.Settings(
            cluster="one", trust_domain="west", trust_domain_aliases=aliases, skips_trust_domain=skips
        )
        known = {"one": policies(allow(source(namespaces=["a"])), settings=settings), "two": other}
        assert meshes.across(known, far, B).verdict.value == verdict


def test_an_own_identity_in_another_cluster_is_its_account_there() -> None:
    known = {"one": policies(allow(IS_X)), "two": policies(settings=world.Settings(cluster="two"))}
    assert meshes.across(known, pod("a/x", cluster="two"), B).is_allowed
    assert not meshes.across(known, pod("a/y", cluster="two"), B).is_allowed


SPOKEN = [
    (80, "http", None, True),
    (80, "http-web", None, True),
    (80, "HTTP2-x", None, True),
    (80, "grpc-web-x", None, True),
    (80, "web", None, None),
    (80, "", None, None),
    (443, "https", None, False),
    (9042, "tcp-cql", None, False),
    (9042, "cql", None, None),
    (80, "tcp", "http", True),
    (80, "http", "kubernetes.io/wss", False),
    (80, "web", "kubernetes.io/h2c", True),
    (3306, "db", None, False),
    (3306, "http", None, True),
]


@pytest.mark.parametrize(("port", "name", "protocol", "speaks"), SPOKEN)
def test_what_a_port_of_a_service_speaks(
    port: int, name: str, protocol: str | None, speaks: bool | None
) -> None:
    assert attach.speaks_http(port, name, protocol) is speaks


def test_a_tunnel_reaches_a_port_that_takes_no_mutual_tls() -> None:
    given = [meshes.peer(mtls={"mode": "DISABLE"})]
    assert say(given, ZX, B).is_allowed


@pytest.mark.parametrize("mesh", [meshes.SIDECAR, AMBIENT])
def test_a_gateway_has_an_identity_and_goes_past_the_waypoint(mesh: world.Mesh) -> None:
    gate = pod("edge/gate", mesh=NONE, own={attach.GATEWAY_NAME: "gate"})
    rule = source(principals=["cluster.local/ns/edge/sa/gate"])
    destination = dataclasses.replace(B, mesh=mesh, waypoint="a/way")
    assert say([allow(rule)], gate, destination).is_allowed
    assert not say([allow(IS_X)], gate, destination).is_allowed
