"""What a provider and its IPAM make of a cluster's pods: how many addresses a node takes, what is refused.

Facts as pure functions, each with its source; `hosting.py` judges by them and `ranges.py` counts with them.
Nothing here knows what a range is already used for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.model import datapath

if TYPE_CHECKING:
    from isthmus.model import fleet

Ipam = datapath.Ipam
Provider = datapath.Provider

TOGETHER: Final = {
    Provider.GCP: {Ipam.GKE, Ipam.CLUSTER_POOL, Ipam.KUBERNETES},
    Provider.AWS: {Ipam.ENI, Ipam.VPC_CNI, Ipam.CLUSTER_POOL, Ipam.KUBERNETES},
    Provider.AZURE: {Ipam.AKS_OVERLAY, Ipam.CLUSTER_POOL, Ipam.KUBERNETES},
    Provider.ALIBABACLOUD: {Ipam.ALIBABACLOUD, Ipam.CLUSTER_POOL, Ipam.KUBERNETES},
    Provider.KUBEADM: {Ipam.CLUSTER_POOL, Ipam.KUBERNETES, Ipam.ENI, Ipam.ALIBABACLOUD},
    Provider.KIND: {Ipam.CLUSTER_POOL, Ipam.KUBERNETES},
}
"""Which IPAM can run where; kubeadm also builds clusters on machines of AWS and Alibaba Cloud."""

VPC: Final = {Ipam.ENI, Ipam.VPC_CNI, Ipam.ALIBABACLOUD}
"""Pods get addresses of the subnets that nodes stand in (Cilium 1.20 concepts/networking/ipam)."""

PODS_PER_BLOCK: Final = 16
"""AWS prefix delegation gives a node /28 after /28 (Amazon EKS, increase available IP addresses)."""

PODS_PER_BLOCK_V6: Final = 1 << 48
"""AWS gives a node one /80 of IPv6 (Amazon EKS, IPv6 addresses to clusters)."""

AKS_MASK: Final = 24
"""AKS CNI Overlay: /24 per node; "size is fixed and can't be increased or decreased" (azure-cni-overlay)."""

PODS: Final = {Ipam.AKS_OVERLAY: (10, 250), Ipam.GKE: (8, 256), Ipam.VPC_CNI: (1, 250), Ipam.ENI: (1, 250)}
"""Fewest and most pods of a node (AKS azure-cni-overlay; GKE flexible-pod-cidr; AWS VPC CNI calculator)."""

KEPT: Final = {Provider.GCP: 4}
"""Addresses of a node network that the cloud keeps (GCP subnets: 4; AWS and Azure: 5)."""

LONGEST_MASK: Final = {32: 30, 128: 126}
"""The smallest block of a node in Cilium's cluster pool (1.20 concepts/networking/ipam/cluster-pool)."""

SPREAD_V6: Final = 16
"""An IPv6 node mask is at most 16 longer than its range (Kubernetes and Cilium, pkg/ipam/cidrset)."""

FIXED: Final = {
    Ipam.GKE: "GKE fixes it when a node pool is made, at twice the pods of a node (flexible-pod-cidr)",
    Ipam.AKS_OVERLAY: "AKS CNI Overlay gives each node a /24 and nothing else (azure-cni-overlay)",
}
"""Why the Fleet's `nodeMask` means nothing to a cluster."""


class ServiceRule(NamedTuple):
    """What a provider takes as a service range: the shortest and longest length, and who says so."""

    shortest: int
    longest: int
    source: str
    is_private: bool = False


SERVICES: Final = {
    Provider.AWS: ServiceRule(
        12, 24, "EKS takes /24 to /12 of RFC 1918 (KubernetesNetworkConfigRequest)", is_private=True
    ),
    Provider.AZURE: ServiceRule(13, 28, "AKS takes what is smaller than /12 (configure-azure-cni)"),
}

PRIVATE: Final = tuple(prefix.parse(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""RFC 1918."""

SHARED: Final = prefix.parse("100.64.0.0/10")
"""RFC 6598; the usual second range for pods in AWS and GCP, and Tailscale's."""

CLASS_E: Final = prefix.parse("240.0.0.0/4")
"""Reserved since RFC 1112; carried where every node, router and firewall on the way was made to."""

OWN: Final = (*PRIVATE, SHARED, prefix.parse("198.18.0.0/15"), CLASS_E)
"""IPv4 that a fleet may use without owning it; 198.18.0.0/15 is for benchmarks (RFC 2544)."""


def ipam(cluster: fleet.Cluster) -> datapath.Ipam:
    """Return who hands out pod addresses: as stated, or what the provider does by default."""
    stated = cluster.network.ipam if cluster.network else None
    if stated is not None or cluster.provider is None:
        return stated or Ipam.CLUSTER_POOL
    return datapath.IPAM.get(cluster.provider, Ipam.CLUSTER_POOL)


def in_vpc(cluster: fleet.Cluster) -> bool:
    """Say whether pods get addresses of the nodes' subnets."""
    return ipam(cluster) in VPC


def kept(cluster: fleet.Cluster) -> int:
    """Return the addresses of a node network that nobody can use; of no provider the most of any cloud."""
    return 5 if cluster.provider is None else KEPT.get(cluster.provider, 5)


def gke_mask(pods: int) -> int:
    """Return the length of a GKE node's block: twice its pods, from /28 (up to 8) to /24 (65 to 110).

    GKE flexible-pod-cidr; the rows beyond 128 pods continue the rule and are not in every release.
    """
    return min(28, 33 - prefix.covering(2 * pods).bit_length())


def mask(cluster: fleet.Cluster, bits: int, stated: int) -> int:
    """Return the length of a node's block of pod addresses; `stated` is what the Fleet says."""
    used = ipam(cluster)
    if bits == 32 and used is Ipam.GKE:
        return gke_mask(cluster.pods_per_node)
    return AKS_MASK if bits == 32 and used is Ipam.AKS_OVERLAY else stated


def per_node(cluster: fleet.Cluster, bits: int, stated: int) -> int:
    """Return how many addresses the pods of a node take; ValueError when there is no such mask."""
    if not in_vpc(cluster):
        return prefix.size(mask(cluster, bits, stated), bits)
    if bits == 128:
        return PODS_PER_BLOCK_V6
    return -(-cluster.pods_per_node // PODS_PER_BLOCK) * PODS_PER_BLOCK


def usable(cluster: fleet.Cluster, bits: int, stated: int) -> int:
    """Return how many pods those addresses are for."""
    size = per_node(cluster, bits, stated)
    if in_vpc(cluster):
        return size
    return (
        size // 2 if bits == 32 and ipam(cluster) is Ipam.GKE else max(0, size - prefix.NETWORK_AND_BROADCAST)
    )


def pods_range(cluster: fleet.Cluster, nodes: int, bits: int, stated: int) -> int:
    """Return how many addresses the pods of so many nodes want, a power of two."""
    if in_vpc(cluster):
        return prefix.covering(nodes * per_node(cluster, bits, stated) + kept(cluster))
    return prefix.covering(nodes) * per_node(cluster, bits, stated)


def nodes_in(cluster: fleet.Cluster, pods: prefix.Prefix, stated: int) -> int:
    """Return for how many nodes a pod range has addresses."""
    size = pods.size - (kept(cluster) if in_vpc(cluster) else 0)
    return max(0, size // per_node(cluster, pods.bits, stated))
