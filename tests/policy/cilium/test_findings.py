"""Findings on policies, and on what they come to in a cluster: code, severity, object and way out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.model import finding
from isthmus.policy import labels, world
from isthmus.policy.cilium import lint, translate
from tests.policy.cilium import ground

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR, WARNING, INFO = finding.Severity.ERROR, finding.Severity.WARNING, finding.Severity.INFO
WEB = ground.pod("web", {"app": "web"}, address="10.0.0.1")
API = ground.pod("api", {"app": "api"}, address="10.0.0.2")
AWAY = ground.pod("api", {"app": "api"}, cluster="remote", address="10.1.0.2")
HERE = (WEB, API)
PORTS = "toPorts: [{ports: [{port: '80', protocol: TCP}]}]"
NARROW = "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]"


def _world(*endpoints: world.Endpoint, services: Sequence[world.Service] = ()) -> world.World:
    clusters = {each.cluster for each in endpoints}
    return world.World(
        {name: ground.settings(cluster=name) for name in clusters}, tuple(endpoints), tuple(services)
    )


def _found(
    *policies: world.Object,
    version: tuple[int, int] = ground.LATEST,
    known: world.World | None = None,
    **more: Any,
) -> dict[str, finding.Severity]:
    said = lint.check(policies, settings=ground.settings(version, **more), known=known)
    assert all(each.remedy and each.name and each.kind and each.cluster for each in said)
    return {each.code: each.severity for each in said}


def _policy(rules: str, *, app: str = "api", name: str = "p", **more: Any) -> world.Object:
    return ground.policy(f"{{endpointSelector: {{matchLabels: {{app: {app}}}}}, {rules}}}", name=name, **more)


@pytest.mark.parametrize(
    ("rules", "code", "severity"),
    [
        ("egress: [{" + PORTS + "}]", None, None),
        ("egress: [{toFQDNs: [{matchPattern: '**.example.org'}]}]", None, None),
        ("ingress: [{toPorts: [{ports: [{port: '9042'}], rules: {l7proto: cassandra}}]}]", "CIL-1", ERROR),
        ("ingress: [{toPorts: [{ports: [{port: '9042'}], rules: {kafka: [{}]}}]}]", "CIL-1", ERROR),
        ("ingress: [{fromRequires: [{}]}]", "CIL-2", ERROR),
        ("egress: [{toEndpoints: [{}], authentication: {mode: required}}]", "CIL-5", WARNING),
        (
            "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{host: a.org}]}}]}]",
            "CIL-12", WARNING,
        ),
        (
            ("ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: "
            "{http: [{host: 'a[.]org'}]}}]}]"),
            None, None,
        ),
        (
            "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{host: '.*'}]}}]}]",
            None, None,
        ),
        ("egressDeny: [{toEntities: [world]}]", "CIL-13", WARNING),
        ("egressDeny: [{toEntities: [world]}], egress: [{toEntities: [all]}]", None, None),
        ("egressDeny: [{toEntities: [world]}], enableDefaultDeny: {egress: false}", None, None),
        ("ingress: [{fromEndpoints: []}]", "CIL-14", WARNING),
        ("ingress: [{" + NARROW + "}], enableDefaultDeny: {ingress: false}", "CIL-15", WARNING),
        ("ingress: [{fromEntities: [nobody]}]", "CIL-18", ERROR),
        ("ingress: [{fromEndpoint: [{}]}]", "CIL-19", WARNING),
        ("ingressRules: [], ingress: [{}]", "CIL-19", WARNING),
        ("egress: [{toGroups: [{aws: {securityGroupsIds: [sg-1]}}]}]", "CIL-21", WARNING),
        ("egress: [{toCIDRSet: [{cidrGroupRef: nowhere}]}]", "CIL-22", WARNING),
        ("ingress: [{fromNodes: [{}]}]", "CIL-25", WARNING),
        (
            "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: []}}]}]",
            "CIL-26", WARNING,
        ),
        ("ingress: [{toPorts: [{ports: [{protocol: VRRP}]}]}]", "CIL-28", INFO),
        ("ingress: [{toPorts: [{}]}]", "CIL-29", WARNING),
        ("ingress: [{icmps: [{}]}]", "CIL-29", WARNING),
        ("ingress: [{fromEntities: [world-ipv4]}]", "CIL-30", WARNING),
    ],
)  # fmt: skip
def test_a_policy_is_told_what_is_odd_about_it(
    rules: str, code: str | None, severity: finding.Severity | None
) -> None:
    assert _found(_policy(rules)) == ({code: severity} if code else {})


@pytest.mark.parametrize(
    ("rules", "version", "code", "severity"),
    [
        ("ingress: [{toPorts: [{ports: [{port: '1', protocol: TCP}], rules: {kafka: [{}]}}]}]", (1, 19),
         "CIL-1", WARNING),
        ("ingress: [{fromRequires: [{}]}]", (1, 18), "CIL-2", WARNING),
        ("egress: [{toFQDNs: [{matchPattern: '**.a.org'}]}]", (1, 18), "CIL-11", WARNING),
        ("ingress: [{fromEntities: [cluster-mesh]}]", (1, 19), "CIL-18", ERROR),
        ("ingress: [{}], enableDefaultDeny: {ingress: false}", (1, 15), "CIL-19", WARNING),
        ("ingress: [{toPorts: [{ports: [{port: '1', endPort: 9}]}]}]", (1, 15), "CIL-19", WARNING),
    ],
)  # fmt: skip
def test_an_older_version_is_told_what_it_does_not_know(
    rules: str, version: tuple[int, int], code: str, severity: finding.Severity
) -> None:
    assert _found(_policy(rules), version=version) == {code: severity}


def test_a_finding_names_the_object_its_place_and_the_cluster() -> None:
    text = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p}, spec: {ingress: [{}]}}"
    one = world.Object(yaml.safe_load(text), file="p.yaml", line=3)
    (said,) = lint.check([one], settings=ground.settings())
    assert (said.kind, said.namespace, said.name, said.cluster) == (
        "CiliumNetworkPolicy",
        "default",
        "p",
        "local",
    )
    assert (said.file, said.line) == ("p.yaml", 3)
    assert said.message.startswith("spec: ")


FROM = "fromEndpoints: [{matchLabels: {app: web}}]"


@pytest.mark.parametrize(
    ("one", "other", "codes"),
    [
        (f"{{{FROM}, {NARROW}}}", f"{{{FROM}, {PORTS}}}", {"CIL-8"}),
        (f"{{{FROM}, {NARROW}}}", f"{{{FROM}, {NARROW.replace('GET', 'PUT')}}}", set()),
        (f"{{{FROM}, {NARROW}}}", f"{{{FROM}, {PORTS.replace('80', '81')}}}", set()),
        (f"{{{FROM}, {NARROW}}}", f"{{{PORTS}}}", set()),
        (
            f"{{{FROM}, {NARROW}, authentication: {{mode: disabled}}}}",
            f"{{{FROM}, {NARROW}, authentication: {{mode: test-always-fail}}}}",
            {"CIL-9"},
        ),
    ],
)
def test_rules_that_meet_are_compared_within_and_between_policies(
    one: str, other: str, codes: set[str]
) -> None:
    assert set(_found(_policy(f"ingress: [{one}, {other}]"))) == codes
    assert set(_found(_policy(f"ingress: [{one}]"), _policy(f"ingress: [{other}]", name="q"))) == codes
    assert (
        set(_found(_policy(f"ingress: [{one}]"), _policy(f"ingress: [{other}]", app="web", name="q")))
        == set()
    )


@pytest.mark.parametrize(
    ("one", "other", "fails"),
    [
        ("rules: {http: [{}]}", "rules: {dns: [{matchName: a.org}]}", True),
        ("rules: {http: [{}]}", "listener: {name: l, envoyConfig: {name: c}}", True),
        ("rules: {http: [{}]}", "serverNames: [a.org]", True),
        ("rules: {http: [{}]}, terminatingTLS: {secret: {name: s}}", "serverNames: [a.org]", False),
        ("rules: {http: [{}]}", "rules: {http: [{method: GET}]}", False),
        ("serverNames: [a.org]", "serverNames: [b.org]", False),
        ("serverNames: [a.org]", "rules: {}", False),
    ],
)
def test_parsers_that_cannot_be_one_fail_the_policy_of_the_endpoint(
    one: str, other: str, fails: bool
) -> None:
    # L7ParserType.Merge, pkg/policy/l4.go, and mergePortProto, pkg/policy/rule.go
    ports = "ports: [{port: '443', protocol: TCP}]"
    rules = ", ".join(f"{{toEndpoints: [{{}}], toPorts: [{{{ports}, {each}}}]}}" for each in (one, other))
    assert ("CIL-9" in _found(_policy(f"egress: [{rules}]"))) == fails


def test_selectors_that_select_nothing_are_named() -> None:
    known = _world(*HERE)
    assert _found(_policy(f"ingress: [{{{FROM}}}]"), known=known) == {}
    assert _found(_policy("ingress: [{}]", app="nobody"), known=known) == {"CIL-20": WARNING}
    assert _found(_policy("ingress: [{fromEndpoints: [{matchLabels: {app: nil}}]}]"), known=known) == {
        "CIL-20": WARNING
    }
    reserved = "ingress: [{fromEndpoints: [{matchLabels: {'reserved:host': ''}}]}]"
    assert _found(_policy(reserved), known=known) == {}


def test_between_clusters_what_a_selector_and_an_entity_reach_is_said() -> None:
    known = _world(*HERE, AWAY)
    assert _found(_policy(f"ingress: [{{{FROM}}}]"), known=known) == {"CIL-3": INFO}
    named = "ingress: [{fromEndpoints: [{matchLabels: {app: api, io.cilium.k8s.policy.cluster: remote}}]}]"
    assert _found(_policy(named), known=known) == {}
    assert _found(_policy("ingress: [{fromEntities: [cluster]}]"), known=known) == {"CIL-4": INFO}


def test_a_service_that_opens_its_ports_to_everybody_is_an_error() -> None:
    service = world.Service(ground.LOCAL, "shop", "api", labels.equal("app", "api"), {})
    rule = "egress: [{toServices: [{k8sService: {serviceName: api, namespace: shop}}], " + PORTS + "}]"
    assert _found(_policy(rule, app="web"), known=_world(*HERE, services=[service])) == {}
    assert _found(_policy(rule, app="web"), known=_world(*HERE)) == {"CIL-23": ERROR}
    bare = rule.replace(f", {PORTS}", "")
    assert _found(_policy(bare, app="web"), known=_world(*HERE)) == {"CIL-23": WARNING}


def test_cidrs_over_pods_are_named_unless_they_select_pods() -> None:
    near = _policy("egress: [{toCIDR: [10.0.0.0/24]}]", app="web")
    assert _found(near, known=_world(*HERE)) == {"CIL-17": WARNING}
    assert _found(near, known=_world(*HERE), cidr_match=frozenset({"pods"})) == {}
    assert _found(_policy("egress: [{toCIDR: [0.0.0.0/0]}]", app="web"), known=_world(*HERE)) == {}
    assert _found(_policy("egress: [{toCIDR: [192.0.2.0/24]}]", app="web"), known=_world(*HERE)) == {}


def test_names_of_dns_need_a_rule_that_shows_the_answers() -> None:
    named = "{toFQDNs: [{matchName: example.org}]}"
    shown = "{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}"
    assert _found(_policy(f"egress: [{named}]", app="web"), known=_world(*HERE)) == {"CIL-11": WARNING}
    assert _found(_policy(f"egress: [{named}, {shown}]", app="web"), known=_world(*HERE)) == {}
    everyone = ground.policy(f"{{endpointSelector: {{}}, egress: [{shown}]}}", name="dns")
    assert _found(_policy(f"egress: [{named}]", app="web"), everyone, known=_world(*HERE)) == {}


def test_http_rules_are_blind_to_what_istio_carries() -> None:
    side = dataclasses.replace(API, mesh=world.Mesh.SIDECAR)
    assert _found(_policy(f"ingress: [{{{NARROW}}}]"), known=_world(WEB, side)) == {"CIL-6": WARNING}
    assert _found(_policy(f"ingress: [{{{PORTS}}}]"), known=_world(WEB, side)) == {}


def test_ambient_needs_its_tunnel_and_its_probes() -> None:
    ambient = dataclasses.replace(API, mesh=world.Mesh.AMBIENT)
    shut = _policy(f"ingress: [{{{FROM}, {PORTS}}}]")
    assert _found(shut, known=_world(WEB, ambient)) == {"CIL-7": WARNING}
    let = "{fromEndpoints: [{}], toPorts: [{ports: [{port: '15008', protocol: TCP}]}]}"
    probes = "{fromCIDR: [169.254.7.127/32]}"
    assert _found(_policy(f"ingress: [{let}]"), known=_world(WEB, ambient)) == {"CIL-7": WARNING}
    assert _found(_policy(f"ingress: [{let}, {probes}]"), known=_world(WEB, ambient)) == {}


def test_a_map_that_overflows_is_foretold() -> None:
    pods = [ground.pod(f"p{place}", {"app": "web", "n": str(place)}) for place in range(400)]
    known = _world(API, *pods)
    # Three ports from an odd one on are two prefixes: 20 such ranges for 400 identities are 16,000 entries.
    ranges = ", ".join(f"{{port: '{one}', endPort: {one + 2}, protocol: TCP}}" for one in range(1, 80, 4))
    near = _policy(f"ingress: [{{{FROM}, toPorts: [{{ports: [{ranges}]}}]}}]")
    assert _found(near, known=known) == {"CIL-16": WARNING}
    more = _policy(f"ingress: [{{{FROM}, {PORTS}}}, {{{FROM}, {PORTS.replace('80', '90')}}}]", name="q")
    assert _found(more, known=known) == {}
    assert _found(near, more, known=known) == {"CIL-16": ERROR}


def test_many_cidrs_are_named() -> None:
    listed = ", ".join(f"10.{place // 256}.{place % 256}.0/24" for place in range(1001))
    assert _found(_policy(f"egress: [{{toCIDR: [{listed}]}}]")) == {"CIL-24": WARNING}


def test_a_namespace_that_a_policy_cannot_guard_is_named() -> None:
    foreign = ground.policy(
        "{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': x}}, ingress: [{}]}"
    )
    assert _found(foreign) == {"CIL-27": WARNING}


def test_a_node_policy_says_what_it_needs() -> None:
    policy = ground.policy("{nodeSelector: {}, ingress: [{}]}", kind=translate.CLUSTERWIDE)
    assert _found(policy) == {"CIL-25": INFO}
