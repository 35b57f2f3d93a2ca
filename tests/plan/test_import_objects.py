from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.model import datapath, mesh
from isthmus.network.imports import cluster, draft, objects

if TYPE_CHECKING:
    from isthmus.network import imported

Json = dict[str, Any]


def node(number: int = 1, provider: str = "", region: str = "", **more: Any) -> Json:
    return {
        "metadata": {"labels": {"topology.kubernetes.io/region": region} if region else {}},
        "spec": {"podCIDRs": [f"10.1.{number}.0/24"], "providerID": provider, **more},
        "status": {
            "allocatable": {"pods": "110"},
            "addresses": [{"type": "InternalIP", "address": f"10.64.0.{number}"}],
        },
    }


def cilium(**data: str) -> Json:
    return {"data": {key.replace("_", "-"): value for key, value in data.items()}}


def kubeadm(networking: str) -> Json:
    return {"data": {"ClusterConfiguration": f"networking: {{{networking}}}"}}


def service_range(name: str, *ranges: str) -> Json:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(ranges)}}


def argued(*words: str) -> Json:
    return {"spec": {"containers": [{"command": ["kube-apiserver", *words]}]}}


def service(*addresses: str) -> Json:
    return {"spec": {"clusterIPs": list(addresses)}}


def live(context: str = "west", **parts: Any) -> imported.Live:
    return cluster.live(objects.Objects(context=context, **parts))


def shown(found: imported.Live, field: str) -> str:
    return ",".join(map(str, getattr(found, field)))


KUBEADM = kubeadm("podSubnet: 10.9.0.0/16, serviceSubnet: 10.97.0.0/16")
RANGE = service_range("kubernetes", "10.98.0.0/16", "fd00:98::/112")
FLAGS = argued("--service-cluster-ip-range=10.99.0.0/16", "--cluster-cidr=10.10.0.0/16")
SERVICES = (service("10.96.0.1"), service("10.96.0.10"), service("None"), service())


@pytest.mark.parametrize(
    ("parts", "text", "source", "inferred"),
    [
        (
            {"kubeadm": KUBEADM, "service_ranges": (RANGE,), "control": (FLAGS,), "services": SERVICES},
            "10.97.0.0/16",
            "ConfigMap kube-system/kubeadm-config",
            False,
        ),
        (
            {"service_ranges": (RANGE,), "control": (FLAGS,), "services": SERVICES},
            "10.98.0.0/16,fd00:98::/112",
            "ServiceCIDR kubernetes",
            False,
        ),
        (
            {"control": (FLAGS,), "services": SERVICES},
            "10.99.0.0/16",
            "--service-cluster-ip-range of kube-apiserver",
            False,
        ),
        ({"services": SERVICES}, "10.96.0.0/28", "clusterIPs of the Services", True),
        ({}, "", None, False),
    ],
    ids=["kubeadm", "ServiceCIDR", "flag", "services", "nothing"],
)
def test_the_service_range_comes_from_the_best_source(
    parts: Json, text: str, source: str | None, inferred: bool
) -> None:
    found = live(**parts)

    assert (shown(found, "services"), found.sources.get("services")) == (text, source)
    assert ("services" in found.inferred) is inferred


@pytest.mark.parametrize(
    ("parts", "text", "inferred"),
    [
        ({"cilium": cilium(ipam="cluster-pool", cluster_pool_ipv4_cidr="10.8.0.0/16")}, "10.8.0.0/16", False),
        (
            {"cilium": cilium(cluster_pool_ipv4_cidr="10.8.0.0/16", cluster_pool_ipv6_cidr="fd00:8::/104")},
            "10.8.0.0/16,fd00:8::/104",
            False,
        ),
        (
            {"cilium": cilium(ipam="kubernetes", cluster_pool_ipv4_cidr="10.0.0.0/8"), "kubeadm": KUBEADM},
            "10.9.0.0/16",
            False,
        ),
        ({"control": (FLAGS,)}, "10.10.0.0/16", False),
        ({"nodes": (node(2), node(3), node(5))}, "10.1.0.0/21", True),
        ({"nodes": (node(1, podCIDRs=[]),)}, "", False),
    ],
    ids=["cilium", "dual-stack", "kubernetes-ipam", "flag", "nodes", "nothing"],
)
def test_the_pod_range_comes_from_the_best_source(parts: Json, text: str, inferred: bool) -> None:
    found = live(**parts)

    assert shown(found, "pods") == text
    assert ("pods" in found.inferred) is inferred


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("gce://shop/us-west4-a/n1", (datapath.Provider.GCP, "shop")),
        ("aws:///us-east-1a/i-0123", (datapath.Provider.AWS, None)),
        (
            "azure:///subscriptions/1234/resourceGroups/r/providers/c/v/0",
            (datapath.Provider.AZURE, "1234"),
        ),
        ("kind://docker/shop/shop-worker", (datapath.Provider.KIND, None)),
        ("cn-hangzhou.i-bp1abc", (datapath.Provider.ALIBABACLOUD, None)),
        ("alicloud://cn-hangzhou.i-bp1abc", (datapath.Provider.ALIBABACLOUD, None)),
        ("other://x", (None, None)),
        ("", (None, None)),
    ],
)
def test_provider_and_account_come_from_the_provider_id(
    provider: str, told: tuple[datapath.Provider | None, str | None]
) -> None:
    found = live(nodes=(node(provider=provider),))

    assert (found.provider, found.account) == told


def test_a_cluster_without_a_cloud_that_kubeadm_made_is_of_kubeadm() -> None:
    assert live(kubeadm=KUBEADM, nodes=(node(),)).provider is datapath.Provider.KUBEADM
    assert live(kubeadm=KUBEADM, nodes=(node(provider="aws:///a/b"),)).provider is datapath.Provider.AWS


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"cilium": cilium(cluster_name="us-west4")}, "us-west4"),
        ({"cilium": cilium(cluster_name="default")}, "west"),
        ({"cilium": cilium(cluster_name="No Name")}, "west"),
        ({"nodes": (node(provider="kind://docker/shop/x"),)}, "shop"),
        ({}, "west"),
    ],
)
def test_a_cluster_is_called_as_its_mesh_calls_it(parts: Json, name: str) -> None:
    assert live(**parts).name == name


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"routing_mode": "native"}, {"routing": "native", "encryption": "none"}),
        (
            {"routing_mode": "tunnel", "tunnel_protocol": "vxlan"},
            {"routing": "tunnel", "encapsulation": "vxlan", "encryption": "none"},
        ),
        ({"tunnel": "geneve"}, {"routing": "tunnel", "encapsulation": "geneve", "encryption": "none"}),
        ({"tunnel": "disabled"}, {"routing": "native", "encryption": "none"}),
        ({"enable_wireguard": "true"}, {"encryption": "wireguard"}),
        ({"enable_ipsec": "true"}, {"encryption": "ipsec"}),
        ({"mtu": "0"}, {"encryption": "none"}),
        ({"mtu": "1400"}, {"mtu": 1400, "encryption": "none"}),
        ({"kube_proxy_replacement": "strict"}, {"kube_proxy_replacement": True, "encryption": "none"}),
        ({"ipam": "eni"}, {"ipam": "eni", "encryption": "none"}),
        ({"cni_chaining_mode": "none"}, {"encryption": "none"}),
        ({"cni_chaining_mode": "aws-cni"}, {"chaining": "aws-cni", "encryption": "none"}),
        ({"max_connected_clusters": "511"}, {"max_connected_clusters": 511, "encryption": "none"}),
        ({"underlay_protocol": "ipv6"}, {"underlay": "ipv6", "encryption": "none"}),
        ({"underlay_protocol": "auto"}, {"encryption": "none"}),
    ],
    ids=str,
)
def test_each_setting_of_cilium_is_told_in_the_words_of_the_fleet(data: dict[str, str], wanted: Json) -> None:
    found = live(cilium=cilium(**data)).network

    assert found is not None
    assert found.model_dump(mode="json", exclude_none=True) == wanted


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"ipam": "multi-pool"}, "value-not-written"),
        ({"mtu": "99999"}, "value-not-written"),
        ({"cluster_pool_ipv4_cidr": "10.0.0.0/8 nonsense"}, "range-not-read"),
        ({"cluster_pool_ipv4_cidr": "10.1.0.0/16 10.3.0.0/16"}, "range-spans"),
        ({"cluster_pool_ipv4_cidr": "10.1.0.0/16 172.16.0.0/16"}, "ranges-apart"),
        ({"cluster_pool_ipv4_mask_size": "25"}, "node-mask-not-written"),
    ],
    ids=str,
)
def test_what_a_fleet_cannot_state_is_told(data: dict[str, str], code: str) -> None:
    assert [each.code for each in live(cilium=cilium(**data)).findings] == [code]


def istio(name: str = "istio", text: str = "trustDomain: shop.local\ndefaultConfig: {meshId: shop}") -> Json:
    return {"metadata": {"name": name}, "data": {"mesh": text}}


def test_istio_tells_trust_domain_mesh_and_network() -> None:
    home = {"metadata": {"labels": {"topology.istio.io/network": "network2"}}}
    found = live(mesh=(istio(),), istio_home=home, ztunnel={})

    assert found.istio == mesh.ClusterIstio(
        enabled=True,
        mode=mesh.Mode.SIDECAR,
        trust_domain="shop.local",
        mesh_id="shop",
        network="network2",
    )
    assert live(mesh=(istio("istio-1-29"), istio("istio-1-30"))).findings[0].code == "several-revisions"
    assert live(mesh=({"metadata": {"name": "istio-ca-root-cert"}, "data": {}},)).istio is None


def test_a_part_that_was_refused_is_told() -> None:
    [told] = live(denied={"all nodes": "nodes is forbidden"}).findings

    assert (told.code, told.cluster) == ("not-allowed", "west")
    assert told.message == "cannot read all nodes: nodes is forbidden"


# --- clusters become a Fleet ---------------------------------------------------------------------------


def fleet(*lives: imported.Live) -> Json:
    document = draft.draft("shop", lives).document
    assert document is not None
    spec: Json = document["spec"]
    return spec


def test_what_most_clusters_have_is_said_once_and_the_rest_where_it_differs() -> None:
    spec = fleet(
        live("a", cilium=cilium(routing_mode="tunnel", mtu="1400"), mesh=(istio(),)),
        live("b", cilium=cilium(routing_mode="tunnel", mtu="1400"), mesh=(istio(),)),
        live("c", cilium=cilium(routing_mode="native", mtu="1400")),
    )

    assert spec["network"] == {"cni": "cilium", "routing": "tunnel", "encryption": "none", "mtu": 1400}
    assert spec["mesh"]["istio"] == {
        "enabled": True,
        "mode": "sidecar",
        "trustDomain": "shop.local",
        "meshId": "shop",
    }
    assert [(each.get("network"), each.get("istio")) for each in spec["clusters"]] == [
        (None, None),
        (None, None),
        ({"routing": "native"}, {"enabled": False}),
    ]


def test_clusters_without_cilium_state_no_network() -> None:
    assert "network" not in fleet(live("a"), live("b"))


def test_two_contexts_of_one_cluster_are_written_once() -> None:
    system = {"metadata": {"uid": "1"}}
    found = draft.draft("shop", [live("a", system=system), live("b", system=system)])

    assert [each.context for each in found.clusters] == ["a"]
    assert "same-cluster" in [each.code for each in found.findings]


def test_two_clusters_of_one_name_stay_two() -> None:
    both = [
        live(
            context, cilium=cilium(cluster_name="prod", cluster_id="1"), system={"metadata": {"uid": context}}
        )
        for context in ("a", "b")
    ]
    found = draft.draft("shop", both)

    assert [(each["name"], each["id"]) for each in fleet(*both)["clusters"]] == [("prod", 1), ("prod-2", 2)]
    assert {"duplicate-name", "duplicate-id"} <= {each.code for each in found.findings}


def test_a_file_fills_what_a_live_cluster_does_not_tell_and_widens_what_it_only_infers() -> None:
    seen = live("west", nodes=(node(1), node(2)))
    filed = dataclasses.replace(
        live("west", cilium=cilium(cluster_pool_ipv4_cidr="10.1.0.0/16"), kubeadm=KUBEADM),
        context=None,
        file="x.tfstate",
    )
    found = draft.draft("shop", [seen, filed])

    [row] = fleet(seen, filed)["clusters"]
    assert (row["pods"], row["services"], row["nodes"]) == ("10.1.0.0/16", "10.97.0.0/16", 2)
    assert "sources-disagree" not in [each.code for each in found.findings]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FULL: Json = {
    "system": {"metadata": {"uid": "1"}},
    "nodes": [node(1, "gce://p/z/n", "us-west4")],
    "agents": [
        {
            "spec": {
                "template": {"spec": {"containers": [{"name": "cilium-agent", "image": "cilium:v1.20.2"}]}}
            }
        }
    ],
    "cilium": cilium(cluster_name="a", cluster_id="1", cluster_pool_ipv4_cidr="10.0.0.0/8", mtu="1400"),
    "kubeadm": KUBEADM,
    "control": [FLAGS],
    "mesh": [istio()],
    "istiod": [
        {"spec": {"template": {"spec": {"containers": [{"name": "discovery", "image": "pilot:1.29.1"}]}}}}
    ],
    "istio_home": {"metadata": {"labels": {"topology.istio.io/network": "n"}}},
    "service_ranges": [RANGE],
    "services": list(SERVICES),
    "gateway": {"spec": {"type": "LoadBalancer"}},
}


def copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copy(each) for key, each in value.items()}
    return [copy(each) for each in value] if isinstance(value, list) else value


@given(st.sampled_from(sorted(FULL)), st.lists(st.integers(0, 9), max_size=7), st.data())
@settings(deadline=None, max_examples=300)
def test_no_odd_object_makes_a_traceback(part: str, path: list[int], data: st.DataObject) -> None:
    """Any value below any object is exchanged for any other."""
    parts = copy(FULL)
    here, key = parts, part
    for step in path:
        below = here[key]
        if not isinstance(below, (dict, list)) or not below:
            break
        keys: list[Any] = list(below) if isinstance(below, dict) else list(range(len(below)))
        here, key = below, keys[step % len(keys)]
    if here is not parts:
        here[key] = data.draw(VALUES)
    given_parts: Json = {
        name: tuple(each) if isinstance(each, list) else each for name, each in parts.items()
    }
    found = live(**given_parts)

    assert draft.draft("shop", [found]).document is not None
