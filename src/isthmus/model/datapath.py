"""How packets travel in and between clusters, as the Fleet states it; `mesh` has the facts, `network` judges.

What a cluster states differently from its Fleet is kept, not refused here: imported fleets are as they are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pydantic

from isthmus.model import chart as charts
from isthmus.model import rollout as rollouts
from isthmus.model import types


class Cni(StrEnum):
    """Who makes the pod network."""

    CILIUM = "cilium"
    NONE = "none"


class Routing(StrEnum):
    """Whether pod packets are wrapped between nodes, or the network knows the pod ranges."""

    TUNNEL = "tunnel"
    NATIVE = "native"


class Encapsulation(StrEnum):
    """What wraps them."""

    VXLAN = "vxlan"
    GENEVE = "geneve"


class Underlay(StrEnum):
    """The family of the node addresses that carry them."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Encryption(StrEnum):
    """What encrypts them between nodes."""

    NONE = "none"
    WIREGUARD = "wireguard"
    IPSEC = "ipsec"


class Ipam(StrEnum):
    """Who hands out pod addresses."""

    CLUSTER_POOL = "cluster-pool"
    KUBERNETES = "kubernetes"
    GKE = "gke"
    ENI = "eni"
    VPC_CNI = "vpc-cni"
    AKS_OVERLAY = "aks-overlay"
    ALIBABACLOUD = "alibabacloud"


class Provider(StrEnum):
    """Where a cluster runs."""

    GCP = "gcp"
    AWS = "aws"
    AZURE = "azure"
    ALIBABACLOUD = "alibabacloud"
    KUBEADM = "kubeadm"
    KIND = "kind"


IPAM = {Provider.GCP: Ipam.GKE}
"""What hands out addresses where nobody says; elsewhere a cluster pool, which is the same everywhere."""


class Exposure(StrEnum):
    """How the ClusterMesh API server of a cluster is reached from the others."""

    LOAD_BALANCER = "LoadBalancer"
    NODE_PORT = "NodePort"
    CLUSTER_IP = "ClusterIP"


NodePort = Annotated[types.Count, pydantic.Field(ge=1, le=65535)]


class Network(types.Value):
    """The datapath, the same in every cluster of a mesh; without `mtu` the plan computes it.

    Without `underlay` it follows from the nodes' addresses.
    """

    cni: Cni = Cni.CILIUM
    version: types.Minor | None = None
    routing: Routing = Routing.TUNNEL
    encapsulation: Encapsulation = Encapsulation.VXLAN
    underlay: Underlay | None = None
    encryption: Encryption = Encryption.NONE
    mtu: types.Mtu | None = None
    max_connected_clusters: Annotated[types.Count, pydantic.Field(ge=1, le=511)] = 255
    exposure: Exposure = Exposure.LOAD_BALANCER
    kube_proxy_replacement: types.Flag = False
    egress_gateway: types.Flag = False
    hubble: types.Flag = True
    clusterset: types.Flag = False
    """Whether Services can be exported to all clusters by the MCS API (Cilium's `clustermesh.mcsapi`)."""
    node_port: NodePort | None = None
    """Of the ClusterMesh API server, with `exposure: NodePort`."""
    chart: charts.Chart | None = None
    """Where `connect` takes Cilium's chart from."""
    values: types.OwnValues = None
    """Helm values beyond what the fields above say; they are merged last."""
    rollout: rollouts.Rollout | None = None
    """How `connect` goes from cluster to cluster; without it the first alone, then the others."""


class ClusterNetwork(types.Value):
    """What one cluster states differently from its Fleet."""

    version: types.Minor | None = None
    routing: Routing | None = None
    encapsulation: Encapsulation | None = None
    underlay: Underlay | None = None
    encryption: Encryption | None = None
    mtu: types.Mtu | None = None
    max_connected_clusters: Annotated[types.Count | None, pydantic.Field(ge=1, le=511)] = None
    exposure: Exposure | None = None
    kube_proxy_replacement: types.Flag | None = None
    egress_gateway: types.Flag | None = None
    ipam: Ipam | None = None
    chaining: Literal["aws-cni", "flannel", "generic-veth", "portmap"] | None = None
    """Another CNI below Cilium (`cni.chainingMode` of Cilium 1.20)."""
    node_port: NodePort | None = None
    api_server: types.HostPort | None = None
    """Where nodes reach this cluster's API server; without it the kubeconfig's address."""
    values: types.OwnValues = None
    membership: rollouts.Membership | None = None


class Way(StrEnum):
    """What carries a path, where its MTU is not measured: the usual figure stands in `mesh`."""

    GCP_VPC = "gcp-vpc"
    GCP_VPN = "gcp-vpn"
    AWS_VPC = "aws-vpc"
    AWS_PEERING = "aws-peering"
    AWS_TGW = "aws-tgw"
    AWS_VPN = "aws-vpn"
    AZURE_VNET = "azure-vnet"
    AZURE_VPN = "azure-vpn"
    INTERNET = "internet"


class Path(types.Value):
    """What lies between two regions or clusters, or inside one that is named twice."""

    between: tuple[types.Text, types.Text]
    mtu: types.Mtu | None = None
    latency: types.Duration | None = None
    via: Way | None = None
