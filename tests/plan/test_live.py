"""What import reads of real API servers, with the objects that Cilium, kubeadm and Istio write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.address import prefix
from isthmus.cli import main
from isthmus.clients import kinds, kube, kubeconfig, live
from isthmus.model import datapath, mesh

if TYPE_CHECKING:
    from isthmus.lab import labs as laboratories
    from isthmus.network import imported
    from tests import labs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

Json = dict[str, Any]
CILIUM = {
    "cluster-name": "us-west4",
    "cluster-id": "7",
    "routing-mode": "tunnel",
    "tunnel-protocol": "geneve",
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.8.0.0/16",
    "cluster-pool-ipv4-mask-size": "24",
    "enable-wireguard": "true",
    "max-connected-clusters": "255",
    "mtu": "1400",
    "kube-proxy-replacement": "true",
}
KUBEADM = "kind: ClusterConfiguration\nnetworking: {podSubnet: 10.9.0.0/16, serviceSubnet: 10.97.0.0/16}\n"
MESH = "trustDomain: shop.local\ndefaultConfig:\n  meshId: shop\n"


def workload(name: str, namespace: str, container: str, image: str, **labels: str) -> Json:
    template = {
        "metadata": {"labels": {"w": name}},
        "spec": {"containers": [{"name": container, "image": image}], "nodeSelector": {"no": "where"}},
    }
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": {"w": name}}, "template": template},
    }


def config_map(name: str, namespace: str, **data: str) -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def dress(server: kube.Cluster) -> None:
    """Give a bare cluster the objects of kubeadm, Cilium and Istio."""
    network = {"topology.istio.io/network": "network1"}
    await server.create(kinds.NAMESPACE, {"metadata": {"name": "istio-system", "labels": network}})
    await server.create(
        kinds.CONFIG_MAP,
        {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": CILIUM},
    )
    await server.create(
        kinds.CONFIG_MAP, config_map("kubeadm-config", "kube-system", ClusterConfiguration=KUBEADM)
    )
    await server.create(kinds.CONFIG_MAP, config_map("istio", "istio-system", mesh=MESH))
    agent = workload(
        "cilium",
        "kube-system",
        "cilium-agent",
        "quay.io/cilium/cilium:v1.20.2@sha256:0",
        **{"k8s-app": "cilium"},
    )
    await server.create(kinds.DAEMON_SET, agent)
    istiod = workload("istiod", "istio-system", "discovery", "istio/pilot:1.29.1-distroless", app="istiod")
    await server.create(kinds.DEPLOYMENT, istiod)


def server_of(lab: laboratories.Lab, name: str) -> kube.Cluster:
    context = lab.clusters[name].context
    return kube.Cluster(context, kubeconfig.load([lab.kubeconfig_path]).get(context))


def texts(found: imported.Live) -> tuple[str, ...]:
    return tuple(",".join(map(str, each)) for each in (found.pods, found.services, found.node_range))


async def test_a_bare_cluster_tells_nodes_and_ranges_and_a_dressed_one_its_settings(
    new_lab: labs.NewLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = new_lab(2)
    context = lab.clusters["west"].context
    async with server_of(lab, "west") as server:
        bare = await live.read(server, context)
        nodes = await server.list(kinds.NODE)
        await dress(server)
        dressed = await live.read(server, context)

    blocks = [prefix.parse(node["spec"]["podCIDR"]) for node in nodes]
    assert bare.nodes == len(nodes)
    assert (bare.pods_per_node, bare.region, bare.provider, bare.network, bare.istio) == (
        110,
        nodes[0]["metadata"]["labels"]["topology.kubernetes.io/region"],
        None,
        None,
        None,
    )
    assert all(prefix.contains(bare.pods[0], block) for block in blocks)
    assert bare.inferred == {"pods", "node_range"}
    assert bare.sources["services"] == "ServiceCIDR kubernetes"
    assert bare.findings == ()

    assert (dressed.name, dressed.id, dressed.uid) == ("us-west4", 7, bare.uid)
    assert texts(dressed)[:2] == ("10.8.0.0/16", "10.97.0.0/16")
    assert dressed.inferred == {"node_range"}
    assert dressed.provider is datapath.Provider.KUBEADM
    assert dressed.network == datapath.ClusterNetwork(
        version="1.20.2",
        routing=datapath.Routing.TUNNEL,
        encapsulation=datapath.Encapsulation.GENEVE,
        encryption=datapath.Encryption.WIREGUARD,
        mtu=1400,
        max_connected_clusters=255,
        kube_proxy_replacement=True,
        ipam=datapath.Ipam.CLUSTER_POOL,
    )
    assert dressed.istio == mesh.ClusterIstio(
        enabled=True,
        version="1.29.1",
        mode=mesh.Mode.SIDECAR,
        trust_domain="shop.local",
        mesh_id="shop",
        network="network1",
    )

    told = imported_by_command(lab, capsys)
    west, east = told["fleet"]["spec"]["clusters"]
    assert (west["name"], west["id"], west["context"]) == ("us-west4", 7, context)
    assert (east["id"], east["istio"]) == (1, {"enabled": False})
    assert told["fleet"]["spec"]["network"]["encryption"] == "wireguard"
    assert {"network-not-found", "ids-given", "range-inferred"} <= {each["code"] for each in told["findings"]}


def imported_by_command(lab: laboratories.Lab, capsys: pytest.CaptureFixture[str]) -> Json:
    """Run the command in a thread of its own, since it has an event loop of its own."""
    import threading

    flags = [flag for name in ("west", "east") for flag in ("--context", lab.clusters[name].context)]
    codes: list[int] = []
    thread = threading.Thread(
        target=lambda: codes.append(main.main(["plan", "import", *flags, "-o", "json"]))
    )
    thread.start()
    thread.join()
    assert codes == [0]
    told: Json = json.loads(capsys.readouterr().out)
    return told


async def test_a_part_that_the_user_may_not_read_hides_no_other(new_lab: labs.NewLab) -> None:
    lab = new_lab(1)
    async with server_of(lab, "west") as server:
        await server.create(kinds.SERVICE_ACCOUNT, {"metadata": {"name": "reader", "namespace": "default"}})
        rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}]
        await server.create(kinds.CLUSTER_ROLE, {"metadata": {"name": "reader"}, "rules": rules})
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
        }
        await server.create(kinds.CLUSTER_ROLE_BINDING, binding)
        first = await server.get(kinds.SERVICE, "kubernetes", "default")
        assert first is not None
        async with server.as_token(await server.issue_token("reader", "default")) as reader:
            found = await live.read(reader, "prod")
            lives, failed = await live.read_all({"prod": reader, "gone": nowhere(reader)})

    assert (found.name, found.nodes, found.inferred) == ("prod", None, frozenset({"services"}))
    assert texts(found) == ("", f"{first['spec']['clusterIP']}/32", "")
    assert {each.code for each in found.findings} == {"not-allowed"}
    assert any("cannot read all nodes" in each.message for each in found.findings)
    assert [each.name for each in lives] == ["prod"]
    assert {name: type(error).__name__ for name, error in failed.items()} == {"gone": "UnreachableError"}


def nowhere(like: kube.Cluster) -> kube.Cluster:
    """The same user of a server that is not there."""
    cluster = type(like.config.cluster)(server="http://127.0.0.1:9")
    return kube.Cluster("gone", like.config._replace(cluster=cluster), retry=kube.Retry(attempts=1))
