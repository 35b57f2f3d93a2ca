"""Judges features of Cilium in a mesh: what does not work there, what breaks, what must be done first."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.mesh import limits
from isthmus.model import datapath, finding
from isthmus.network.ipam import ranges
from isthmus.network.mesh import stated
from isthmus.network.paths import alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.mesh import settings
    from isthmus.model import fleet
    from isthmus.network import place

MANAGED: Final = {
    datapath.Provider.GCP: "GKE Dataplane V2 is a Cilium that Google runs, and joins no ClusterMesh: build "
    "clusters without it (no `--enable-dataplane-v2`)",
    datapath.Provider.AZURE: "Azure CNI powered by Cilium puts back what others change (Azure/AKS#5194): "
    "build clusters with `--network-plugin none` (BYOCNI)",
}
"""What to know where the provider has a Cilium of its own."""

EXPOSURES: Final = (
    (
        datapath.Exposure.NODE_PORT,
        "exposure-node-port",
        "other clusters reach the ClusterMesh API server at the address of one node, and lose it with it",
        "write `exposure: LoadBalancer` where there is one, else give a DNS name over several nodes",
    ),
    (
        datapath.Exposure.CLUSTER_IP,
        "exposure-cluster-ip",
        "other clusters reach a ClusterIP only where the service range is routed to them, and unique",
        "write `exposure: LoadBalancer`",
    ),
)
"""Ways to expose the ClusterMesh API server that break (cilium-cli#1523, #1539; cilium#42716, PR#47190)."""


def findings(
    known: fleet.Fleet,
    here: Sequence[settings.Cilium],
    places: place.Places,
    given: Sequence[ranges.Ranges] = (),
) -> Iterator[finding.Finding]:
    """Yield what features ask for; `given` are the clusters' ranges, if known."""
    if len(here) > 1:
        yield from _features(known, here, places)
        yield from _exposure(known, here, places)
        yield from _managed(known, here, places)
    yield from _native(known, here, places, given)
    yield from _wrapped(known, here, places)


def _wrapped(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield clusters whose pods have addresses of the VPC and a tunnel all the same."""
    wrong = alike.which(known, [each.ipam is datapath.Ipam.ENI and each.datapath.is_tunnel for each in here])
    if wrong:
        yield places.finding(
            (*places.of(known.clusters[wrong[0]], "network"), "ipam"),
            code="ipam-needs-native-routing",
            message=f"{alike.named(known, wrong)}: the agent refuses `ipam: eni` with a tunnel, since pods "
            "have addresses of the VPC (cilium PR#34651)",
            remedy="write `routing: native` in `network` of the Fleet, or `ipam: cluster-pool` in the "
            "cluster",
            cluster=stated.only(known, wrong),
        )


def _features(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    gates = alike.which(known, [each.egress_gateway for each in here])
    for path, indexes in stated.grouped(known, "egress_gateway", places, gates):
        yield places.finding(
            path,
            code="egress-gateway-in-mesh",
            message="Cilium's egress gateway does not work with ClusterMesh (Cilium 1.20 egress-gateway.rst)",
            remedy="leave `egressGateway` out, and send such traffic through a NAT of the cloud or an Istio "
            "egress gateway",
            cluster=stated.only(known, indexes) if path[1] == "clusters" else None,
        )
    secured = alike.which(known, [each.datapath.encryption is datapath.Encryption.IPSEC for each in here])
    nodes = sum(ranges.planned_nodes(each) for each in known.clusters)
    if secured and nodes > limits.IPSEC_NODES:
        yield places.finding(
            stated.place_of(known, secured[0], "encryption", places),
            code="ipsec-too-many-nodes",
            message=f"{nodes} planned nodes are more than the {limits.IPSEC_NODES} of a mesh with IPsec",
            remedy="use `encryption: wireguard`, or make two Fleets",
        )


def _exposure(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    for kind, code, why, remedy in EXPOSURES:
        exposed = alike.which(known, [each.exposure is kind for each in here])
        for path, indexes in stated.grouped(known, "exposure", places, exposed):
            yield places.finding(
                path,
                code=code,
                message=f"{alike.named(known, indexes)}: {why}",
                remedy=remedy,
                severity=finding.Severity.WARNING,
                cluster=stated.only(known, indexes),
            )


def _managed(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    for provider, words in MANAGED.items():
        there = alike.which(
            known,
            [
                # That pods of CNI Overlay cannot be reached says the same, and louder.
                each.provider is provider and own.ipam is not datapath.Ipam.AKS_OVERLAY
                for each, own in zip(known.clusters, here, strict=True)
            ],
        )
        if there:
            yield places.finding(
                places.of(known.clusters[there[0]], "provider"),
                code="managed-cilium",
                message=f"{alike.named(known, there)}: {words}",
                remedy="nothing to do where the clusters are built like that",
                severity=finding.Severity.INFO,
                cluster=stated.only(known, there),
            )


def _native(
    known: fleet.Fleet,
    here: Sequence[settings.Cilium],
    places: place.Places,
    given: Sequence[ranges.Ranges],
) -> Iterator[finding.Finding]:
    native = alike.which(known, [not each.datapath.is_tunnel for each in here])
    if not native:
        return
    path = stated.place_of(known, native[0], "routing", places)
    spans = _spans(_pods(known, given))
    if not spans:
        yield places.finding(
            path,
            code="native-routing-unknown",
            message="nobody states pod ranges, so where pods keep their addresses is unknown "
            "(`ipv4NativeRoutingCIDR`)",
            remedy="write `addressing.pods.supernets`, or pin `pods` of each cluster",
            severity=finding.Severity.WARNING,
        )
        return
    yield places.finding(
        path,
        code="native-routing",
        message="with native routing the network itself must carry pod addresses between all clusters; "
        f"{' and '.join(map(str, spans))} {'cover' if len(spans) > 1 else 'covers'} them ({_names(spans)}), "
        "and beyond pods appear with a node's address",
        remedy="make the pod ranges routable (alias IPs, ENI, BGP), and open all pod ports between clusters",
        severity=finding.Severity.INFO,
    )
    for span in spans:
        if not any(prefix.contains(each, span) for each in INSIDE):
            yield places.finding(
                path,
                code="native-routing-too-wide",
                message=f"the smallest range over all pods, {span}, has public addresses in it: pods would "
                "reach those with their own address, and get no answer",
                remedy="take pod ranges from one private range (10.0.0.0/8), or use `routing: tunnel`",
                severity=finding.Severity.WARNING,
            )


def _names(spans: Sequence[prefix.Prefix]) -> str:
    return " and ".join(f"`ipv{6 if each.is_v6 else 4}NativeRoutingCIDR`" for each in spans)


INSIDE: Final = tuple(
    prefix.parse(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "240.0.0.0/4", "::/0")
)
"""Ranges with no public IPv4 address in them (RFC 1918, RFC 6598, RFC 1112); IPv6 needs no masking."""


def _spans(pods: Sequence[prefix.Prefix]) -> list[prefix.Prefix]:
    """Return the smallest range over all pods of each family."""
    families = ([each for each in pods if each.bits == bits] for bits in (32, 128))
    return [functools.reduce(prefix.spanning, family) for family in families if family]


def _pods(known: fleet.Fleet, given: Sequence[ranges.Ranges]) -> list[prefix.Prefix]:
    if given:
        return [each for one in given for each in one.pods]
    pinned = [each for one in known.clusters for each in ranges.pinned(one, ranges.Role.PODS)]
    return [*ranges.supernets(known.spec.addressing, ranges.Role.PODS), *pinned]
