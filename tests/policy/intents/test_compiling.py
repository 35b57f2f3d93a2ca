"""What intents compile to in each kind of cluster, and what of them holds."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from tests.policy.intents import folders

SIDECAR = "{enabled: true}"
AMBIENT = "{enabled: true, mode: ambient}"


def test_cilium_gets_both_ends_with_the_clusters_by_name_and_isolates_the_app_s_namespace_alone() -> None:
    found = folders.specs(folders.compiled(), "west", "CiliumNetworkPolicy")

    assert found == snapshot(
        {
            "data/isthmus-default-deny": {
                "endpointSelector": {},
                "enableDefaultDeny": {"ingress": True, "egress": True},
                "ingress": [{}],
                "egress": [
                    {
                        "toEndpoints": [
                            {
                                "matchLabels": {
                                    "k8s:io.kubernetes.pod.namespace": "kube-system",
                                    "k8s:k8s-app": "kube-dns",
                                    "io.cilium.k8s.policy.cluster": "west",
                                }
                            }
                        ],
                        "toPorts": [
                            {"ports": [{"port": "53", "protocol": "UDP"}, {"port": "53", "protocol": "TCP"}]}
                        ],
                    }
                ],
            },
            "data/orders": {
                "endpointSelector": {"matchLabels": {"app.kubernetes.io/instance": "cassandra"}},
                "ingress": [
                    {
                        "fromEndpoints": [
                            {
                                "matchLabels": {"k8s:io.kubernetes.pod.namespace": "shop", "app": "orders"},
                                "matchExpressions": [
                                    {
                                        "key": "io.cilium.k8s.policy.cluster",
                                        "operator": "In",
                                        "values": ["east", "west"],
                                    }
                                ],
                            }
                        ],
                        "toPorts": [{"ports": [{"port": "9042", "protocol": "TCP"}]}],
                    }
                ],
            },
            "shop/orders.data": {
                "endpointSelector": {"matchLabels": {"app": "orders"}},
                "enableDefaultDeny": {"egress": False},
                "egress": [
                    {
                        "toEndpoints": [
                            {
                                "matchLabels": {
                                    "k8s:io.kubernetes.pod.namespace": "data",
                                    "app.kubernetes.io/instance": "cassandra",
                                },
                                "matchExpressions": [
                                    {
                                        "key": "io.cilium.k8s.policy.cluster",
                                        "operator": "In",
                                        "values": ["east", "west"],
                                    }
                                ],
                            }
                        ],
                        "toPorts": [{"ports": [{"port": "9042", "protocol": "TCP"}]}],
                    }
                ],
            },
        }
    )


def test_with_sidecars_istio_holds_who_by_account_and_the_requests() -> None:
    found = folders.compiled(
        mesh=SIDECAR,
        source="{namespace: shop, serviceAccount: orders}",
        allow="[{port: 8080, http: [{method: GET, path: /orders/*}]}]",
    )

    assert folders.specs(found, "west", "AuthorizationPolicy") == snapshot(
        {
            "data/isthmus-default-deny": {},
            "data/orders": {
                "selector": {"matchLabels": {"app.kubernetes.io/instance": "cassandra"}},
                "action": "ALLOW",
                "rules": [
                    {
                        "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/orders"]}}],
                        "to": [
                            {"operation": {"ports": ["8080"], "methods": ["GET"], "paths": ["/orders/*"]}}
                        ],
                    }
                ],
            },
        }
    )
    assert folders.unheld(found) == []
    assert [each.layers for each in found.held if each.part.startswith("HTTP")] == [("istio",)] * 2


def test_a_mesh_that_takes_plain_traffic_is_closed_where_an_intent_needs_an_identity() -> None:
    open_mesh = folders.compiled(mesh="{enabled: true, mtls: permissive}")

    assert list(folders.specs(open_mesh, "west", "PeerAuthentication")) == ["data/orders"]
    assert folders.specs(folders.compiled(mesh=SIDECAR), "west", "PeerAuthentication") == {}


def test_in_ambient_the_port_moves_to_istio_and_cilium_holds_who_at_the_tunnel() -> None:
    found = folders.compiled(mesh=AMBIENT)
    cilium = folders.specs(found, "west", "CiliumNetworkPolicy")["data/orders"]
    istio = folders.specs(found, "west", "AuthorizationPolicy")["data/orders"]

    assert cilium["ingress"][0]["toPorts"] == [{"ports": [{"port": "15008", "protocol": "TCP"}]}]
    assert istio["rules"][0]["to"] == [{"operation": {"ports": ["9042"]}}]
    assert {each.part: each.layers for each in found.held} == {
        "who": ("cilium",),
        "port 9042/tcp": ("istio",),
    }


def test_ambient_s_probes_are_let_in_by_their_address() -> None:
    base = folders.specs(folders.compiled(mesh=AMBIENT), "west", "CiliumNetworkPolicy")

    assert base["data/isthmus-default-deny"]["ingress"] == [
        {"fromCIDR": ["169.254.7.127/32", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128"]}
    ]


def test_without_cilium_other_clusters_stay_shut_out_and_that_is_said() -> None:
    found = folders.compiled(cni="none")

    assert folders.specs(found, "west", "NetworkPolicy") == snapshot(
        {
            "data/isthmus-default-deny": {
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [],
                "egress": [
                    {
                        "to": [
                            {
                                "namespaceSelector": {
                                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                                },
                                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                            }
                        ],
                        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
                    }
                ],
            },
            "data/orders-ingress": {
                "podSelector": {"matchLabels": {"app.kubernetes.io/instance": "cassandra"}},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {
                        "from": [
                            {
                                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                                "podSelector": {"matchLabels": {"app": "orders"}},
                            }
                        ],
                        "ports": [{"protocol": "TCP", "port": 9042}],
                    }
                ],
            },
        }
    )
    assert folders.unheld(found) == [("west", "who"), ("east", "who")]


NOT_HELD: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = [
    (
        "tables, which no layer reads",
        {"allow": "[{port: 9042, cassandra: {verbs: [select], tables: [shop.orders]}}]"},
        [("west", "select on shop.orders"), ("east", "select on shop.orders")],
    ),
    (
        "requests in ambient without a waypoint",
        {"mesh": AMBIENT, "allow": "[{port: 8080, http: [{method: GET}]}]"},
        [("west", "HTTP on port 8080/tcp"), ("east", "HTTP on port 8080/tcp")],
    ),
    (
        "requests to somewhere outside",
        {"source": "{app: cassandra}", "to": "{names: [s3.example]}", "allow": "[{port: 80, http: [{}]}]"},
        [("west", "HTTP on port 80/tcp"), ("east", "HTTP on port 80/tcp")],
    ),
    (
        "names without Cilium",
        {"cni": "none", "source": "{app: cassandra}", "to": "{names: [s3.example]}"},
        [("west", "who"), ("east", "who")],
    ),
    (
        "anything of a namespace that is no App's",
        {"to": "{namespace: metrics}"},
        [("west", "who"), ("east", "who")],
    ),
    ("nothing of an intent by labels with Cilium", {}, []),
    ("nothing of requests that Cilium reads", {"allow": "[{port: 80, http: [{method: GET}]}]"}, []),
]


@pytest.mark.parametrize(
    ("changes", "expected"), [case[1:] for case in NOT_HELD], ids=[c[0] for c in NOT_HELD]
)
def test_what_no_layer_holds_is_said(changes: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert folders.unheld(folders.compiled(**changes)) == expected


def test_names_outside_come_with_the_dns_rule_that_cilium_learns_them_by() -> None:
    found = folders.compiled(
        source="{app: cassandra}", to="{names: ['*.example.com']}", allow="[{port: 443}]"
    )

    assert folders.specs(found, "east", "CiliumNetworkPolicy")["data/orders"]["egress"] == snapshot(
        [
            {
                "toEndpoints": [
                    {
                        "matchLabels": {
                            "k8s:io.kubernetes.pod.namespace": "kube-system",
                            "k8s:k8s-app": "kube-dns",
                            "io.cilium.k8s.policy.cluster": "east",
                        }
                    }
                ],
                "toPorts": [
                    {
                        "ports": [{"port": "53", "protocol": "UDP"}, {"port": "53", "protocol": "TCP"}],
                        "rules": {"dns": [{"matchPattern": "*.example.com"}]},
                    }
                ],
            },
            {
                "toFQDNs": [{"matchPattern": "*.example.com"}],
                "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}],
            },
        ]
    )


def test_an_app_s_own_ports_are_an_intent_between_its_pods_in_one_object() -> None:
    found = folders.compiled(ports="[{port: 7000, purpose: internode}]", with_access=False)

    assert list(folders.specs(found, "west", "CiliumNetworkPolicy")) == [
        "data/isthmus-default-deny",
        "data/cassandra-own",
    ]
    own = folders.specs(found, "west", "CiliumNetworkPolicy")["data/cassandra-own"]
    assert own["ingress"][0]["fromEndpoints"] == own["egress"][0]["toEndpoints"]


def test_a_path_of_an_intent_is_taken_by_the_letter_in_a_regular_expression() -> None:
    found = folders.compiled(allow="[{port: 80, http: [{method: GET, path: /v1.0/items*}]}]")
    rule = folders.specs(found, "west", "CiliumNetworkPolicy")["data/orders"]["ingress"][0]["toPorts"][0]

    assert rule["rules"]["http"] == [{"method": "GET", "path": r"/v1\.0/items.*"}]
