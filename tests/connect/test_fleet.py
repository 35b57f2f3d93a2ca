"""What a Fleet may say of the network that `connect` brings, and how each cluster reaches the others."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from isthmus.mesh import cilium
from isthmus.model import datapath, finding, fleet, folder
from isthmus.rollout.connect import changes, facts, findings, peers, system

CLUSTERS = [{"name": name, "id": number, "nodes": 3} for number, name in enumerate(("west", "east"), 1)]


def parse(network: dict[str, Any], *clusters: dict[str, Any]) -> folder.Parsed:
    """Read a Fleet with this network."""
    spec = {"network": network, "clusters": list(clusters) or CLUSTERS}
    head = {"apiVersion": "isthmus.dev/v1alpha1", "kind": "Fleet", "metadata": {"name": "shop"}}
    return folder.parse([("fleet.yaml", yaml.safe_dump({**head, "spec": spec}))])


def known(network: dict[str, Any], *clusters: dict[str, Any]) -> fleet.Fleet:
    """Return a Fleet that is right."""
    found = parse(network, *clusters).folder
    assert found is not None
    return found.fleet


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"MTU": 1400}, "network.mtu"),
        ({"cluster": {"id": 7}}, "`id`"),
        ({"tls": {"ca": {"key": "x"}}}, "--ca"),
        ({"clustermesh": {"config": {}}}, "peers follow"),
        ({"clustermesh": {"apiserver": {"tls": {"authMode": "legacy"}}}}, "made by `connect`"),
        ({"ipam": {"mode": "kubernetes"}}, "`ipam`"),
    ],
)
def test_a_value_that_a_field_or_trust_decides_is_refused(values: dict[str, Any], place: str) -> None:
    found = parse({"values": values}).findings

    assert [(each.code, each.line is not None) for each in found if each.code == "value-owned"] == [
        ("value-owned", True)
    ]
    assert place in next(each.message for each in found if each.code == "value-owned")


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"service": {"type": "NodePort"}}, "gateway.exposure"),
        ({"labels": {"topology.istio.io/network": "x"}}, "`network`"),
        ({"networkGateway": "x"}, "`network`"),
    ],
)
def test_a_value_of_a_clusters_gateway_that_a_field_decides_is_refused(
    values: dict[str, Any], place: str
) -> None:
    found = parse(
        {}, {"name": "west", "id": 1, "nodes": 1, "istio": {"gateway": {"values": values}}}
    ).findings

    said = [(each.cluster, each.line is not None) for each in found if each.code == "value-owned"]
    assert said == [("west", True)]
    assert place in next(each.message for each in found if each.code == "value-owned")


def test_other_values_are_merged_last_the_clusters_over_the_fleets() -> None:
    one = {**CLUSTERS[0], "network": {"values": {"debug": {"enabled": True}, "operator": {"replicas": 1}}}}
    found = known({"values": {"operator": {"replicas": 3}, "debug": {"verbose": "flow"}}}, one, CLUSTERS[1])

    compiled = {"cluster": {"id": 1}, "operator": {"replicas": 2}}

    assert system.with_own(found, found.cluster("west"), compiled) == {
        "cluster": {"id": 1},
        "operator": {"replicas": 1},
        "debug": {"enabled": True, "verbose": "flow"},
    }


def test_waves_of_the_network_name_every_cluster_once() -> None:
    found = parse({"rollout": {"waves": [["west", "wset"]]}}).findings

    assert [each.code for each in found] == ["cluster-in-no-wave", "unknown-cluster"]


@pytest.mark.parametrize(
    ("network", "codes"),
    [
        ({"cni": "none"}, ["no-cilium"]),
        ({}, ["no-chart"]),
        ({"chart": {"path": "charts/cilium"}}, []),
    ],
)
def test_a_fleet_that_cannot_be_connected_is_told_what_to_write(
    network: dict[str, Any], codes: list[str]
) -> None:
    assert [each.code for each in findings.of_fleet(known(network))] == codes


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"cni": "none"}, []),
        ({"encryption": "wireguard"}, []),
        ({}, ["what pods send leaves the nodes of west, east in plain: a tunnel encrypts nothing"]),
    ],
)
def test_what_still_crosses_in_plain_is_said(network: dict[str, Any], words: list[str]) -> None:
    assert [each.message for each in findings.plain(known(network))] == words


@pytest.mark.parametrize(
    ("network", "codes"),
    [
        ({}, []),
        ({"cni": "none"}, []),
        ({"encryption": "wireguard"}, ["plain-hosts"]),
        ({"encryption": "ipsec", "values": {"encryption": {"nodeEncryption": True}}}, ["plain-hosts"]),
        ({"encryption": "wireguard", "values": {"encryption": {"nodeEncryption": True}}}, []),
    ],
)
def test_nodes_that_send_in_plain_beside_encrypted_pods_are_said(
    network: dict[str, Any], codes: list[str]
) -> None:
    assert [each.code for each in findings.plain_hosts(known(network))] == codes


@pytest.mark.parametrize(
    ("told", "expected"), [([], ["west"]), (["east"], ["west"]), (["west"], []), ([None], ["west"])]
)
def test_a_cluster_that_cannot_be_read_is_an_error_once(told: list[str | None], expected: list[str]) -> None:
    said = [
        finding.Finding(
            code="cluster-silent", severity=finding.Severity.ERROR, message="m", remedy="r", cluster=name
        )
        for name in told
    ]

    found = list(findings.unread({"west": "refused"}, said))

    assert [each.cluster for each in found] == expected
    assert all(each.severity is finding.Severity.ERROR for each in found)


SERVICES: dict[str, dict[str, Any]] = {
    "ip": {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}},
    "name": {"status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}},
    "pending": {"status": {"loadBalancer": {}}},
    "cluster": {"spec": {"clusterIP": "10.96.0.9"}},
}
NODES = (("10.1.0.1",), ("10.1.0.2", "fd00::2"), (), ("10.1.0.4",), ("10.1.0.5",))


@pytest.mark.parametrize(
    ("network", "seen", "expected"),
    [
        (
            {"exposure": "NodePort"},
            {"nodes": NODES},
            cilium.Peer(ips=("10.1.0.1", "10.1.0.2", "10.1.0.4"), port=32379),
        ),
        ({"exposure": "NodePort", "nodePort": 30379}, {"nodes": NODES[:1]},
         cilium.Peer(ips=("10.1.0.1",), port=30379)),
        ({"exposure": "NodePort", "underlay": "ipv6"}, {"nodes": NODES},
         cilium.Peer(ips=("fd00::2",), port=32379)),
        ({}, {"service": SERVICES["ip"]}, cilium.Peer(ips=("198.51.100.7",))),
        ({}, {"service": SERVICES["name"]}, cilium.Peer(address="lb.example.com")),
        ({}, {"service": SERVICES["pending"]}, None),
        ({}, {}, None),
        ({"exposure": "ClusterIP"}, {"service": SERVICES["cluster"]}, cilium.Peer(ips=("10.96.0.9",))),
        ({}, {"error": "no answer"}, None),
    ],
    ids=["nodes", "own port", "IPv6", "balancer", "name", "pending", "no service", "cluster IP", "silent"],
)  # fmt: skip
def test_a_peer_is_reached_as_its_exposure_says(
    network: dict[str, Any], seen: dict[str, Any], expected: cilium.Peer | None
) -> None:
    read = known(network)
    asked = {"west": facts.Facts(cluster="west"), "east": facts.Facts(cluster="east", **seen)}

    found = peers.of(read, read.cluster("west"), asked)

    assert found == ({} if expected is None else {"east": expected})
    both = {"west": found, "east": {"west": cilium.Peer(ips=("10.0.0.1",))}}
    later = [each.cluster for each in findings.waiting(read, both, None)]
    assert later == (["east"] if expected is None else [])


def configured(**entry: Any) -> Any:
    """Return west as its release has it, with an entry for east."""
    from isthmus.rollout import release

    config = {"clustermesh": {"config": {"clusters": {"east": entry}}}}
    one = release.Release(
        name="cilium", namespace="kube-system", revision=1, status="deployed", chart="cilium",
        chart_version="1.20.2", app_version="", manifest="", hooks=(), config=config, labels={},
        description="", modified="", uid="", apply_method="",
    )  # fmt: skip
    return facts.Facts(cluster="west", release=one)


def test_nodes_that_are_named_already_stay_while_they_exist() -> None:
    read = known({"exposure": "NodePort"})
    asked = {
        "west": configured(ips=["10.1.0.5", "10.9.9.9"], port=32379),
        "east": facts.Facts(cluster="east", nodes=NODES),
    }

    found = peers.of(read, read.cluster("west"), asked)

    assert found["east"].ips == ("10.1.0.5", "10.1.0.1", "10.1.0.2")


def test_a_silent_cluster_stays_the_peer_that_it_was() -> None:
    read = known({})
    asked = {
        "west": configured(ips=["198.51.100.7"], port=2379),
        "east": facts.Facts(cluster="east", error="no answer"),
    }

    assert peers.of(read, read.cluster("west"), asked) == {"east": cilium.Peer(ips=("198.51.100.7",))}


@pytest.mark.parametrize(
    ("host", "codes"),
    [("127.0.0.1", ["api-server-local"]), ("localhost", ["api-server-local"]), ("10.0.0.1", [])],
)
def test_without_kube_proxy_nodes_need_an_address_of_the_api_server(host: str, codes: list[str]) -> None:
    read = known({"kubeProxyReplacement": True})
    seen = facts.Facts(cluster="west", api_server=(host, 6443))

    assert [each.code for each in findings.of_cluster(read, read.cluster("west"), seen)] == codes


def test_the_fleet_says_where_nodes_reach_the_api_server() -> None:
    own = datapath.ClusterNetwork(api_server="[fd00::1]:6443")
    cluster = fleet.Cluster(name="west", id=1, nodes=1, network=own)

    assert system.api_server(cluster, ("127.0.0.1", 1)) == ("fd00::1", 6443)


def test_values_that_change_are_named_and_secrets_masked() -> None:
    old = {"MTU": 1500, "image": {"tag": "a"}, "auth": {"password": "hunter22"}}

    found = changes.of("west", old, {"MTU": 1400, "auth": {"password": "hunter23"}})

    assert [(each.path, each.old, each.new) for each in found] == [
        ("MTU", 1500, 1400),
        ("auth.password", "***", "***"),
        ("image.tag", "a", None),
    ]
