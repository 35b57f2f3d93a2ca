"""Requests above the port: HTTP, DNS names, TLS server names, authentication, and rules of each that meet."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.policy import http, layer7, ports, regex
from isthmus.policy.cilium import entities, names, translate
from tests.policy.cilium import ground

WEB = ground.pod("web", {"app": "web"})
API = ground.pod("api", {"app": "api"}, names={ports.Named(ports.Protocol.TCP, "http"): 80})
HOST = entities.named("host", cluster=ground.LOCAL)
GET = layer7.Request(method="GET", path="/orders", host="api.example.org")
POST = layer7.Request(method="POST", path="/orders", host="api.example.org")
HTTP = "rules: {http: [{method: GET}]}"
LATE, EARLY = (1, 20), (1, 17)


def _ingress(*rules: str, name: str = "p", extra: str = "") -> Any:
    return ground.policy(
        f"{{endpointSelector: {{matchLabels: {{app: api}}}}, {extra} ingress: [{', '.join(rules)}]}}",
        name=name,
    )


def _egress(*rules: str, name: str = "p", extra: str = "") -> Any:
    return ground.policy(
        f"{{endpointSelector: {{matchLabels: {{app: web}}}}, {extra} egress: [{', '.join(rules)}]}}",
        name=name,
    )


def _ask(
    policies: list[Any], request: layer7.Request | None, *, port: int = 80, version: tuple[int, int] = LATE,
    source: Any = WEB, protocol: ports.Protocol = ports.Protocol.TCP,
) -> ground.Asked:  # fmt: skip
    using = ground.settings(version)
    found = translate.translate(policies, settings=using)
    return ground.ask(found, (source, API), port, using=using, request=request, protocol=protocol)


@pytest.mark.parametrize(
    ("rule", "request_", "passes"),
    [
        ("", GET, True),
        ("method: GET", GET, True),
        ("method: GE", GET, False),
        ("method: 'GET|POST'", POST, True),
        ("path: /orders", GET, True),
        ("path: /order", GET, False),
        ("path: /.*", GET, True),
        ("path: '/orders$'", GET, True),
        ("path: '^/orders$'", GET, True),
        ("path: /orders", layer7.Request(method="GET", path="/orders?all=1"), False),
        ("path: '/[[:alpha:]]+'", GET, True),
        ("host: api.example.org", GET, True),
        ("host: api.example.org", layer7.Request(method="GET", path="/", host="apixexample.org"), True),
        (
            "host: 'api[.]example[.]org'",
            layer7.Request(method="GET", path="/", host="apixexample.org"),
            False,
        ),
        ("host: api.example.org", layer7.Request(method="GET", path="/"), False),
        ("headers: ['X-Token: 42']", layer7.Request(method="GET", headers=(("x-token", "42"),)), True),
        ("headers: ['X-Token 42']", layer7.Request(method="GET", headers=(("x-token", "42"),)), True),
        ("headers: ['X-Token: 4']", layer7.Request(method="GET", headers=(("x-token", "42"),)), False),
        ("headers: [X-Token]", layer7.Request(method="GET", headers=(("X-TOKEN", "7"),)), True),
        ("headers: [X-Token]", GET, False),
        ("headerMatches: [{name: X-Token, value: '42'}]", GET, False),
        ("headerMatches: [{name: X-Token, value: '42', mismatch: LOG}]", GET, True),
        ("headerMatches: [{name: X-Token, value: '42', mismatch: REPLACE}]", GET, True),
        ("headerMatches: [{name: x-token}]", layer7.Request(method="GET", headers=(("x-token", ""),)), True),
    ],
)
def test_a_request_passes_a_rule_when_every_part_fits(
    rule: str,
    request_: layer7.Request,
    passes: bool,
) -> None:
    # getHTTPRule, pkg/envoy/policy/envoy_l7_rules_translator.go
    policy = _ingress(
        f"{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: [{{{rule}}}]}}}}]}}"
    )
    said = _ask([policy], request_)
    assert said.verdict == ("allow" if passes else "deny")
    assert said.denied_at == (None if passes else "l7")


FROM = "fromEndpoints: [{matchLabels: {app: web}}]"
NARROW = f"{{{FROM}, toPorts: [{{ports: [{{port: '80', protocol: TCP}}], {HTTP}}}]}}"


@pytest.mark.parametrize(
    "other",
    [
        "{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}",
        "{fromEndpoints: [{matchLabels: {app: web}}]}",
        "{fromEndpoints: [{}]}",
        "{toPorts: [{ports: [{port: '1', endPort: 1000, protocol: TCP}]}]}",
        "{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: POST}]}}]}",
        "{toPorts: [{ports: [{port: http, protocol: TCP}]}]}",
    ],
)
def test_one_http_rule_or_plain_allow_that_fits_is_enough(other: str) -> None:
    # cilium/proxy: a rule that does not fit gives no verdict, and the next is asked
    assert _ask([_ingress(NARROW)], POST).verdict == "deny"
    assert _ask([_ingress(NARROW, other)], POST).verdict == "allow"
    assert _ask([_ingress(NARROW), _ingress(other, name="q")], POST).verdict == "allow"
    assert _ask([_ingress(NARROW, other)], GET).verdict == "allow"


def test_a_node_is_asked_no_request_of_the_pods_it_runs() -> None:
    # TestAllowingLocalhostShadowsL7, pkg/policy/l4_filter_test.go
    everyone = _ingress("{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}")
    assert _ask([everyone], POST).verdict == "deny"
    assert _ask([everyone], POST, source=HOST).verdict == "allow"


def test_rules_of_who_is_not_isolated_filter_nothing_but_dns_before_1_18() -> None:
    # ensureWildcard, pkg/policy/l4.go; wildcardRule, pkg/policy/repository.go of v1.17.0
    free = _ingress(NARROW, extra="enableDefaultDeny: {ingress: false},")
    assert _ask([free], POST).verdict == "allow"
    assert _ask([free, _ingress("{}", name="q")], POST).verdict == "deny"
    rule = "{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: example.org}]}}]}"
    names_ = _egress(rule, extra="enableDefaultDeny: {egress: false},")
    query = layer7.Request(query="example.net")
    assert _ask([names_], query, port=53, version=LATE).verdict == "allow"
    assert _ask([names_], query, port=53, version=EARLY).verdict == "deny"


TO = "toEndpoints: [{}]"
DNS = "rules: {dns: [{matchPattern: '*.example.org'}]}"


@pytest.mark.parametrize(
    ("rules", "name", "passes"),
    [
        ([f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}"], "www.example.org", True),
        ([f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}"], "WWW.example.org.", True),
        ([f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}"], "example.org", False),
        ([f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}"], "a.b.example.org", False),
        # The proxy knows its own entry alone: an allow of every port does not help, one of this port does.
        ([f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}", f"{{{TO}}}"], "example.net", False),
        (
            [
                f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}",
                "{toPorts: [{ports: [{port: '53'}, {port: '54'}]}]}",
            ],
            "example.net",
            True,
        ),
        (
            [
                f"{{{TO}, toPorts: [{{ports: [{{port: '53'}}], {DNS}}}]}}",
                "{toPorts: [{ports: [{port: '1', endPort: 99}]}]}",
            ],
            "example.net",
            False,
        ),
    ],
)
def test_a_dns_question_passes_the_rules_of_its_very_port(
    rules: list[str],
    name: str,
    passes: bool,
) -> None:
    # CheckAllowed and setPortRulesForID, pkg/fqdn/dnsproxy/proxy.go
    for protocol in (ports.Protocol.UDP, ports.Protocol.TCP):
        said = _ask([_egress(*rules)], layer7.Request(query=name), port=53, protocol=protocol)
        assert said.verdict == ("allow" if passes else "deny")


TLS = "toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [api.example.org]}]"

PLAIN = "toPorts: [{ports: [{port: '443', protocol: TCP}]}]"


@pytest.mark.parametrize(
    ("rules", "name", "passes"),
    [
        ([f"{{{TO}, {TLS}}}"], "api.example.org", True),
        ([f"{{{TO}, {TLS}}}"], "API.example.org", True),
        ([f"{{{TO}, {TLS}}}"], "www.example.org", False),
        # Of one selector and port, a server name is demanded of all (mergePortProto); of others it is not.
        ([f"{{{TO}, {TLS}}}", f"{{{TO}, {PLAIN}}}"], "no.org", False),
        ([f"{{{TO}, {TLS}}}", f"{{{PLAIN}}}"], "no.org", True),
        ([f"{{{TO}, {TLS}}}", f"{{{TO}}}"], "no.org", True),
        ([f"{{{TO}, {TLS}}}", f"{{{TO}, {TLS.replace('api.', 'www.')}}}"], "www.example.org", True),
    ],
)  # fmt: skip
def test_a_tls_hello_passes_when_a_rule_names_its_server(
    rules: list[str],
    name: str,
    passes: bool,
) -> None:
    said = _ask([_egress(*rules)], layer7.Request(server_name=name), port=443)
    assert (said.verdict, said.kind) == (("allow", None) if passes else ("deny", "sni"))


def test_http_in_the_clear_has_no_server_name() -> None:
    said = _ask([_egress(f"{{{TO}, {TLS}}}")], GET, port=443)
    assert (said.verdict, said.kind) == ("deny", "sni")


@pytest.mark.parametrize(
    ("rule", "port", "unknown"),
    [
        ("{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}", 80, 1),
        ("{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.org]}]}", 443, 1),
        ("{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.org}]}}]}", 53, 1),
        ("{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}", 53, 0),
        ("{toEndpoints: [{}], authentication: {mode: required}}", 80, 1),
        ("{toEndpoints: [{}], authentication: {mode: disabled}}", 80, 0),
        ("{toPorts: [{ports: [{port: '80'}], listener: {name: mine, envoyConfig: {name: x}}}]}", 80, 1),
        ("{toEndpoints: [{}]}", 80, 0),
    ],
)
def test_what_the_question_leaves_out_is_said(rule: str, port: int, unknown: int) -> None:
    said = _ask([_egress(rule)], None, port=port)
    assert said.verdict == "allow"
    assert len(said.unknown) == unknown


def test_authentication_that_always_fails_denies_and_the_narrower_ports_say_which() -> None:
    failing = "authentication: {mode: test-always-fail}"
    one = "toPorts: [{ports: [{port: '80', protocol: TCP}]}]"
    assert _ask([_ingress(f"{{fromEndpoints: [{{}}], {failing}}}")], None).kind == "auth-required"
    mixed = _ingress(
        f"{{fromEndpoints: [{{}}], {failing}}}",
        f"{{fromEndpoints: [{{}}], {one}, authentication: {{mode: disabled}}}}",
    )
    assert _ask([mixed], None).verdict == "allow"
    assert _ask([mixed], None, port=81).verdict == "deny"


@pytest.mark.parametrize(
    ("pattern", "name", "early", "late"),
    [
        ("example.org", "example.org", True, True),
        ("example.org", "Example.ORG.", True, True),
        ("example.org", "www.example.org", False, False),
        ("*", "a.b.c", True, True),
        ("*", "", True, True),
        ("**", "a.b.c", False, True),
        ("*.", "com", True, True),
        ("**.", "a.b", False, True),
        ("*.example.org", "www.example.org", True, True),
        ("*.example.org", "a.b.example.org", False, False),
        ("*.example.org", ".example.org", True, True),
        ("**.example.org", "a.b.example.org", False, True),
        ("**.example.org", "a.example.org", True, True),
        ("**.example.org", "example.org", False, False),
        ("****.example.org", "a.b.example.org", False, True),
        ("a**.example.org", "abc.example.org", True, True),
        ("a**.example.org", "a.b.example.org", False, False),
        ("*example.org", "subexample.org", True, True),
        ("*example.org", "example.org", True, True),
        ("sub*.example.org", "sub-1.example.org", True, True),
        ("www.*.org", "www.example.org", True, True),
        ("a_b.example.org", "a_b.example.org", True, True),
        ("exampleXorg", "example.org", False, False),
    ],
)
def test_a_dns_pattern_matches_as_its_version_does(
    pattern: str,
    name: str,
    early: bool,
    late: bool,
) -> None:
    # pkg/fqdn/matchpattern/matchpattern.go of v1.18.0 and of 1.20.2
    assert names.dns(pattern, name, (1, 18)) == early
    assert names.dns(pattern, name, (1, 19)) == late


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("api.example.org", "api.example.org", True),
        ("*.example.org", "api.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("**.example.org", "a.b.example.org", True),
        ("**.example.org", "example.org", False),
        ("*", "a.b", True),
        ("***", "a.b", True),
        ("*.example.org.", "www.example.org", True),
    ],
)
def test_a_server_name_may_be_a_pattern_since_1_18(pattern: str, name: str, matches: bool) -> None:
    # sanitizeServerNamePattern, pkg/envoy/utils.go; SniPattern of cilium/proxy
    assert names.server(pattern, name, (1, 20)) == matches
    assert names.server(pattern, name, (1, 17)) == (pattern == name)


@pytest.mark.parametrize("text", ["*", "(", "a**", "a*+", "(?=a)", r"(a)\1", "a{1001}", "(?<!a)b", "[b-a]"])
def test_an_expression_that_go_refuses_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        regex.parse(text)
    assert not regex.matches(text, "a")


@pytest.mark.parametrize(
    ("text", "value", "matches"),
    [
        ("a$", "a", True),
        ("a$", "a\n", False),
        (r"\Aa\z", "a", True),
        ("[[:digit:]]+", "42", True),
        ("[[:digit:]x]+", "4x2", True),
        (r"[+*]+", "+*", True),
        (r"a\*+", "a**", True),
        ("(?i)get", "GET", True),
        ("a|b", "b", True),
        (".", "\n", False),
        (r"\d", "\N{ARABIC-INDIC DIGIT ONE}", False),
        (r"x[$]", "x$", True),
    ],
)
def test_an_expression_matches_as_re2_does(text: str, value: str, matches: bool) -> None:
    assert regex.matches(text, value) == matches


def test_several_headers_of_one_name_are_one_to_envoy() -> None:
    rule = layer7.Http(headers=("X-A: 1,2",))
    assert http.matches(rule, layer7.Request(headers=(("X-A", "1"), ("x-a", "2"))))
