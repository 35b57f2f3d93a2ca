"""Helm values of Cilium 1.20 for each cluster of a Fleet, as plain data.

The same values are rendered by `plan render cilium` and installed by `connect`. What is unknown before a
cluster exists (addresses of other clusters, its API server) comes in as an argument and is left out when it
does not. Nothing here judges: `network` says what is illegal; only what cannot be written is refused.
Names of values: Cilium 1.20 install/kubernetes/cilium/values.yaml.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix
from isthmus.mesh import balancers, remotes, settings
from isthmus.mesh.trust import leaves
from isthmus.model import app, datapath, errors
from isthmus.model import mesh as meshes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.model import fleet

Values = dict[str, Any]

MESH_PORT: Final = 2379
"""Of the Service clustermesh-apiserver (Cilium 1.20 operations/system_requirements.rst)."""

NODE_PORT: Final = 32379
"""Of the same as NodePort (Cilium 1.20 values.yaml, clustermesh.apiserver.service.nodePort)."""

MASKS: Final[Mapping[int, int]] = {32: 24, 128: 120}
"""A node's block by bits of the family where nobody says (Cilium 1.20 values.yaml:2310-2319)."""

PROVIDED: Final = "provided"

RESTARTS: Final[Mapping[str, Any]] = {"rollOutCiliumPods": True, "operator": {"rollOutPods": True}}
"""Agents and operators read their ConfigMap at their start alone: a new one has to restart them."""

RENEWAL: Final = "0 0 1 */4 *"
"""Every four months, as `cilium clustermesh enable` has it; nothing renews certificates that Helm makes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """Where the ClusterMesh API server of another cluster answers: a name (better) or addresses."""

    address: str = ""
    ips: tuple[str, ...] = ()
    port: int = MESH_PORT


def values(
    known: fleet.Fleet,
    cluster: fleet.Cluster,
    *,
    pods: tuple[str, ...],
    all_pods: tuple[str, ...],
    masks: Mapping[int, int] = MASKS,
    mtu: int | None = None,
    peers: Mapping[str, Peer] | None = None,
    api_server: tuple[str, int] | None = None,
    certificates: str = "cronJob",
) -> Values:
    """Return the Helm values of a cluster.

    `pods` are its own ranges and `all_pods` those of every cluster; `masks` is the length of a node's block
    by bits of the family. `mtu` is in bytes on the wire between nodes, before Cilium takes its headers off
    (`MTU` of the chart), and yields to what the Fleet states. `certificates` is `cronJob` (renewed by
    certgen), `helm` (made once), or `provided`: the Secrets are there before the chart, each cluster has a
    user of its own in the others, and no key stands in the values.
    """
    if not settings.uses_cilium(known):
        raise errors.InputError(
            f"cluster '{cluster.name}' has no Cilium",
            why="the Fleet says `network.cni: none`",
            remedy="write `network: {cni: cilium}`, or leave out the target `cilium`",
        )
    own = settings.cilium(known, cluster)
    parts = (
        {"cluster": {"name": cluster.name, "id": cluster.id}},
        _addresses(cluster, own, pods, masks),
        _routing(own, all_pods),
        _encryption(own),
        _services(own, api_server),
        _beside_istio(known, cluster, own),
        _mesh(known, cluster, own, peers or {}, certificates),
        _hubble(known, certificates),
        {"MTU": own.mtu or mtu} if own.mtu or mtu else {},
        RESTARTS,
    )
    return functools.reduce(app.merge_values, parts, {})


def _addresses(
    cluster: fleet.Cluster, own: settings.Cilium, pods: tuple[str, ...], masks: Mapping[int, int]
) -> Values:
    """Return the families and who hands out addresses."""
    parsed = [prefix.parse(text) for text in pods]
    families: Values = {
        "ipv4": {"enabled": not parsed or any(not each.is_v6 for each in parsed)},
        # The agent has an underlay of IPv6 only where IPv6 is on, for pods too.
        "ipv6": {
            "enabled": any(each.is_v6 for each in parsed) or own.datapath.underlay is datapath.Underlay.IPV6
        },
    }
    mode = datapath.Ipam.VPC_CNI if own.is_chained_to_aws else own.ipam
    if mode is datapath.Ipam.CLUSTER_POOL:
        return (
            families
            | _provider(cluster)
            | {"ipam": {"mode": "cluster-pool", "operator": _pool(cluster, own, parsed, masks)}}
        )
    if mode in {datapath.Ipam.KUBERNETES, datapath.Ipam.GKE}:
        # The agent waits for the node's podCIDR instead of starting without one.
        required = {
            "requireIPv4PodCIDR": families["ipv4"]["enabled"],
            "requireIPv6PodCIDR": families["ipv6"]["enabled"],
        }
        gke = _gke(own) if mode is datapath.Ipam.GKE else {}
        return families | {"ipam": {"mode": "kubernetes"}, "k8s": required} | gke
    if mode is datapath.Ipam.ENI:
        return families | {"ipam": {"mode": "eni"}, "eni": {"enabled": True}}
    if mode is datapath.Ipam.ALIBABACLOUD:
        return families | {"ipam": {"mode": "alibabacloud"}, "alibabacloud": {"enabled": True}}
    if mode is datapath.Ipam.VPC_CNI:
        # Cilium 1.20 installation/cni-chaining-aws-cni.rst: the VPC CNI gives the addresses and masquerades.
        return families | {
            "cni": {"chainingMode": "aws-cni", "exclusive": False},
            "enableIPv4Masquerade": False,
        }
    raise errors.InputError(
        f"cluster '{cluster.name}' cannot get a Cilium of its own with `ipam: {mode.value}`",
        why="AKS overlay pods cannot be reached from outside, and Azure reverts changes to its own Cilium",
        remedy="build the cluster with `--network-plugin none` and write `ipam: cluster-pool`",
    )


def _pool(
    cluster: fleet.Cluster, own: settings.Cilium, pods: list[prefix.Prefix], masks: Mapping[int, int]
) -> Values:
    if not pods:
        raise errors.InputError(
            f"cluster '{cluster.name}' has no range for pods",
            why="Cilium's own default is 10.0.0.0/8 in every cluster, so two such clusters collide",
            remedy="write `addressing.pods.supernets`, or pin `pods` of the cluster",
        )
    if own.datapath.underlay is datapath.Underlay.IPV6 and not any(each.is_v6 for each in pods):
        raise errors.InputError(
            f"cluster '{cluster.name}' has an underlay of IPv6 and no IPv6 range for pods",
            why="Cilium then gives pods addresses of its default fd00::/104, the same in every cluster",
            remedy="add an IPv6 supernet to `addressing.pods`, or write `underlay: ipv4`",
        )
    pool: Values = {}
    for bits, family in ((32, "IPv4"), (128, "IPv6")):
        if found := [str(each) for each in pods if each.bits == bits]:
            pool[f"clusterPool{family}PodCIDRList"] = found
            pool[f"clusterPool{family}MaskSize"] = masks[bits]
    return pool


def _provider(cluster: fleet.Cluster) -> Values:
    # Cilium 1.20 network/clustermesh/aks-clustermesh-prep.rst: AKS without a CNI of its own.
    return {"aksbyocni": {"enabled": True}} if cluster.provider is datapath.Provider.AZURE else {}


def _gke(own: settings.Cilium) -> Values:
    """Return what GKE nodes need (Cilium 1.20 installation/k8s-install-helm.rst, tab GKE).

    `gke.enabled` stands for native routing, so it stays off in a tunnel.
    """
    node: Values = {
        "nodeinit": {"enabled": True, "reconfigureKubelet": True, "removeCbrBridge": True},
        "cni": {"binPath": "/home/kubernetes/bin"},
    }
    return node | ({"gke": {"enabled": True}} if own.datapath.routing is datapath.Routing.NATIVE else {})


def _routing(own: settings.Cilium, all_pods: tuple[str, ...]) -> Values:
    routing: Values = {
        "routingMode": own.datapath.routing.value,
        "underlayProtocol": own.datapath.underlay.value,
    }
    if own.datapath.is_tunnel:
        return routing | {"tunnelProtocol": own.datapath.encapsulation.value}
    # One L2 segment alone can do with automatic routes; clusters in several regions never can.
    return routing | {"autoDirectNodeRoutes": False} | _native(all_pods)


def _native(all_pods: Iterable[str]) -> Values:
    """Return what is not masqueraded: each family's smallest range with the pods of all clusters in it.

    Outside of it a pod's packets leave with the node's address, and policies of other clusters take them for
    a node's (Cilium 1.20 network/clustermesh/setup.rst; cilium#33822).
    """
    found: Values = {}
    parsed = [prefix.parse(text) for text in all_pods]
    for bits, name in ((32, "ipv4NativeRoutingCIDR"), (128, "ipv6NativeRoutingCIDR")):
        if own := [each for each in parsed if each.bits == bits]:
            found[name] = str(functools.reduce(prefix.spanning, own))
    return found


def _encryption(own: settings.Cilium) -> Values:
    """Return the encryption; IPsec also needs the Secret `cilium-ipsec-keys`, the same in all clusters."""
    if own.datapath.encryption is datapath.Encryption.NONE:
        return {}
    return {"encryption": {"enabled": True, "type": own.datapath.encryption.value}}


def _services(own: settings.Cilium, api_server: tuple[str, int] | None) -> Values:
    # A string: charts before 1.20 take no boolean here.
    found: Values = {"kubeProxyReplacement": "true" if own.kube_proxy_replacement else "false"}
    if own.kube_proxy_replacement and api_server is not None:
        # Without kube-proxy nobody translates the Service `kubernetes` before the agent runs.
        found |= {"k8sServiceHost": api_server[0], "k8sServicePort": api_server[1]}
    if own.egress_gateway:
        # Cilium 1.20 network/egress-gateway/egress-gateway.rst: it needs both.
        found |= {"egressGateway": {"enabled": True}, "bpf": {"masquerade": True}}
    return found


def _beside_istio(known: fleet.Fleet, cluster: fleet.Cluster, own: settings.Cilium) -> Values:
    """Let Istio work (Cilium 1.20 network/servicemesh/istio.rst, Istio ambient prerequisites)."""
    istio = settings.istio(known, cluster)
    if istio is None:
        return {}
    # Otherwise Cilium renames the configuration of istio-cni away, and its socket load balancer resolves
    # a ClusterIP before the sidecar sees it (cilium#16583).
    beside: Values = {"cni": {"exclusive": False}, "socketLB": {"hostNamespaceOnly": True}}
    if istio.mode is meshes.Mode.AMBIENT:
        if own.egress_gateway:
            raise errors.InputError(
                f"cluster '{cluster.name}' wants Cilium's egress gateway and Istio ambient",
                why="the gateway needs `bpf.masquerade`, which breaks the kubelet's probes of ambient pods",
                remedy="turn `egressGateway` off, or use `mode: sidecar`",
            )
        beside["bpf"] = {"masquerade": False}
    return beside


def _mesh(
    known: fleet.Fleet,
    cluster: fleet.Cluster,
    own: settings.Cilium,
    peers: Mapping[str, Peer],
    certificates: str,
) -> Values:
    """Return the ClusterMesh part, for a Fleet of several clusters.

    `config.enabled` also without entries: it makes the ConfigMap of remote users, whose absence failed
    upgrades to 1.19 (cilium#44181).
    """
    if len(known.clusters) == 1:
        return {}
    service: Values = {"type": own.exposure.value}
    if own.exposure is datapath.Exposure.NODE_PORT and own.node_port:
        service["nodePort"] = own.node_port
    if own.exposure is datapath.Exposure.LOAD_BALANCER and (notes := balancers.internal(cluster.provider)):
        service["annotations"] = notes
    config: Values = {"enabled": True}
    if entries := {name: _entry(peers[name]) for name in sorted(peers) if name != cluster.name}:
        config["clusters"] = entries
    return {
        "clustermesh": _mcs(known, certificates)
        | _slices(known, cluster)
        | {
            "useAPIServer": True,
            "maxConnectedClusters": own.max_connected_clusters,
            "apiserver": {"service": service, "tls": _mesh_tls(certificates)},
            "config": config,
        }
    }


def _slices(known: fleet.Fleet, cluster: fleet.Cluster) -> Values:
    """Return what lets the API server of a cluster without an istiod find the primary's."""
    return {"enableEndpointSliceSynchronization": True} if remotes.is_remote(known, cluster) else {}


def _mcs(known: fleet.Fleet, certificates: str) -> Values:
    """Return what exports Services; `connect` tells CoreDNS itself, as the chart's job takes nothing back."""
    if not settings.has_clusterset(known):
        return {}
    told: Values = {} if certificates == PROVIDED else {"corednsAutoConfigure": {"enabled": True}}
    return {"mcsapi": {"enabled": True, **told}}


def _entry(peer: Peer) -> Values:
    place: Values = {"address": peer.address} if peer.address else {"ips": list(peer.ips)}
    return place | {"port": peer.port}


def _mesh_tls(method: str) -> Values:
    # One user for each remote cluster holds only where all have one authority, and `provided` means that.
    return {"auto": _certificates(method)} | ({"authMode": "cluster"} if method == PROVIDED else {})


def _certificates(method: str) -> Values:
    if method == PROVIDED:
        return {"enabled": False}
    auto: Values = {"enabled": True, "method": method}
    return auto | ({"schedule": RENEWAL} if method == "cronJob" else {})


def _hubble(known: fleet.Fleet, certificates: str) -> Values:
    if not settings.has_hubble(known):
        return {"hubble": {"enabled": False}}
    tls: Values = {"auto": _certificates(certificates)}
    # A question to the cluster's DNS before that is up would cost Relay its own 30 seconds.
    relay: Values = {"enabled": True, "retryTimeout": "5s"}
    if certificates == PROVIDED:
        # The chart renders Secrets of its own, with keys from values, unless it is told of existing ones.
        tls["server"] = {"existingSecret": leaves.HUBBLE_SERVER}
        relay["tls"] = {"client": {"existingSecret": leaves.HUBBLE_RELAY}}
    return {"hubble": {"enabled": True, "relay": relay, "tls": tls}}
