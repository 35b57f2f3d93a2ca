"""What the API server and the agent refuse, version by version (`pkg/policy/api/rule_validation.go`)."""

from __future__ import annotations

import pytest

from isthmus.policy import world
from isthmus.policy.cilium import translate
from tests.policy.cilium import ground

EVER = "rrrrrr"
NEVER = "......"
PORTS = "toPorts: [{ports: [{port: '80', protocol: TCP}]}]"
FORTY = ", ".join("{port: '80', protocol: TCP}" for _ in range(41))
TYPES = ", ".join("{type: 8}" for _ in range(41))


def _refused(each: world.Object) -> str:
    """Return a sign for each version from 1.15 to 1.20: r for refused, a dot for taken."""
    return "".join("r" if translate.refusals(each, version) else "." for version in ground.VERSIONS)


@pytest.mark.parametrize(
    ("rule", "signs"),
    [
        # one kind of peers
        ("ingress: [{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}]", EVER),
        ("ingress: [{fromEndpoints: [{}], fromCIDR: []}]", NEVER),
        ("egress: [{toEntities: [all], toFQDNs: [{matchName: a.org}]}]", EVER),
        ("egressDeny: [{toEndpoints: [{}], toCIDR: [10.0.0.0/8]}]", "..rrrr"),
        ("egress: [{toServices: [{k8sService: {serviceName: a}}], " + PORTS + "}]", "rr...."),
        ("ingress: [{fromNodes: [{}], fromEntities: [all]}]", ".rrrrr"),
        # entities
        ("ingress: [{fromEntities: [cluster-mesh]}]", "rrrrr."),
        ("ingress: [{fromEntities: [kubelet]}]", EVER),
        # selectors
        ("ingress: [{fromEndpoints: [{matchExpressions: [{key: a, operator: Is}]}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchExpressions: [{key: a, operator: Exists, values: [b]}]}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchLabels: {'a:b:c': d}}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchLabels: {'a b': d}}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchLabels: {a: 'd e'}}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchLabels: {a: 3}}]}]", EVER),
        ("ingress: [{fromEndpoints: [{matchLabels: {'k8s:example.org/a': ''}}]}]", NEVER),
        # CIDRs
        ("egress: [{toCIDR: [10.0.0.0/33]}]", EVER),
        ("egress: [{toCIDR: [10.0.0.1]}]", NEVER),
        ("egress: [{toCIDR: ['']}]", EVER),
        ("egress: [{toCIDRSet: [{cidr: 10.0.0.1}]}]", EVER),
        ("egress: [{toCIDRSet: [{cidr: 10.0.0.0/255.0.0.0}]}]", EVER),
        ("egress: [{toCIDRSet: [{cidr: 10.0.0.0/24, except: [10.0.1.0/25]}]}]", EVER),
        ("egress: [{toCIDRSet: [{cidr: 10.0.0.0/24, except: [10.0.0.0/16]}]}]", ".....r"),
        ("egress: [{toCIDRSet: [{cidr: 10.0.0.0/24, except: ['2001:db8::/64']}]}]", EVER),
        ("egress: [{toCIDRSet: [{}]}]", EVER),
        ("egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: a}]}]", EVER),
        ("egress: [{toCIDRSet: [{cidrGroupRef: a, cidrGroupSelector: {}}]}]", "..rrrr"),
        # ports
        ("ingress: [{toPorts: [{ports: [{protocol: TCP}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: 80}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '65536'}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '-1'}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '010'}]}]}]", NEVER),
        ("ingress: [{toPorts: [{ports: [{port: '080'}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: name-of-a-port-too-long}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '80', protocol: ICMP}]}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '80', protocol: tcp}]}]}]", NEVER),
        ("ingress: [{toPorts: [{ports: [{protocol: VRRP}]}]}]", "rrrr.."),
        ("ingress: [{toPorts: [{ports: [{protocol: GRE}]}]}]", "rrrrr."),
        ("ingress: [{toPorts: [{ports: [{port: '1', protocol: IGMP}]}]}]", EVER),
        (f"ingress: [{{toPorts: [{{ports: [{FORTY}]}}]}}]", EVER),
        (f"ingressDeny: [{{toPorts: [{{ports: [{FORTY}]}}]}}]", "..rrrr"),
        # ICMP
        (f"ingress: [{{icmps: [{{fields: [{TYPES}]}}]}}]", EVER),
        ("ingress: [{icmps: [{fields: [{family: IPv5, type: 8}]}]}]", EVER),
        ("ingress: [{icmps: [{fields: [{type: 256}]}]}]", EVER),
        ("ingress: [{icmps: [{fields: [{family: IPv4, type: PacketTooBig}]}]}]", EVER),
        ("ingress: [{icmps: [{fields: [{family: IPv6, type: PacketTooBig}]}]}]", "r....."),
        ("ingress: [{" + PORTS + ", icmps: [{fields: [{type: 8}]}]}]", EVER),
        ("ingressDeny: [{" + PORTS + ", icmps: [{fields: [{type: 8}]}]}]", "..rrrr"),
        # L7
        ("ingress: [{toPorts: [{ports: [{port: '80', protocol: UDP}], rules: {http: [{}]}}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{}]}}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '0', protocol: TCP}], rules: {http: [{}]}}]}]", EVER),
        ("ingress: [{toPorts: [{ports: [{port: '80', protocol: UDP}], rules: {http: []}}]}]", NEVER),
        (
            ("ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], "
            "rules: {http: [{path: '*'}]}}]}]"),
            EVER,
        ),
        (
            ("ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], "
            "rules: {http: [{host: '*'}]}}]}]"),
            NEVER,
        ),
        ("ingress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.org}]}}]}]", EVER),
        ("egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.org}]}}]}]", NEVER),
        ("egress: [{toPorts: [{rules: {dns: [{matchName: a.org}]}}]}]", EVER),
        ("egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: 'a org'}]}}]}]", EVER),
        ("egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: 'a[b]'}]}}]}]", EVER),
        (
            ("egress: [{toPorts: [{ports: [{port: '53', endPort: 54}], "
            "rules: {dns: [{matchName: a}]}}]}]"),
            "..rrrr",
        ),
        ("egress: [{toFQDNs: [{matchName: a.org, matchPattern: '*'}]}]", EVER),
        ("egress: [{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: ['']}]}]", EVER),
        (
            ("egress: [{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.org], "
            "rules: {http: [{}]}}]}]"),
            EVER,
        ),
        (
            ("egress: [{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.org], "
            "terminatingTLS: {secret: {name: s}}, rules: {http: [{}]}}]}]"),
            NEVER,
        ),
        (
            ("ingress: [{toPorts: [{ports: [{port: '80'}], "
            "listener: {name: l, envoyConfig: {name: c}}}]}]"),
            EVER,
        ),
        (
            ("egress: [{toPorts: [{ports: [{port: '80'}], "
            "listener: {name: l, envoyConfig: {name: c}}}]}]"),
            NEVER,
        ),
        (
            ("egress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}, "
            "listener: {name: l, envoyConfig: {name: c}}}]}]"),
            EVER,
        ),
        (
            ("ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], "
            "rules: {http: [{headerMatches: [{value: a}]}]}}]}]"),
            EVER,
        ),
        (
            ("ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], "
            "rules: {http: [{headerMatches: [{name: a, mismatch: SKIP}]}]}}]}]"),
            EVER,
        ),
        # the whole
        ("ingress: [{fromRequires: [{}]}]", "....rr"),
        ("egress: [{authentication: {mode: sometimes}}]", EVER),
        ("ingress: {}", EVER),
        ("description: nothing more", "..rrrr"),
        ("nodeSelector: {}, ingress: [{}]", EVER),
    ],
)  # fmt: skip
def test_a_rule_is_refused_in_the_versions_that_check_it(rule: str, signs: str) -> None:
    assert _refused(ground.policy(f"{{endpointSelector: {{}}, {rule}}}")) == signs


@pytest.mark.parametrize(
    ("rule", "signs"),
    [
        ("ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]", EVER),
        ("egress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]", EVER),
        ("egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.org}]}}]}]", "rr...."),
        ("ingress: [{fromEntities: [cluster]}]", NEVER),
        ("ingressDeny: [{fromEndpoints: [{}]}]", NEVER),
    ],
)
def test_node_policies_take_few_l7_rules(rule: str, signs: str) -> None:
    policy = ground.policy(f"{{nodeSelector: {{}}, {rule}}}", kind=translate.CLUSTERWIDE)
    assert _refused(policy) == signs
    assert _refused(ground.policy(f"{{nodeSelector: {{}}, {rule}}}")) == EVER


@pytest.mark.parametrize(
    "data", [{}, {"spec": None}, {"spec": {"ingress": [{}]}}, {"spec": []}, {"specs": {}}]
)
def test_an_object_without_a_rule_is_refused(data: dict[str, object]) -> None:
    whole = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p"}, **data}
    assert _refused(world.Object(whole)) == EVER


def test_one_bad_rule_takes_the_whole_policy_out() -> None:
    bad = world.Object({
        "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "specs": [
            {"endpointSelector": {}, "ingress": [{}]},
            {"endpointSelector": {}, "ingress": [{"fromEntities": ["nobody"]}]},
        ],
    })  # fmt: skip
    found = translate.translate([bad], settings=ground.settings())
    assert not found.rules
    assert not found.isolations
