"""What it takes to change what cannot be changed in place: why it cannot, and the way round, step by step.

The facts are Cilium 1.20's (`Documentation/network/clustermesh/setup.rst`, `concepts/ipam/cluster-pool.rst`),
Istio's (meshConfig reference, multicluster installation) and the providers'. Nothing is done here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from isthmus.model import datapath


class Advice(NamedTuple):
    """Why a field cannot be changed in place, and the steps that change it all the same."""

    why: str
    steps: tuple[str, ...]

    @property
    def text(self) -> str:
        """The steps in a sentence, numbered."""
        return "; ".join(f"({number}) {step}" for number, step in enumerate(self.steps, start=1))


NEW_CLUSTER: Final = (
    "add a new cluster with a name, an id and ranges of its own",
    "build it and connect it to the others",
    "add it to the Apps and move them in waves: the new members join and are whole before old ones leave",
    "drain the old cluster and take it out of the Apps",
    "disconnect it, delete it, and take it out of the Fleet",
)
"""The way for whatever a cluster is born with."""

REIDENTIFY: Final = (
    "disconnect the cluster from all others",
    "change name or id in Cilium's values and in the Fleet together",
    "restart every workload of the cluster, so that its identities are made anew",
    "restart Cilium's operator and ClusterMesh API server, and connect the others again",
)

MODE: Final = (
    "plan an outage of pod traffic between nodes, in all clusters of the mesh at once",
    "check the firewall rows and the MTU of the new mode first",
    "change Cilium's values in every cluster and restart its agents node by node",
    "restart workloads whose interfaces keep the old MTU, and measure every path",
)

WIDER_MESH: Final = (
    "build a second mesh whose clusters are installed with the new number from the start",
    "take one cluster out of the old mesh: drain it, install Cilium anew, restart every workload",
    "connect it to the new mesh, and go on with the next cluster",
    "number no id above 255 while a cluster of the old mesh is left",
)

TRUST: Final = (
    "add the new domain to `trustDomainAliases` of every cluster's mesh config, the old one staying in force",
    "write both domains into the principals of authorization policies",
    "change `trustDomain`, and keep the old domain as an alias",
    "restart the workloads in waves: their certificates carry the domain",
    "when no certificate of the old domain is left, take the alias and the old principals out",
)

MESH_ID: Final = (
    "change it in the values of every cluster's istiod, in one go",
    "restart istiod and then the workloads in waves, since proxies learn it at their start",
)

ISTIO_NETWORK: Final = (
    "check that pods of all clusters reach one another, or that gateways stand between the networks",
    "change it in the values of istiod and in the label `topology.istio.io/network` of `istio-system`",
    "restart the workloads in waves, since proxies learn it at their start",
)

PODS: Final = {
    datapath.Ipam.CLUSTER_POOL.value: (
        "keep the old range as it is: an element of Cilium's `clusterPoolIPv4PodCIDRList` is never changed",
        "when space is all that lacks, append a second range to that list, and let new nodes take from it",
        "to leave the old range, build a new cluster with the new one and move the Apps in waves",
        "drain the old cluster, disconnect it, delete it, and take it out of the Fleet",
    ),
    datapath.Ipam.GKE.value: (
        "keep the old range: a range of a VPC-native cluster cannot be replaced",
        "when space is all that lacks, add a discontiguous multi-Pod range for new node pools",
        "to leave the old range, build a new cluster with the new one and move the Apps in waves",
        "drain the old cluster, disconnect it, delete it, and take it out of the Fleet",
    ),
}

NODES: Final = (
    "make subnets of the new range, and routes and firewall rows for it",
    "add nodes in the new subnets, and check that every other cluster reaches them",
    "drain the old nodes one by one and delete them",
    "when no node has an old address, take the old subnets and rows away",
)

DROPPED: Final = (
    "take it out of the Apps, and wait until they are whole without it",
    "disconnect it from the other clusters, or they go on asking for it",
    "delete it, take it out of the Fleet, and record the plan: isthmus plan check --record",
)

ADVICE: Final = {
    "name": Advice("Cilium writes name and id of a cluster into its identities", REIDENTIFY),
    "id": Advice("Cilium writes name and id of a cluster into its identities", REIDENTIFY),
    "provider": Advice("a cluster stays where it was built", NEW_CLUSTER),
    "region": Advice("a cluster stays where it was built", NEW_CLUSTER),
    "services": Advice("the API server is installed with its service range", NEW_CLUSTER),
    "pods": Advice("nodes hold blocks of it, and every pod an address", NEW_CLUSTER),
    "nodes": Advice("nodes, routes and firewalls stand on it", NODES),
    "nodeMask": Advice("each node has a block of that size already", NEW_CLUSTER),
    "cni": Advice("it made the interface of every pod", NEW_CLUSTER),
    "ipam": Advice("every pod has an address from it", NEW_CLUSTER),
    "routing": Advice("nodes of two modes do not reach one another's pods", MODE),
    "encapsulation": Advice("nodes of two encapsulations do not reach one another's pods", MODE),
    "underlay": Advice("nodes of two underlays do not reach one another's pods", MODE),
    "maxConnectedClusters": Advice(
        "it divides the bits of identities, must be the same everywhere and is set once: "
        "a live change breaks connections and may enforce policies wrongly",
        WIDER_MESH,
    ),
    "trustDomain": Advice("it is in every certificate and in the principals of policies", TRUST),
    "meshId": Advice("all clusters of one mesh have the same", MESH_ID),
    "meshNetwork": Advice(
        "it decides whether endpoints are reached directly or through gateways", ISTIO_NETWORK
    ),
    "dropped": Advice("its members, addresses and connections are still there", DROPPED),
}


def advice(field: str, ipam: object = None) -> Advice:
    """Return the advice for a field; that for pods follows who hands out their addresses."""
    found = ADVICE[field]
    return Advice(found.why, PODS.get(str(ipam), found.steps)) if field == "pods" else found
