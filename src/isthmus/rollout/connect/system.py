"""Cilium as an App of the system: the same transaction brings it along as any other.

Values come from the Fleet and its plan; `network.values` and a cluster's own are merged last. Whether they
may stand there has been judged when the folder was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import cilium, remotes, settings
from isthmus.model import app as apps
from isthmus.model import datapath, document, plan
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.model import fleet
    from isthmus.network import plan as plans

NAME: Final = plan.NETWORK[1]
NAMESPACE: Final = plan.NETWORK[0]

TRUSTS: Final = "isthmus.dev/trusts"

Values = dict[str, Any]


def values(
    made: plans.Plan,
    of: ranges.Ranges,
    *,
    peers: Mapping[str, cilium.Peer],
    api_server: tuple[str, int] | None,
    certificates: str = "cronJob",
) -> Values:
    """Return the Helm values of one cluster, without those that the user adds."""
    known = made.source.fleet
    everybody = tuple(text for each in made.addresses.clusters for text in _routed(known, each))
    return cilium.values(
        known,
        of.cluster,
        pods=tuple(map(str, of.pods)),
        all_pods=everybody,
        masks={bits: ranges.node_mask(known.spec.addressing, bits) for bits in (32, 128)},
        mtu=made.paths.fleet_mtu,
        peers=peers,
        api_server=api_server,
        certificates=certificates,
    )


def app(
    made: plans.Plan,
    *,
    peers: Mapping[str, Mapping[str, cilium.Peer]],
    api_servers: Mapping[str, tuple[str, int]],
    trusts: Sequence[str] = (),
    settle: float = 0.0,
) -> apps.App:
    """Return Cilium as an App of all clusters; `peers` and `api_servers` are by cluster.

    `trusts` are the key ids of the authorities that the mesh trusts; `settle` is a bake in seconds.
    """
    known = made.source.fleet
    members = {}
    for each in made.addresses.clusters:
        name = each.cluster.name
        compiled = values(
            made,
            each,
            peers=peers.get(name, {}),
            api_server=api_servers.get(name),
            certificates=cilium.PROVIDED,
        )
        if "clustermesh" in compiled:
            compiled = apps.merge_values(compiled, _restarted_by(trusts))
        members[name] = apps.Member(
            values=with_own(known, each.cluster, compiled), membership=membership(each.cluster)
        )
    made_of = shell(known, members)
    if not settle:
        return made_of
    rollout = made_of.spec.rollout
    gates = (*rollout.gates, apps.Gate(name="bake", bake=settle))
    spec = made_of.spec.model_copy(update={"rollout": rollout.model_copy(update={"gates": gates})})
    return made_of.model_copy(update={"spec": spec})


def _restarted_by(trusts: Sequence[str]) -> Values:
    """Return what restarts the mesh's etcd when it shall trust others: it reads its authorities at start."""
    note = {TRUSTS: ".".join(sorted(each[:16] for each in trusts))}
    return {"clustermesh": {"apiserver": {"podAnnotations": note}}}


def shell(known: fleet.Fleet, members: Mapping[str, apps.Member] | None = None) -> apps.App:
    """Return Cilium as an App; without values it does for looking and for taking out."""
    stated = known.spec.network or datapath.Network()
    rollout = stated.rollout or apps.Rollout()
    found = members or {each.name: apps.Member() for each in known.clusters}
    return apps.App(
        metadata=document.Metadata(name=NAME, namespace=NAMESPACE),
        spec=apps.AppSpec(
            chart=stated.chart or apps.Chart(path=NAME),
            release=NAME,
            clusters=dict(found),
            rollout=rollout.model_copy(
                update={"waves": rollout.waves or default_waves(known), "gates": gates(known, rollout)}
            ),
        ),
    )


def gates(known: fleet.Fleet, rollout: apps.Rollout) -> tuple[apps.Gate, ...]:
    """Return what holds after each wave: as stated, else that pods are ready and clusters read one another.

    A cluster alone has nobody to read.
    """
    stated = rollout.gates if "gates" in rollout.model_fields_set else (apps.READY, apps.MESH)
    return tuple(gate for gate in stated if gate != apps.MESH or len(known.clusters) > 1)


def default_waves(known: fleet.Fleet) -> tuple[tuple[str, ...], ...]:
    """Return the first cluster alone and then all others: what breaks a network shall break one.

    Clusters without an istiod come after the one whose they use, which is then the first.
    """
    return remotes.waves(known)


def with_own(known: fleet.Fleet, cluster: fleet.Cluster, compiled: Values) -> Values:
    """Return the values with the Fleet's own laid over them, and then the cluster's."""
    base, own = known.spec.network, cluster.network
    merged = apps.merge_values(compiled, (base.values if base else None) or {})
    return apps.merge_values(merged, (own.values if own else None) or {})


def api_server(cluster: fleet.Cluster, by_kubeconfig: tuple[str, int]) -> tuple[str, int]:
    """Return where nodes reach an API server: as the Fleet says, else as the kubeconfig does."""
    stated = cluster.network.api_server if cluster.network else None
    if stated is None:
        return by_kubeconfig
    host, _, port = stated.rpartition(":")
    return host.strip("[]"), int(port)


def membership(cluster: fleet.Cluster) -> apps.Membership:
    """Return how much the whole depends on a cluster."""
    own = cluster.network.membership if cluster.network else None
    return own or apps.Membership.REQUIRED


def _routed(known: fleet.Fleet, each: ranges.Ranges) -> list[str]:
    """Return the ranges that pods of a cluster have: with ENI and the VPC CNI they are the nodes' own."""
    own = settings.cilium(known, each.cluster)
    from_nodes = own.is_chained_to_aws or own.ipam in {datapath.Ipam.ENI, datapath.Ipam.ALIBABACLOUD}
    return [str(one) for one in (each.nodes if from_nodes else ()) or each.pods]
