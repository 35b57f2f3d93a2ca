"""What ClusterMesh and Istio refuse or bear badly, where a Fleet states them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.mesh import limits, settings, versions
from isthmus.model import datapath
from tests.plan import meshes

Json = dict[str, Any]
Case = tuple[list[str], Json, list[tuple[str, str, int, str]]]

WIDE = {"network": {"maxConnectedClusters": 511}}
HALF = ("fewer-identities", "info", 5, "32767")
CILIUM: dict[str, Case] = {
    "nothing to say": (["a", "b"], {"network": {}}, []),
    "an id over 255": (
        ["a", "b id: 300", "c id: 301"],
        {"network": {"maxConnectedClusters": 255}},
        [("cluster-id-over-max", "error", 8, "id 300 of 'b' and 1 more is over maxConnectedClusters, 255")],
    ),
    "an id over the default": (
        ["a", "b id: 256"],
        {"network": {}},
        [("cluster-id-over-max", "error", 8, "write `network: {maxConnectedClusters: 511}`")],
    ),
    "a high id in a wide mesh": (["a", "b id: 511"], WIDE, [HALF]),
    "a number that Cilium has not": (
        ["a", "b"],
        {"network": {"maxConnectedClusters": 300}},
        [("max-connected-clusters", "error", 5, "255 or 511")],
    ),
    "two numbers": (
        ["a", "b network: {maxConnectedClusters: 511}", "c"],
        {"network": {}},
        [
            ("mixed-max-connected-clusters", "error", 8, "511 in 'b'"),
            ("fewer-identities", "info", 8, "65535"),
        ],
    ),
    "ENI with a marked id": (
        ["a id: 127, network: {ipam: eni}", "b id: 128, network: {ipam: eni}"],
        {"network": {}},
        [
            ("cluster-id-clashes", "error", 8, "refuses id 128 with eni"),
            ("ipam-needs-native-routing", "error", 7, "refuses `ipam: eni` with a tunnel"),
        ],
    ),
    "Alibaba Cloud with a marked id": (
        ["a id: 255, network: {ipam: alibabacloud}"],
        {},
        [("cluster-id-clashes", "error", 6, "alibabacloud")],
    ),
    "chained to AWS with a marked id": (
        ["a", "b id: 384, network: {chaining: aws-cni}", "c id: 383, network: {ipam: vpc-cni}"],
        WIDE,
        [HALF, ("cluster-id-clashes", "error", 8, "aws-cni")],
    ),
    "one minor version apart": (["a network: {version: '1.19'}", "b"], {"network": {"version": "1.20"}}, []),
    "two minor versions apart": (
        ["a network: {version: '1.18.4'}", "b"],
        {"network": {"version": "1.20"}},
        [("cilium-version-skew", "error", 7, "1.18.4 in 'a' and 1.20 in 'b'")],
    ),
    "a version before all rules": (
        ["a", "b"],
        {"network": {"version": "1.9"}},
        [("cilium-version-unknown", "warning", 5, "1.9")],
    ),
    "a version to come": (["a", "b"], {"network": {"version": "1.31"}}, []),
    "an egress gateway": (
        ["a", "b"],
        {"network": {"egressGateway": True}},
        [("egress-gateway-in-mesh", "error", 5, "does not work with ClusterMesh")],
    ),
    "an egress gateway in one": (
        ["a", "b network: {egressGateway: true}"],
        {"network": {}},
        [("egress-gateway-in-mesh", "error", 8, "ClusterMesh")],
    ),
    "an egress gateway of a single cluster": (["a"], {"network": {"egressGateway": True}}, []),
    "IPsec at its width": (["a nodes: 65532", "b"], {"network": {"encryption": "ipsec"}}, []),
    "IPsec beyond it": (
        ["a nodes: 32767, growth: 2", "b"],
        {"network": {"encryption": "ipsec"}},
        [("ipsec-too-many-nodes", "error", 5, "65537 planned nodes are more than the 65535")],
    ),
    "native routing": (
        ["a pods: 10.1.0.0/16", "b pods: 10.2.0.0/16"],
        {"network": {"routing": "native"}},
        [("native-routing", "info", 5, "10.0.0.0/14 covers them")],
    ),
    "native routing from supernets": (
        ["a", "b"],
        {
            "addressing": {"pods": {"supernets": ["10.0.0.0/10", "fd00::/40"]}},
            "network": {"routing": "native"},
        },
        [("native-routing", "info", 6, "10.0.0.0/10 and fd00::/40")],
    ),
    "native routing of nobody knows what": (
        ["a", "b"],
        {"network": {"routing": "native"}},
        [("native-routing-unknown", "warning", 5, "supernets")],
    ),
    "native routing over the internet": (
        ["a pods: 10.1.0.0/16", "b pods: 172.16.0.0/16"],
        {"network": {"routing": "native"}},
        [
            ("native-routing", "info", 5, "0.0.0.0/0"),
            ("native-routing-too-wide", "warning", 5, "public addresses"),
        ],
    ),
    "by NodePort": (
        ["a", "b"],
        {"network": {"exposure": "NodePort"}},
        [("exposure-node-port", "warning", 5, "'a', 'b'")],
    ),
    "one by ClusterIP": (
        ["a", "b network: {exposure: ClusterIP}"],
        {"network": {}},
        [("exposure-cluster-ip", "warning", 8, "unique")],
    ),
    "Cilium of a cloud": (
        ["a provider: gcp", "b provider: azure", "c provider: azure", "d provider: aws"],
        {"network": {}},
        [
            ("managed-cilium", "info", 7, "Dataplane V2"),
            ("managed-cilium", "info", 8, "'b', 'c': Azure CNI powered by Cilium"),
        ],
    ),
    "no Cilium": (
        ["a id: 300", "b network: {exposure: NodePort, egressGateway: true}"],
        {"network": {"cni": "none"}},
        [],
    ),
    "nothing stated": (["a provider: gcp", "b provider: azure"], {}, []),
}

OWN = {"trustDomain": "shop.local"}
BESIDE = ("istio-beside-cilium", "info", 5, "cni.exclusive: false")


def mesh(**istio: Any) -> Json:
    return {"mesh": {"istio": OWN | istio}}


ISTIO: dict[str, Case] = {
    "as recommended": (["a", "b"], mesh(), [BESIDE]),
    "without Cilium": (["a", "b"], {"network": {"cni": "none"}, **mesh()}, []),
    "off": (["a", "b"], mesh(enabled=False), []),
    "the usual trust domain": (
        ["a", "b"],
        {"mesh": {"istio": {}}},
        [("default-trust-domain", "info", 5, "trustDomain: shop.local"), BESIDE],
    ),
    "two trust domains": (
        ["a", "b istio: {trustDomain: other.local}", "c"],
        mesh(),
        [("istio-trust-domains-differ", "error", 8, "other.local in 'b', shop.local elsewhere"), BESIDE],
    ),
    "two meshes": (
        ["a", "b istio: {meshId: mesh2}", "c"],
        mesh(),
        [("istio-mesh-ids-differ", "error", 8, "meshId is mesh2"), BESIDE],
    ),
    "two networks on a flat one": (
        ["a", "b istio: {network: network2}"],
        mesh(),
        [("istio-networks-differ", "warning", 8, "one flat network"), BESIDE],
    ),
    "two networks behind gateways": (
        ["a", "b istio: {network: network2}"],
        {"network": {"cni": "none"}, **mesh()},
        [("istio-networks-differ", "info", 9, "15443")],
    ),
    "a cluster that is not in the mesh": (
        ["a", "b", "c istio: {enabled: false, meshId: mesh2}"],
        mesh(),
        [BESIDE],
    ),
    "ambient on one network": (
        ["a", "b"],
        mesh(mode="ambient"),
        [("ambient-single-network", "warning", 5, "untested"), BESIDE],
    ),
    "ambient on several": (["a", "b istio: {network: network2}"], mesh(mode="ambient"), [BESIDE]),
    "ambient in a single cluster": (["a"], mesh(mode="ambient"), [BESIDE]),
    "ambient of a remote": (
        ["a", "b istio: {primary: a, network: network2}"],
        mesh(mode="ambient", topology="primary-remote"),
        [
            ("ambient-primary-remote", "error", 5, "istiod of its own"),
            ("istiod-shared", "info", 5, "while their primary is down"),
            BESIDE,
        ],
    ),
    "ambient before its time": (
        ["a", "b istio: {network: network2}"],
        mesh(mode="ambient", version="1.26"),
        [("ambient-too-old", "error", 5, "alpha since 1.27"), BESIDE],
    ),
    "ambient in one": (
        ["a", "b", "c istio: {mode: ambient, network: network2}"],
        {"network": {"cni": "none"}, **mesh()},
        [
            ("istio-modes-differ", "warning", 10, "ambient in 'c'"),
            ("istio-networks-differ", "info", 10, "gateways"),
            ("ambient-single-network", "warning", 10, "untested"),
        ],
    ),
    "ambient with an egress gateway": (
        ["a"],
        {"network": {"egressGateway": True}, **mesh(mode="ambient")},
        [("istio-beside-cilium", "info", 6, ""), ("ambient-and-masquerade", "error", 6, "kubelet")],
    ),
    "a remote": (
        ["a", "b istio: {primary: a}"],
        mesh(topology="primary-remote"),
        [("istiod-shared", "info", 5, "stands by itself"), BESIDE],
    ),
    "a primary that names itself": (
        ["a istio: {primary: a}", "b istio: {primary: a}"],
        mesh(topology="primary-remote"),
        [("istiod-shared", "info", 5, ""), BESIDE],
    ),
    "no remote at all": (
        ["a", "b"],
        mesh(topology="primary-remote"),
        [("no-remote", "error", 5, "primary: NAME"), BESIDE],
    ),
    "a primary that is nowhere": (
        ["west", "b istio: {primary: wets}"],
        mesh(topology="primary-remote"),
        [("istiod-shared", "info", 5, ""), ("wrong-primary", "error", 8, "use one of: west"), BESIDE],
    ),
    "a primary that is a remote": (
        ["a", "b istio: {primary: a}", "c istio: {primary: b}"],
        mesh(topology="primary-remote"),
        [("istiod-shared", "info", 5, ""), ("wrong-primary", "error", 9, "its primary is 'a'"), BESIDE],
    ),
    "a primary without Istio": (
        ["a istio: {enabled: false}", "b istio: {primary: a}", "c"],
        mesh(topology="primary-remote"),
        [("istiod-shared", "info", 5, ""), ("wrong-primary", "error", 8, "'a' has no Istio"), BESIDE],
    ),
    "a primary among primaries": (
        ["a", "b istio: {primary: a}"],
        mesh(),
        [("primary-in-multi-primary", "error", 8, "each has its own"), BESIDE],
    ),
    "versions apart": (
        ["a istio: {version: '1.28'}", "b"],
        mesh(version="1.30"),
        [("istio-version-skew", "warning", 7, "1.28 in 'a' and 1.30 in 'b'"), BESIDE],
    ),
    "without kube-proxy": (
        ["a", "b"],
        {"network": {"kubeProxyReplacement": True}, **mesh()},
        [
            ("istio-beside-cilium", "info", 6, ""),
            ("socket-lb-host-only", "info", 6, "socketLB.hostNamespaceOnly: true"),
        ],
    ),
}


@pytest.mark.parametrize("case", [*CILIUM, *(f"Istio: {each}" for each in ISTIO)])
def test_each_limit_is_told_once_where_it_can_be_changed(case: str) -> None:
    clusters, sections, expected = ISTIO[case[7:]] if case.startswith("Istio: ") else CILIUM[case]
    found = meshes.judged(*clusters, **sections)

    assert [(each.code, each.severity.value, each.line) for each in found] == [
        (code, severity, line) for code, severity, line, _ in expected
    ]
    for each, (_, _, _, words) in zip(found, expected, strict=True):
        assert words in f"{each.message} → {each.remedy}"


@pytest.mark.parametrize(
    ("count", "most", "code"), [(255, 255, None), (256, 255, "too-many-clusters"), (511, 511, None)]
)
def test_no_more_clusters_than_connect(count: int, most: int, code: str | None) -> None:
    clusters = [f"c{each}" for each in range(1, count + 1)]
    found = meshes.judged(*clusters, network={"maxConnectedClusters": most})
    assert [each.code for each in found if each.severity.value == "error"] == (
        [code, "cluster-id-over-max"] if code else []
    )


@pytest.mark.parametrize(
    ("sections", "codes"),
    [({}, ["cluster-id-over-255"]), ({"network": {}}, []), (WIDE, []), ({"network": {"cni": "none"}}, [])],
)
def test_an_id_over_255_is_told_once(sections: Json, codes: list[str]) -> None:
    assert [each.code for each in meshes.parsed("a", "b id: 300", **sections).findings] == codes


@given(st.integers(1, 511))
def test_ids_clash_in_the_upper_half_of_each_byte(number: int) -> None:
    assert limits.clashes(number) == (128 <= number <= 255 or 384 <= number <= 511)


@given(st.tuples(st.integers(1, 2), st.integers(0, 40)), st.tuples(st.integers(1, 2), st.integers(0, 40)))
def test_versions_are_as_far_apart_from_both_sides(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = versions.Version(*one), versions.Version(*other)
    assert versions.apart(first, second) == versions.apart(second, first)
    assert versions.parse(str(first)) == first
    assert (versions.apart(first, second) == 0) == (first == second)


def test_what_a_cluster_states_comes_before_its_fleet() -> None:
    known = meshes.world(
        "a", "b network: {encryption: none, ipam: eni}", "c provider: gcp", network={"encryption": "ipsec"}
    ).fleet
    found = [settings.cilium(known, each) for each in known.clusters]

    assert [each.datapath.encryption.value for each in found] == ["ipsec", "none", "ipsec"]
    assert [each.ipam.value for each in found] == ["cluster-pool", "eni", "gke"]
    assert str(found[0].datapath) == "vxlan over ipv4 with ipsec"
    assert str(found[0].datapath._replace(routing=datapath.Routing.NATIVE)) == "native routing with ipsec"


def test_every_name_that_a_cluster_may_have_is_a_label_of_dns() -> None:
    # Istio takes DNS labels and Cilium 32 characters of them, so the stricter rule of the model is both.
    assert meshes.parsed("a" * 33).folder is None
    assert meshes.parsed("a" * 32).folder is not None
    assert meshes.parsed("a.b").folder is None
