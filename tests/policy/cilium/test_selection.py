"""Whom a rule guards and whom it speaks of, in 1.20; the places are inside its source."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from isthmus.policy import labels, ports, world
from isthmus.policy.cilium import entities, translate
from tests.policy.cilium import ground

WEB = ground.pod("web", {"app": "web"}, address="10.0.0.1")
API = ground.pod("api", {"app": "api"}, address="10.0.0.2")
OTHER = ground.pod("other", {"app": "api"}, namespace="other", account="robot")
AWAY = ground.pod("away", {"app": "api"}, cluster="remote")
NODE_LABELS = {"node-role.kubernetes.io/control-plane": ""}


def _node(name: str, *, is_local: bool, has_api: bool = False) -> world.Endpoint:
    own = entities.node_labels(NODE_LABELS, cluster=ground.LOCAL, is_local=is_local, has_api=has_api)
    return world.Endpoint(
        ground.LOCAL, None, name, "Node", own, addresses=(ground.place("10.9.0.1"),), is_managed=False
    )


HOST, NODE = _node("host", is_local=True), _node("node", is_local=False, has_api=True)
WORLD, WORLD6 = ground.outside("192.0.2.7"), ground.outside("2001:db8::7")
NAMED = {
    name: entities.named(name, cluster=ground.LOCAL)
    for name in ("health", "init", "ingress", "unmanaged", "kube-apiserver", "none", "world", "world-ipv6")
}
# Asked as peers alone: an endpoint without labels yet is isolated on its own side.
NAMED["init"] = dataclasses.replace(NAMED["init"], is_managed=False)
INIT = entities.named("init", cluster=ground.LOCAL)
PEERS = {
    "web": WEB, "other": OTHER, "away": AWAY, "host": HOST, "node": NODE, "v4": WORLD, "v6": WORLD6, **NAMED,
}  # fmt: skip
OUT = {"v4", "v6", "world", "world-ipv6"}
RESERVED = {"host", "node", "health", "init", "ingress", "unmanaged", "kube-apiserver"}


@pytest.mark.parametrize(
    ("entity", "reached"),
    [
        ("all", set(PEERS)),
        ("world", OUT),
        ("world-ipv4", {"v4"}),
        ("world-ipv6", {"v6", "world-ipv6"}),
        ("cluster", {"web", "other"} | RESERVED),
        ("cluster-mesh", {"web", "other", "away"} | RESERVED),
        ("host", {"host"}),
        ("remote-node", {"node", "kube-apiserver"}),
        ("kube-apiserver", {"node", "kube-apiserver"}),
        ("health", {"health"}),
        ("init", {"init"}),
        ("ingress", {"ingress"}),
        ("unmanaged", {"unmanaged"}),
        ("none", {"none"}),
    ],
)
def test_an_entity_stands_for_what_the_source_says(entity: str, reached: set[str]) -> None:
    spec = f"{{endpointSelector: {{matchLabels: {{app: web}}}}, egress: [{{toEntities: [{entity}]}}]}}"
    using = ground.settings()
    found = translate.translate([ground.policy(spec)], settings=using)
    allowed = {
        name
        for name, peer in PEERS.items()
        if name != "web" and ground.ask(found, (WEB, peer), 80, using=using).verdict == "allow"
    }
    assert allowed == reached - {"web"}


@pytest.mark.parametrize(
    ("selector", "reached"),
    [
        ("{}", {"web"}),
        ("{matchLabels: {app: api}}", set()),
        ("{matchLabels: {'k8s:app': web}}", {"web"}),
        ("{matchLabels: {'any:app': web}}", {"web"}),
        ("{matchLabels: {'container:app': web}}", set()),
        ("{matchLabels: {'k8s:io.kubernetes.pod.namespace': other}}", {"other"}),
        ("{matchLabels: {io.kubernetes.pod.namespace: other}}", {"other"}),
        ("{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}", {"web", "other"}),
        ("{matchLabels: {'any:io.kubernetes.pod.namespace': other, app: api}}", {"other"}),
        ("{matchLabels: {io.cilium.k8s.policy.serviceaccount: default}}", {"web"}),
        ("{matchLabels: {'reserved:host': ''}}", {"host"}),
        ("{matchLabels: {'reserved:world': ''}}", OUT),
        ("{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}", set()),
        ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", {"web"}),
    ],
)  # fmt: skip
def test_a_selector_of_a_policy_means_its_namespace_unless_it_says_more(
    selector: str, reached: set[str]
) -> None:
    # getEndpointSelector, pkg/k8s/apis/cilium.io/utils/utils.go
    spec = f"{{endpointSelector: {{matchLabels: {{app: api}}}}, ingress: [{{fromEndpoints: [{selector}]}}]}}"
    assert _reaching(spec) - {"host"} == reached - {"host"}


def _reaching(spec: str, *, kind: str = "CiliumNetworkPolicy", **more: Any) -> set[str]:
    """Return which peers reach API: the host does always."""
    policies = [ground.policy(spec, kind=kind)]
    return {name for name, peer in PEERS.items() if ground.verdict(policies, peer, API, **more) == "allow"}


def test_a_clusterwide_selector_of_everything_means_every_pod_of_the_cluster() -> None:
    spec = "{endpointSelector: {matchLabels: {app: api}}, ingress: [{fromEndpoints: [{}]}]}"
    assert _reaching(spec, kind=translate.CLUSTERWIDE) == {"web", "other", "host"}


def test_a_policy_guards_its_own_namespace_whatever_it_says() -> None:
    # ParseToCiliumRule: k8s: is overwritten, any: stays beside and selects nothing
    deny = (
        "{{endpointSelector: {{matchLabels: {{'{}io.kubernetes.pod.namespace': other}}}}, ingress: [{{}}]}}"
    )
    assert ground.verdict([ground.policy(deny.format("k8s:"))], WEB, API) == "deny"
    assert ground.verdict([ground.policy(deny.format("any:"))], WEB, API) == "allow"
    assert ground.verdict([ground.policy(deny.format(""))], WEB, API) == "allow"
    assert ground.verdict([ground.policy(deny.format("k8s:"))], WEB, OTHER) == "allow"


@pytest.mark.parametrize("kind", ["Endpoints", "CIDR", "CIDRSet", "Entities", "Nodes"])
def test_an_empty_list_of_peers_selects_nobody_and_still_isolates(kind: str) -> None:
    # mergeEndpointSelectors, pkg/policy/utils/parserules.go
    spec = (
        f"{{endpointSelector: {{}}, ingress: [{{from{kind}: [], toPorts: [{{ports: [{{port: '80'}}]}}]}}]}}"
    )
    assert _reaching(spec) == {"host"}


def test_no_list_of_peers_means_everybody_where_there_are_ports_and_nobody_where_not() -> None:
    ported = "{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80'}]}]}]}"
    assert _reaching(ported) == set(PEERS)
    assert _reaching("{endpointSelector: {}, ingress: [{}]}") == {"host"}
    assert _reaching("{endpointSelector: {}, ingress: []}") == set(PEERS)
    assert _reaching("{endpointSelector: {}, ingress: [{toPorts: [{}]}]}") == {"host"}


def test_init_endpoints_are_isolated_without_any_policy() -> None:
    # computePolicyEnforcementAndRules, pkg/policy/repository.go
    assert ground.verdict([], INIT, API) == "deny"
    spec = """
endpointSelector: {matchLabels: {"reserved:init": ""}}
egress: [{toEntities: [all], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]
"""
    opened = ground.policy(spec, kind=translate.CLUSTERWIDE)
    assert ground.verdict([opened], INIT, API) == "allow"
    assert ground.verdict([opened], INIT, API, 81) == "deny"


def test_a_cidr_selects_neither_pods_nor_nodes_unless_told() -> None:
    # CIDRSelector.Matches, pkg/policy/types/selector.go
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toCIDR: [10.0.0.0/8, 192.0.2.0/24]}]
"""
    policies = [ground.policy(spec)]
    asked = {"pod": API, "node": NODE, "out": WORLD}

    def reached(*modes: str) -> set[str]:
        return {
            name
            for name, peer in asked.items()
            if ground.verdict(policies, WEB, peer, cidr_match=frozenset(modes)) == "allow"
        }

    assert reached() == {"out"}
    assert reached("pods") == {"out", "pod"}
    assert reached("nodes") == {"out", "node"}
    assert reached("pods", "nodes") == {"out", "node", "pod"}


def test_a_cidr_of_everything_is_the_world() -> None:
    spec = "{endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDR: [0.0.0.0/0]}]}"
    policies = [ground.policy(spec)]
    reached = {name for name, peer in PEERS.items() if ground.verdict(policies, WEB, peer) == "allow"}
    assert reached == {"v4", "world"}


@pytest.mark.parametrize(
    ("term", "is_reached"),
    [
        ("cidrGroupRef: north", True),
        ("cidrGroupRef: south", False),
        ("cidrGroupRef: nowhere", False),
        ("cidrGroupSelector: {matchLabels: {site: north}}", True),
        ("cidrGroupSelector: {matchLabels: {site: south}}", False),
        ("cidrGroupSelector: {matchExpressions: [{key: site, operator: Exists}]}", True),
        ("cidrGroupSelector: {matchExpressions: [{key: site, operator: NotIn, values: [south]}]}", True),
        ("cidrGroupSelector: {matchExpressions: [{key: site, operator: NotIn, values: [north]}]}", False),
        ("cidrGroupSelector: {matchExpressions: [{key: site, operator: DoesNotExist}]}", False),
        ("cidrGroupSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}", True),
        ("cidrGroupSelector: {}", True),
        ("cidrGroupRef: north, except: [192.0.2.0/29]", False),
        ("cidr: 192.0.2.0/24, except: [192.0.2.8/29]", True),
        ("cidr: 192.0.2.0/24, except: [192.0.2.7/32]", False),
    ],
)
def test_groups_of_cidrs_are_chosen_by_name_and_labels(term: str, is_reached: bool) -> None:
    # matchesEncodedRequirement, pkg/policy/types/requirements.go
    groups = ground.objects("""
{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: north, labels: {site: north}},
 spec: {externalCIDRs: [192.0.2.0/24]}}
---
{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: south, labels: {site: south}},
 spec: {externalCIDRs: [198.51.100.0/24]}}
""")
    spec = f"{{endpointSelector: {{matchLabels: {{app: web}}}}, egress: [{{toCIDRSet: [{{{term}}}]}}]}}"
    said = ground.verdict([ground.policy(spec), *groups], WEB, WORLD)
    assert (said == "allow") == is_reached


def test_node_policies_guard_nodes_and_nothing_else() -> None:
    # matchesSubject, pkg/policy/rule.go
    spec = """
nodeSelector: {matchLabels: {node-role.kubernetes.io/control-plane: ""}}
ingress: [{fromEntities: [cluster]}]
"""
    policies = [ground.policy(spec, kind=translate.CLUSTERWIDE)]
    assert ground.verdict(policies, WORLD, HOST) == "deny"
    assert ground.verdict(policies, WEB, HOST) == "allow"
    assert ground.verdict(policies, WORLD, API) == "allow"
    elsewhere = ground.policy(spec.replace("control-plane", "worker"), kind=translate.CLUSTERWIDE)
    assert ground.verdict([elsewhere], WORLD, HOST) == "allow"
    everyone = ground.policy("{endpointSelector: {}, ingress: [{}]}", kind=translate.CLUSTERWIDE)
    assert ground.verdict([everyone], WORLD, HOST) == "allow"
    assert ground.verdict([everyone], WORLD, API) == "deny"


def test_a_node_reaches_its_pods_unless_a_rule_denies_it() -> None:
    isolated = ground.policy("{endpointSelector: {}, ingress: [{}]}")
    assert ground.verdict([isolated], HOST, API) == "allow"
    assert ground.verdict([isolated], NODE, API) == "deny"
    denied = ground.policy("{endpointSelector: {}, ingressDeny: [{fromEntities: [host]}]}")
    assert ground.verdict([denied], HOST, API) == "deny"


def test_the_mode_of_enforcement_holds_for_all() -> None:
    isolated = ground.policy("{endpointSelector: {}, ingress: [{}]}")
    assert ground.verdict([isolated], WEB, API, default_mode="never") == "allow"
    assert ground.verdict([], WEB, API, default_mode="always") == "deny"


@pytest.mark.parametrize(
    ("listed", "protocol", "port", "is_open"),
    [
        ("{port: '80'}", "sctp", 80, True),
        ("{port: '80', protocol: ANY}", "udp", 80, True),
        ("{port: '80', protocol: TCP}", "udp", 80, False),
        ("{port: '80', protocol: TCP}", "icmp", 8, False),
        ("{port: '0', protocol: TCP}", "tcp", 9, True),
        ("{port: '0'}", "icmp", 8, False),
        ("{port: '0', endPort: 10, protocol: TCP}", "tcp", 99, True),
        ("{port: '80', endPort: 90, protocol: TCP}", "tcp", 90, True),
        ("{port: '80', endPort: 90, protocol: TCP}", "tcp", 91, False),
        ("{port: '80', endPort: 70, protocol: TCP}", "tcp", 80, True),
        ("{port: 'http', protocol: TCP}", "tcp", 8080, True),
        ("{port: 'HTTP', protocol: TCP}", "tcp", 8080, True),
        ("{port: 'http'}", "udp", 8080, False),
        ("{port: 'grpc', protocol: TCP}", "tcp", 8080, False),
        ("{protocol: GRE}", "other", 47, True),
        ("{protocol: GRE}", "other", 50, False),
    ],
)
def test_ports_are_read_as_the_agent_reads_them(
    listed: str,
    protocol: str,
    port: int,
    is_open: bool,
) -> None:
    # createL4Filter and keysForRange, pkg/policy/l4.go; mergeL4Filter, pkg/policy/rule.go
    named = ground.pod("api", {"app": "api"}, names={ports.Named(ports.Protocol.TCP, "http"): 8080})
    for side, ends in (("ingress", "app: api"), ("egress", "app: web")):
        rule = f"{side}: [{{toPorts: [{{ports: [{listed}]}}]}}]"
        spec = f"{{endpointSelector: {{matchLabels: {{{ends}}}}}, {rule}}}"
        said = ground.verdict([ground.policy(spec)], WEB, named, port, protocol=ports.Protocol(protocol))
        assert (said == "allow") == is_open, side


def test_an_answer_of_dns_counts_for_the_name_that_asked() -> None:
    answers = {"api.example.org": (ground.place("192.0.2.7"),), "example.net": (ground.place("192.0.2.8"),)}
    spec = """
endpointSelector: {matchLabels: {app: web}}
egress: [{toFQDNs: [{matchName: API.example.org.}, {matchPattern: "*.example.net"}]}]
"""
    assert ground.verdict([ground.policy(spec)], WEB, WORLD, answers=answers) == "allow"
    assert ground.verdict([ground.policy(spec)], WEB, ground.outside("192.0.2.8"), answers=answers) == "deny"


def test_the_labels_of_a_policy_stand_for_all_its_rules() -> None:
    several = world.Object({
        "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "specs": [
            {"endpointSelector": {"matchLabels": {"app": "web"}}, "egress": [{"toEntities": ["world"]}]},
            {"endpointSelector": {"matchLabels": {"app": "api"}}, "ingress": [{"fromEntities": ["world"]}]},
        ],
    })  # fmt: skip
    found = translate.translate([several], settings=ground.settings())
    assert [each.place for each in found.rules] == ["specs[0].egress[0]", "specs[1].ingress[0]"]
    assert {each.origin.name for each in found.rules} == {"p"}
    assert labels.NAMESPACE in found.rules[0].subject.keys


def test_icmp_type_0_is_every_type() -> None:
    # A key with port 0 is a wildcard; seen in Cilium's own engine (LookupFlow, pkg/policy/lookup.go)
    rule = "ingress: [{icmps: [{fields: [{type: %s}]}]}]"
    for written, is_open in (("0", True), ("EchoReply", True), ("3", False), ("8", True)):
        policy = ground.policy(f"{{endpointSelector: {{}}, {rule % written}}}")
        said = ground.verdict([policy], WEB, API, 8, protocol=ports.Protocol.ICMP)
        assert (said == "allow") == is_open, written
