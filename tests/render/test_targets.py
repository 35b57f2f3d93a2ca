"""What each target says of small fleets, as parsed data."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import prefix
from isthmus.mesh import cilium, dns, istio
from isthmus.model import errors, folder
from isthmus.network import plan as plans
from isthmus.network.imports import tfvars
from isthmus.render.files import request, targets
from tests.plan import worlds

THREE = ("a 1", "b 2", "c 3")
MESH = "  mesh: {istio: {trustDomain: shop.local}}\n"


def parse(*clusters: str, more: str = "") -> folder.Folder:
    text = worlds.text(*clusters).replace("  clusters:\n", more + "  clusters:\n")
    parsed = folder.parse([("fleet.yaml", text)])
    assert parsed.folder is not None, parsed.findings
    return parsed.folder


def files(target: str, *clusters: str, more: str = "", at: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the files of one target, without its folder."""
    read = parse(*clusters, more=more)
    names = [each.name for each in read.fleet.clusters]
    wish = request.Request(plan=plans.plan(read), only=frozenset(names), at=request.places(at, names))
    return {name.partition("/")[2]: text for name, text in targets.render((target,), wish).items()}


def values(*clusters: str, more: str = "", at: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return Cilium's values of the first cluster."""
    found = files("cilium", *clusters, more=more, at=at)
    name = clusters[0].partition(" ")[0]
    told: dict[str, Any] = yaml.safe_load(found[f"values-{name}.yaml"])
    return told


def pick(told: dict[str, Any], path: str) -> Any:
    found: Any = told
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


NETWORK = "  network: {%s}\n"
NATIVE = NETWORK % "routing: native"

CILIUM: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
    "a cluster pool of its own range": (
        THREE,
        "",
        {
            "cluster": {"name": "a", "id": 1},
            "ipam": {
                "mode": "cluster-pool",
                "operator": {"clusterPoolIPv4PodCIDRList": ["10.0.0.0/22"], "clusterPoolIPv4MaskSize": 24},
            },
            "ipv4.enabled": True,
            "ipv6.enabled": False,
            "ipv4NativeRoutingCIDR": None,
        },
    ),
    "a tunnel": (
        THREE,
        NETWORK % "encapsulation: geneve, underlay: ipv4",
        {"routingMode": "tunnel", "tunnelProtocol": "geneve", "underlayProtocol": "ipv4"},
    ),
    "native routing spans the pods of all clusters": (
        ("a 1 pods: 10.1.0.0/16", "b 2 pods: 10.2.0.0/16", "c 3 pods: 10.7.0.0/16"),
        NATIVE,
        {
            "routingMode": "native",
            "tunnelProtocol": None,
            "autoDirectNodeRoutes": False,
            "ipv4NativeRoutingCIDR": "10.0.0.0/13",
        },
    ),
    "native routing beside an ENI cluster spans its nodes": (
        (
            "a 1 pods: 10.1.0.0/16",
            "b 2 nodeRange: 10.64.0.0/16, provider: aws, network: {ipam: eni}",
            "c 3 pods: 10.2.0.0/16",
        ),
        NATIVE,
        {"ipv4NativeRoutingCIDR": "10.0.0.0/9"},
    ),
    "GKE in its native mode": (
        ("a 1 provider: gcp", "b 2", "c 3"),
        NATIVE,
        {
            "ipam": {"mode": "kubernetes"},
            "gke.enabled": True,
            "nodeinit.enabled": True,
            "cni.binPath": "/home/kubernetes/bin",
            "k8s": {"requireIPv4PodCIDR": True, "requireIPv6PodCIDR": False},
        },
    ),
    "GKE in a tunnel is not GKE's mode": (("a 1 provider: gcp", "b 2", "c 3"), "", {"gke": None}),
    "AKS without a CNI": (("a 1 provider: azure", "b 2", "c 3"), "", {"aksbyocni.enabled": True}),
    "ENI": (
        ("a 1 provider: aws, network: {ipam: eni}", "b 2", "c 3"),
        "",
        {"ipam": {"mode": "eni"}, "eni.enabled": True},
    ),
    "chained to the VPC CNI": (
        ("a 1 provider: aws, network: {chaining: aws-cni}", "b 2", "c 3"),
        "",
        {"cni": {"chainingMode": "aws-cni", "exclusive": False}, "enableIPv4Masquerade": False, "ipam": None},
    ),
    "WireGuard": (
        THREE,
        NETWORK % "encryption: wireguard",
        {"encryption": {"enabled": True, "type": "wireguard"}},
    ),
    "no encryption": (THREE, "", {"encryption": None}),
    "the MTU of the narrowest path": (("a 1 mtu: 8896", "b 2 mtu: 1400", "c 3 mtu: 1500"), "", {"MTU": 1400}),
    "the MTU that the Fleet states": (THREE, NETWORK % "mtu: 1400", {"MTU": 1400}),
    "Istio beside kube-proxy's replacement": (
        THREE,
        NETWORK % "kubeProxyReplacement: true" + MESH,
        {
            "kubeProxyReplacement": "true",
            "socketLB.hostNamespaceOnly": True,
            "cni.exclusive": False,
            "bpf": None,
        },
    ),
    "without Istio": (THREE, "", {"socketLB": None, "cni": None, "kubeProxyReplacement": "false"}),
    "ambient": (
        THREE,
        "  mesh: {istio: {mode: ambient}}\n",
        {"bpf.masquerade": False, "cni.exclusive": False},
    ),
    "the API server of kind": (
        ("a 1 provider: kind", "b 2", "c 3"),
        NETWORK % "kubeProxyReplacement: true",
        {"k8sServiceHost": "a-control-plane", "k8sServicePort": 6443},
    ),
    "a mesh behind an internal load balancer": (
        ("a 1 provider: gcp", "b 2", "c 3"),
        NETWORK % "maxConnectedClusters: 511",
        {
            "clustermesh.useAPIServer": True,
            "clustermesh.maxConnectedClusters": 511,
            "clustermesh.config": {"enabled": True},
            "clustermesh.apiserver.service": {
                "type": "LoadBalancer",
                "annotations": {
                    "networking.gke.io/load-balancer-type": "Internal",
                    "networking.gke.io/internal-load-balancer-allow-global-access": "true",
                },
            },
            "clustermesh.apiserver.tls.auto.method": "cronJob",
        },
    ),
    "node ports have no annotations": (
        ("a 1 provider: gcp", "b 2", "c 3"),
        NETWORK % "exposure: NodePort",
        {"clustermesh.apiserver.service": {"type": "NodePort"}},
    ),
    "one cluster has no mesh": (("a 1",), "", {"clustermesh": None, "cluster.id": 1}),
    "Hubble off": (THREE, NETWORK % "hubble: false", {"hubble": {"enabled": False}}),
}


@pytest.mark.parametrize("case", CILIUM)
def test_cilium_values_follow_the_fleet(case: str) -> None:
    clusters, more, wanted = CILIUM[case]

    told = values(*clusters, more=more)

    assert {path: pick(told, path) for path in wanted} == wanted


def test_addresses_of_other_clusters_come_in_as_names_or_numbers() -> None:
    at = ("mesh.a=a.example:2379", "mesh.b=b.mesh.example", "mesh.c=10.0.0.1,10.0.0.2:32379")

    assert pick(values(*THREE, at=at), "clustermesh.config.clusters") == {
        "b": {"address": "b.mesh.example", "port": 2379},
        "c": {"ips": ["10.0.0.1", "10.0.0.2"], "port": 32379},
    }


def test_both_families_have_a_pool_and_a_mask() -> None:
    read = parse("a 1", "b 2", "c 3")
    told = cilium.values(
        read.fleet,
        read.fleet.cluster("a"),
        pods=("10.0.0.0/16", "fd00:1::/48"),
        all_pods=(),
        masks={32: 25, 128: 64},
        certificates="helm",
    )

    assert told["ipam"]["operator"] == {
        "clusterPoolIPv4PodCIDRList": ["10.0.0.0/16"],
        "clusterPoolIPv4MaskSize": 25,
        "clusterPoolIPv6PodCIDRList": ["fd00:1::/48"],
        "clusterPoolIPv6MaskSize": 64,
    }
    assert (told["ipv4"], told["ipv6"]) == ({"enabled": True}, {"enabled": True})
    assert pick(told, "clustermesh.apiserver.tls.auto") == {"enabled": True, "method": "helm"}


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 28)), min_size=1, max_size=8))
def test_the_native_range_holds_every_pod_and_half_of_it_does_not(pods: list[tuple[int, int]]) -> None:
    blocks = [
        prefix.Prefix(first >> (32 - length) << (32 - length), 1 << (32 - length)) for first, length in pods
    ]
    read = parse("a 1 pods: 10.0.0.0/16", "b 2", "c 3", more=NATIVE)
    told = cilium.values(
        read.fleet,
        read.fleet.cluster("a"),
        pods=("10.0.0.0/16",),
        all_pods=tuple(str(each) for each in blocks),
    )

    whole = prefix.parse(told["ipv4NativeRoutingCIDR"])
    assert all(prefix.contains(whole, each) for each in blocks)
    if len(set(blocks)) > 1 and whole.size > 1:
        halves = [prefix.block(whole, whole.length + 1, index) for index in (0, 1)]
        assert not any(all(prefix.contains(half, each) for each in blocks) for half in halves)


@pytest.mark.parametrize(
    ("cluster", "more", "words"),
    [
        ("a 1 'provider': azure, network: {ipam: aks-overlay}", "", "--network-plugin none"),
        ("a 1", NETWORK % "cni: none", "no Cilium"),
        ("a 1", NETWORK % "underlay: ipv6", "add an IPv6 supernet"),
        ("a 1", NETWORK % "egressGateway: true" + "  mesh: {istio: {mode: ambient}}\n", "egress gateway"),
    ],
)
def test_values_that_cannot_be_written_are_refused(cluster: str, more: str, words: str) -> None:
    read = parse(cluster, "b 2", "c 3", more=more)

    with pytest.raises(errors.InputError) as refused:
        cilium.values(read.fleet, read.fleet.cluster("a"), pods=("10.0.0.0/16",), all_pods=())
    assert words in f"{refused.value.what} {refused.value.remedy}"


def test_a_pool_without_a_range_is_refused_since_its_default_collides() -> None:
    read = parse("a 1", "b 2", "c 3")

    with pytest.raises(errors.InputError, match="no range for pods"):
        cilium.values(read.fleet, read.fleet.cluster("a"), pods=(), all_pods=())


# --- Istio ---------------------------------------------------------------------------------------


def mesh(*clusters: str, more: str = MESH, pilots: dict[str, str] | None = None) -> dict[str, Any]:
    """Return chart to values, and objects by kind and name, of the first cluster."""
    known = parse(*clusters, more=more).fleet
    first = known.clusters[0]
    things = {f"{each['kind']}/{each['metadata']['name']}": each for each in istio.objects(known, first)}
    return {
        **istio.charts(known, first, pilots=pilots),
        **things,
        "hostNetwork": istio.patch(known, first) is not None,
    }


def test_a_flat_sidecar_mesh_has_no_gateway() -> None:
    told = mesh(*THREE)

    assert list(told) == ["base", "istiod", "cni", "Namespace/istio-system", "hostNetwork"]
    assert told["istiod"] == {
        "global": {"meshID": "mesh1", "multiCluster": {"clusterName": "a"}, "network": "network1"},
        "meshConfig": {
            "trustDomain": "shop.local",
            "defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}},
        },
        "pilot": {"cni": {"enabled": True}},
    }
    assert told["cni"] == {"cni": {"chained": True}}
    assert told["Namespace/istio-system"]["metadata"]["labels"] == {"topology.istio.io/network": "network1"}


TWO_NETWORKS = ("a 1 istio: {network: n1}", "b 2 istio: {network: n2}", "c 3 istio: {network: n2}")


def test_two_networks_meet_at_a_gateway() -> None:
    told = mesh(*TWO_NETWORKS)

    assert told["gateway"]["labels"] == {"topology.istio.io/network": "n1"}
    assert told["gateway"]["env"] == {"ISTIO_META_REQUESTED_NETWORK_VIEW": "n1"}
    assert [each["port"] for each in told["gateway"]["service"]["ports"]] == [15021, 15443]
    assert "meshNetworks" not in told["istiod"]["global"]
    [server] = told["Gateway/cross-network-gateway"]["spec"]["servers"]
    assert (server["port"]["number"], server["tls"], server["hosts"]) == (
        15443,
        {"mode": "AUTO_PASSTHROUGH"},
        ["*.local"],
    )


@pytest.mark.parametrize(
    ("at", "gateways"),
    [
        ((), {}),
        (("gateway.b=10.9.0.1",), {"n2": ["10.9.0.1:15443"]}),
        (
            ("gateway.a=gw.example", "gateway.b=10.9.0.1:32443", "gateway.c=[fd00::1]:32443,fd00::2"),
            {"n1": ["gw.example:15443"], "n2": ["10.9.0.1:32443", "fd00::1:32443", "fd00::2:15443"]},
        ),
    ],
)
def test_gateways_that_are_known_are_told_to_every_istiod(
    at: tuple[str, ...], gateways: dict[str, list[str]]
) -> None:
    text = files("istio", *TWO_NETWORKS, more=NODES, at=at)["a/istiod.yaml"]

    networks = yaml.safe_load(text)["global"].get("meshNetworks", {})
    assert {
        name: [f"{one['address']}:{one['port']}" for one in each["gateways"]]
        for name, each in networks.items()
    } == gateways
    assert ("meshNetworks waits for addresses of nodes" in text) == (len(gateways) < 2)


NODES = "  mesh: {istio: {trustDomain: shop.local, gateway: {exposure: NodePort}}}\n"


def test_ambient_over_two_networks_uses_ztunnel_and_hbone() -> None:
    told = mesh(*TWO_NETWORKS, more="  mesh: {istio: {mode: ambient}}\n")

    assert "gateway" not in told
    assert told["istiod"]["profile"] == told["cni"]["profile"] == "ambient"
    assert told["istiod"]["pilot"]["env"] == {"AMBIENT_ENABLE_MULTI_NETWORK": "true"}
    assert (told["ztunnel"]["multiCluster"], told["ztunnel"]["network"]) == ({"clusterName": "a"}, "n1")
    assert told["Gateway/istio-eastwestgateway"]["spec"]["listeners"][0]["port"] == 15008


def test_a_primary_opens_its_istiod_to_its_remotes() -> None:
    told = mesh("a 1", "b 2 istio: {primary: a}", "c 3")

    assert told["istiod"]["global"]["externalIstiod"] is True
    assert told["base"] == {"global": {"externalIstiod": True}}
    ports = [each["port"]["number"] for each in told["Gateway/istiod-gateway"]["spec"]["servers"]]
    routes = told["VirtualService/istiod-vs"]["spec"]["tls"]
    assert ports == [15012, 15017]
    assert [each["route"][0]["destination"]["port"]["number"] for each in routes] == [15012, 443]


def test_a_remote_points_at_its_primary_once_that_stands() -> None:
    clusters = ("b 2 istio: {primary: a}", "a 1", "c 3")

    with pytest.raises(errors.InputError) as refused:
        mesh(*clusters)
    assert "--at pilot.a=ADDRESS" in refused.value.remedy

    told = mesh(*clusters, pilots={"a": "10.1.2.3"})
    assert told["istiod"]["profile"] == told["base"]["profile"] == "remote"
    assert told["istiod"]["global"]["remotePilotAddress"] == "10.1.2.3"
    assert told["istiod"]["istiodRemote"] == {"injectionPath": "/inject/cluster/b/net/network1"}
    assert told["Namespace/istio-system"]["metadata"]["annotations"] == {
        "topology.istio.io/controlPlaneClusters": "a"
    }


HOST: list[tuple[str, str, bool]] = [
    ("a 1 provider: aws", MESH, True),
    ("a 1", MESH, True),
    ("a 1 provider: kubeadm", MESH, False),
    ("a 1 provider: aws", NATIVE + MESH, False),
    ("a 1 provider: aws", "  mesh: {istio: {mode: ambient}}\n", False),
    ("a 1 provider: aws", NETWORK % "cni: none" + MESH, False),
    ("a 1 provider: aws, istio: {enabled: false}", MESH, False),
]


@pytest.mark.parametrize(("cluster", "more", "wanted"), HOST)
def test_istiod_is_on_the_host_network_where_an_api_server_cannot_reach_the_overlay(
    cluster: str, more: str, wanted: bool
) -> None:
    assert mesh(cluster, "b 2", "c 3", more=more)["hostNetwork"] is wanted


# --- DNS -----------------------------------------------------------------------------------------


def test_a_stub_leaves_the_local_cluster_out() -> None:
    homes = {"a": ["west"], "b": ["east", "east-2"], "c": []}
    servers = {"b": ["10.0.0.1", "10.0.0.2"]}

    assert dns.stubs("a", homes, servers) == {
        "east-2.svc.cluster.local": ("10.0.0.1", "10.0.0.2"),
        "east.svc.cluster.local": ("10.0.0.1", "10.0.0.2"),
    }


# --- the other targets ---------------------------------------------------------------------------


def test_kind_gets_the_ranges_and_a_few_nodes() -> None:
    told = yaml.safe_load(files("kind", "a 1 nodes: 30", "b 2", "c 3")["a.yaml"])

    assert told["networking"] == {
        "ipFamily": "ipv4",
        "podSubnet": "10.0.0.0/19",
        "serviceSubnet": "10.96.0.0/20",
        "disableDefaultCNI": True,
    }
    assert [each["role"] for each in told["nodes"]] == ["control-plane", "worker", "worker", "worker"]


def test_kind_keeps_its_own_cni_where_the_fleet_has_no_cilium() -> None:
    told = yaml.safe_load(files("kind", "a 1 nodes: 1", "b 2", "c 3", more=NETWORK % "cni: none")["a.yaml"])

    assert "disableDefaultCNI" not in told["networking"]
    assert len(told["nodes"]) == 2


def test_cluster_api_gets_the_cluster_network() -> None:
    told = yaml.safe_load(files("cluster-api", *THREE)["b.yaml"])

    assert (told["kind"], told["metadata"]) == ("Cluster", {"name": "b"})
    assert told["spec"]["clusterNetwork"] == {
        "services": {"cidrBlocks": ["10.96.16.0/20"]},
        "pods": {"cidrBlocks": ["10.0.4.0/22"]},
        "serviceDomain": "cluster.local",
    }


def test_terraform_gets_a_file_for_each_account() -> None:
    found = files(
        "terraform", "a 1 provider: gcp, account: ../x y", "b 2 provider: gcp, account: ../x y", "c 3"
    )

    assert sorted(found) == ["any-any.tfvars.json", "gcp-..-x-y.tfvars.json", "variables.tf"]
    clusters = json.loads(found["gcp-..-x-y.tfvars.json"])["clusters"]
    assert list(clusters) == ["a", "b"]
    assert clusters["a"] == {
        "id": 1,
        "region": None,
        "account": "../x y",
        "vpc": None,
        "owner": None,
        "mtu": None,
        "nodes": 3,
        "planned_nodes": 3,
        "pods_per_node": 110,
        "node_cidrs": ["10.64.0.0/29"],
        "pod_cidrs": ["10.0.0.0/22"],
        "pods_range_name": "a-pods",
        "pod_node_masks": {"ipv4": 24},
        "service_cidrs": ["10.96.0.0/20"],
        "services_range_name": "a-services",
    }


def test_what_is_rendered_for_terraform_can_be_imported() -> None:
    [found] = [text for name, text in files("terraform", *THREE).items() if name.endswith(".json")]

    lives, findings = tfvars.read("any-any.tfvars.json", found)

    assert [each.code for each in findings] == ["not-read"]  # derived figures: what they come from is read
    told = [
        [each.name, *map(str, (*each.pods, *each.services, *each.node_range)), each.nodes] for each in lives
    ]
    assert told[0] == ["a", "10.0.0.0/22", "10.96.0.0/20", "10.64.0.0/29", 3]
    assert [each[0] for each in told] == ["a", "b", "c"]


def test_text_of_the_fleet_cannot_leave_its_word_in_a_shell() -> None:
    found = files("commands", "a 1 provider: gcp, vpc: \"x'; rm -rf /; '\", account: $(id)", "b 2", "c 3")

    lines = found["gke-a.sh"].splitlines()
    assert "  --network 'x'\"'\"'; rm -rf /; '\"'\"'' \\" in lines
    assert "  --project '$(id)' \\" in lines
    assert '  --region "${REGION:?}" \\' in lines


COMMANDS: dict[str, tuple[str, str, list[str]]] = {
    "GKE names its secondary ranges": (
        "a 1 provider: gcp, region: r1, account: p1, vpc: core, nodes: 7",
        "gke-a.sh",
        [
            "--range 10.64.0.0/28",
            "--secondary-range a-pods=10.0.0.0/21,a-services=10.96.0.0/20",
            "--cluster-secondary-range-name a-pods",
            "--services-secondary-range-name a-services",
            "--num-nodes 3",
        ],
    ),
    "AKS comes without a CNI": (
        "a 1 provider: azure",
        "aks-a.sh",
        [
            "--network-plugin none",
            "--pod-cidr 10.0.0.0/22",
            "--service-cidr 10.96.0.0/20",
            "--dns-service-ip 10.96.0.10",
        ],
    ),
    "EKS gets Cilium before its nodes": (
        "a 1 provider: aws, vpc: vpc-1",
        "eks-a.sh",
        ["create cluster -f eks-a.yaml --without-nodegroup", "create nodegroup -f eks-a.yaml"],
    ),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_commands_build_a_cluster_with_its_ranges(case: str) -> None:
    cluster, name, words = COMMANDS[case]

    text = files("commands", cluster, "b 2", "c 3")[name]

    assert [each for each in words if each not in text] == []


def test_eksctl_gets_the_service_range_and_no_cni() -> None:
    told = yaml.safe_load(
        files("commands", "a 1 provider: aws, nodeRange: 10.64.0.0/20", "b 2", "c 3")["eks-a.yaml"]
    )

    assert told["kubernetesNetworkConfig"] == {"ipFamily": "IPv4", "serviceIPv4CIDR": "10.96.0.0/20"}
    assert told["vpc"] == {"cidr": "10.64.0.0/20"}
    assert told["addonsConfig"] == {"disableDefaultAddons": True}
    assert [each["name"] for each in told["addons"]] == ["coredns", "kube-proxy"]
