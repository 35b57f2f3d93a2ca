"""What holds in one cluster: the Fleet's datapath and mesh with what the cluster states differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.model import datapath, mesh

if TYPE_CHECKING:
    from isthmus.model import fleet


class Datapath(NamedTuple):
    """What decides the headers of a packet between nodes."""

    routing: datapath.Routing = datapath.Routing.TUNNEL
    encapsulation: datapath.Encapsulation = datapath.Encapsulation.VXLAN
    underlay: datapath.Underlay = datapath.Underlay.IPV4
    encryption: datapath.Encryption = datapath.Encryption.NONE
    version: str | None = None

    @property
    def is_tunnel(self) -> bool:
        """Say whether pod packets are wrapped."""
        return self.routing is datapath.Routing.TUNNEL

    def __str__(self) -> str:
        way = f"{self.encapsulation.value} over {self.underlay.value}" if self.is_tunnel else "native routing"
        secret = self.encryption
        return way if secret is datapath.Encryption.NONE else f"{way} with {secret.value}"


class Cilium(NamedTuple):
    """Cilium in one cluster."""

    datapath: Datapath
    mtu: int | None
    max_connected_clusters: int
    exposure: datapath.Exposure
    kube_proxy_replacement: bool
    egress_gateway: bool
    ipam: datapath.Ipam
    chaining: str | None
    node_port: int | None = None

    @property
    def is_chained_to_aws(self) -> bool:
        """Say whether the AWS VPC CNI hands out addresses below Cilium."""
        return self.chaining == "aws-cni" or self.ipam is datapath.Ipam.VPC_CNI


class Istio(NamedTuple):
    """Istio in one cluster; `primary` is the cluster of its istiod, None where it runs its own."""

    version: str | None
    mode: mesh.Mode
    trust_domain: str
    mesh_id: str
    network: str
    primary: str | None
    exposure: datapath.Exposure = datapath.Exposure.LOAD_BALANCER
    """How its east-west gateway is reached, where it has one."""
    node_port: int | None = None


def uses_cilium(known: fleet.Fleet) -> bool:
    """Say whether Cilium makes the pod network; it does where nobody says."""
    network = known.spec.network
    return network is None or network.cni is datapath.Cni.CILIUM


def has_clusterset(known: fleet.Fleet) -> bool:
    """Say whether Services can be exported to all clusters by the MCS API; a cluster alone is no set."""
    stated = known.spec.network is not None and known.spec.network.clusterset
    return stated and len(known.clusters) > 1


def has_hubble(known: fleet.Fleet) -> bool:
    """Say whether flows are observed; they are where nobody says."""
    return known.spec.network is None or known.spec.network.hubble


def states_network(known: fleet.Fleet) -> bool:
    """Say whether the Fleet or one of its clusters states anything about the pod network."""
    return known.spec.network is not None or any(each.network is not None for each in known.clusters)


def datapath_of(known: fleet.Fleet) -> Datapath:
    """Return the datapath that a Fleet states for all its clusters."""
    base = known.spec.network or datapath.Network()
    family = base.underlay or _of_nodes(known, known.clusters[0])
    return Datapath(base.routing, base.encapsulation, family, base.encryption, base.version)


def underlay(known: fleet.Fleet, cluster: fleet.Cluster) -> datapath.Underlay:
    """Return the family of addresses that nodes reach one another by.

    Where nobody says, it is IPv6 for nodes that have nothing else: Cilium prefers IPv4 where there are both
    (1.20 `underlayProtocol: auto`).
    """
    own = cluster.network.underlay if cluster.network else None
    stated = known.spec.network.underlay if known.spec.network else None
    return own or stated or _of_nodes(known, cluster)


def _of_nodes(known: fleet.Fleet, cluster: fleet.Cluster) -> datapath.Underlay:
    addressing = known.spec.addressing
    ranges = [*(cluster.node_range or ())]
    ranges += addressing.nodes.supernets if addressing and addressing.nodes else ()
    alone = bool(ranges) and all(":" in each for each in ranges)
    return datapath.Underlay.IPV6 if alone else datapath.Underlay.IPV4


def cilium(known: fleet.Fleet, cluster: fleet.Cluster) -> Cilium:
    """Return what holds for Cilium in a cluster, with the defaults where nobody states anything."""
    base, own = known.spec.network or datapath.Network(), cluster.network
    default = datapath.IPAM.get(cluster.provider) if cluster.provider else None
    return Cilium(
        datapath=Datapath(
            routing=_one(own, base, "routing"),
            encapsulation=_one(own, base, "encapsulation"),
            underlay=underlay(known, cluster),
            encryption=_one(own, base, "encryption"),
            version=_one(own, base, "version"),
        ),
        mtu=_one(own, base, "mtu"),
        max_connected_clusters=_one(own, base, "max_connected_clusters"),
        exposure=_one(own, base, "exposure"),
        kube_proxy_replacement=_one(own, base, "kube_proxy_replacement"),
        egress_gateway=_one(own, base, "egress_gateway"),
        ipam=(own.ipam if own else None) or default or datapath.Ipam.CLUSTER_POOL,
        chaining=own.chaining if own else None,
        node_port=_one(own, base, "node_port"),
    )


def states_mesh(known: fleet.Fleet) -> bool:
    """Say whether the Fleet or one of its clusters states anything about Istio."""
    stated = known.spec.mesh is not None and known.spec.mesh.istio is not None
    return stated or any(each.istio is not None for each in known.clusters)


def istio(known: fleet.Fleet, cluster: fleet.Cluster) -> Istio | None:
    """Return what holds for Istio in a cluster; None where it is not in the mesh."""
    stated, own = known.spec.mesh.istio if known.spec.mesh else None, cluster.istio
    base = stated or mesh.Istio(enabled=False)
    if not _one(own, base, "enabled"):
        return None
    return Istio(
        version=_one(own, base, "version"),
        mode=_one(own, base, "mode"),
        trust_domain=_one(own, base, "trust_domain"),
        mesh_id=_one(own, base, "mesh_id"),
        network=_one(own, base, "network"),
        primary=own.primary if own else None,
        exposure=_gateway(own, base, "exposure") or cilium(known, cluster).exposure,
        node_port=_gateway(own, base, "node_port"),
    )


def _gateway(own: mesh.ClusterIstio | None, base: mesh.Istio, field: str) -> Any:
    """Return what a cluster states of its east-west gateway, else what its Fleet does."""
    return _one(own.gateway if own else None, base.gateway or mesh.Gateway(), field)


def _one(own: object | None, base: object, field: str) -> Any:
    """Return what a cluster states, else what its Fleet does; both are models with that field."""
    value = None if own is None else getattr(own, field)
    return getattr(base, field) if value is None else value
