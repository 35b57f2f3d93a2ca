"""Judges clusters by the rules of who hosts them: IPAM, pods per node, service ranges, reserved ranges.

The rules are in `provider.py`. Sizes are `sizes.py`, defaults that get in the way are `defaults.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.mesh import settings
from isthmus.model import datapath, finding
from isthmus.network.ipam import provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place

AKS_RESERVED: Final = tuple(
    prefix.parse(text) for text in ("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24")
)
"""AKS refuses them for services, pods and nodes (configure-azure-cni, "Prerequisites")."""


V: Final = ("IPv4", "IPv6")


def findings(
    known: fleet.Fleet, clusters: Sequence[ranges.Ranges], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield what a provider would refuse, or does otherwise than the Fleet says."""
    for each in clusters:
        yield from _families(known, each, places)
        if each.cluster.provider is None and each.cluster.network is None:
            continue
        yield from _together(each.cluster, places)
        yield from _reachable(known, each.cluster, places)
        yield from _pods(each.cluster, places)
        yield from _services(each, places)
        yield from _reserved(each, places)
    yield from _fixed_masks(known, places)
    if settings.uses_cilium(known):
        yield from _strangers(clusters, places)


def _families(known: fleet.Fleet, each: ranges.Ranges, places: place.Places) -> Iterator[finding.Finding]:
    pods, services, nodes = ({one.bits for one in each.of(role)} for role in ranges.Role)
    for bits in sorted(services - pods) if pods else ():
        family = "IPv4" if bits == 32 else "IPv6"
        yield places.finding(
            places.of(each.cluster, "services"),
            code="families-differ",
            message=f"'{each.cluster.name}' has {family} services ({each.text(ranges.Role.SERVICES)}) "
            f"and no {family} pods ({each.text(ranges.Role.PODS)}), so nothing could stand behind them",
            remedy=f"give pods {family} too, or take it from the services",
            cluster=each.cluster.name,
        )
    underlay = settings.underlay(known, each.cluster)
    is_v6 = underlay is datapath.Underlay.IPV6
    if settings.uses_cilium(known) and nodes and (128 if is_v6 else 32) not in nodes:
        family, other = ("IPv6", "ipv4") if is_v6 else ("IPv4", "ipv6")
        yield places.finding(
            places.of(each.cluster, "nodeRange"),
            code="wrong-family",
            message=f"the underlay is {family} and the nodes of '{each.cluster.name}' are "
            f"{each.text(ranges.Role.NODES)}",
            remedy=f"give nodes an {family} range or supernet, or write `underlay: {other}`",
            cluster=each.cluster.name,
        )


def _strangers(clusters: Sequence[ranges.Ranges], places: place.Places) -> Iterator[finding.Finding]:
    """Yield clusters whose pods have no family of addresses in common with those of the others."""
    families = {
        each.cluster.name: {"IPv6" if one.is_v6 else "IPv4" for one in each.pods} for each in clusters
    }
    alone = {family: [each for each in clusters if families[each.cluster.name] == {family}] for family in V}
    few, many = sorted(alone.values(), key=len)
    if few and many:
        first, other = few[0].cluster, many[0].cluster
        more = f" (and {len(few) - 1} more)" * (len(few) > 1)
        yield places.finding(
            places.of(first, "pods"),
            code="families-apart",
            message=f"the pods of '{first.name}'{more} have {min(families[first.name])} alone and those of "
            f"'{other.name}' {min(families[other.name])} alone, so neither reaches the other",
            remedy=f"give the pods of both {min(families[other.name])}, or make two Fleets",
            cluster=first.name if len(few) == 1 else None,
        )


def _together(cluster: fleet.Cluster, places: place.Places) -> Iterator[finding.Finding]:
    used = provider.ipam(cluster)
    if cluster.provider is None or used in provider.TOGETHER[cluster.provider]:
        return
    choices = sorted(each.value for each in provider.TOGETHER[cluster.provider])
    yield places.finding(
        (*places.of(cluster, "network"), "ipam"),
        code="ipam-not-of-provider",
        message=f"'{cluster.name}' runs on {cluster.provider.value}, which has no {used.value}",
        remedy=f"write one of: {', '.join(choices)}",
        cluster=cluster.name,
    )


def _reachable(known: fleet.Fleet, cluster: fleet.Cluster, places: place.Places) -> Iterator[finding.Finding]:
    network = known.spec.network or datapath.Network()
    is_meshed = network.cni is datapath.Cni.CILIUM and len(known.clusters) > 1
    if is_meshed and provider.ipam(cluster) is datapath.Ipam.AKS_OVERLAY:
        yield places.finding(
            (*places.of(cluster, "network"), "ipam"),
            code="pods-unreachable",
            message=f"the pods of '{cluster.name}' cannot be reached from another cluster: AKS CNI Overlay "
            "keeps them inside, and ClusterMesh is one flat network of pods",
            remedy="build the cluster with `--network-plugin none` (BYOCNI) and write `ipam: cluster-pool`",
            cluster=cluster.name,
        )


def _pods(cluster: fleet.Cluster, places: place.Places) -> Iterator[finding.Finding]:
    used = provider.ipam(cluster)
    low, high = provider.PODS.get(used, (0, cluster.pods_per_node))
    if not low <= cluster.pods_per_node <= high:
        yield places.finding(
            places.of(cluster, "podsPerNode"),
            code="pods-per-node",
            message=f"{used.value} runs {low} to {high} pods on a node, not {cluster.pods_per_node}",
            remedy=f"write `podsPerNode` from {low} to {high}",
            cluster=cluster.name,
        )


def _services(each: ranges.Ranges, places: place.Places) -> Iterator[finding.Finding]:
    cluster = each.cluster
    rule = provider.SERVICES.get(cluster.provider) if cluster.provider else None
    for services in each.services if rule else ():
        assert rule is not None
        if services.is_v6:
            continue
        is_own = any(prefix.contains(own, services) for own in provider.PRIVATE)
        if rule.shortest <= services.length <= rule.longest and (is_own or not rule.is_private):
            continue
        yield places.finding(
            places.of(cluster, "services"),
            code="service-range-refused",
            message=f"{services}, the services of '{cluster.name}': {rule.source}",
            remedy=f"take a range from /{rule.longest} to /{rule.shortest}"
            + " of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" * rule.is_private,
            cluster=cluster.name,
        )


def _reserved(each: ranges.Ranges, places: place.Places) -> Iterator[finding.Finding]:
    if each.cluster.provider is not datapath.Provider.AZURE:
        return
    for role in ranges.Role:
        for given in each.of(role):
            met = [str(one) for one in AKS_RESERVED if prefix.overlap(one, given)]
            if met:
                yield places.finding(
                    places.of(each.cluster, role.field),
                    code="range-reserved",
                    message=f"{given}, the {role.value} of '{each.cluster.name}', overlaps {met[0]}, "
                    "which AKS keeps for itself",
                    remedy=f"add {met[0]} to `addressing.avoid`, and pin another range where one is pinned",
                    cluster=each.cluster.name,
                )


def _fixed_masks(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield one word about a `nodeMask` that some clusters do not follow, for each reason."""
    addressing = known.spec.addressing
    if addressing is None or addressing.pods is None or addressing.pods.node_mask is None:
        return
    stated = ranges.node_mask(addressing, 32)
    for used, why in provider.FIXED.items():
        others = [
            each
            for each in known.clusters
            if provider.ipam(each) is used and ranges.block(addressing, each, 32) != stated
        ]
        if others and 32 in ranges.families(addressing, ranges.Role.PODS):
            first = others[0]
            more = f" and {len(others) - 1} more" * (len(others) > 1)
            yield places.finding(
                ("spec", "addressing", "pods", "nodeMask"),
                code="node-mask-fixed",
                message=f"a node of '{first.name}'{more} gets a /{ranges.block(addressing, first, 32)} for "
                f"{first.pods_per_node} pods, whatever nodeMask says: {why}",
                remedy="nothing; ranges are counted with what the provider does",
                severity=finding.Severity.INFO,
                cluster=first.name,
            )
