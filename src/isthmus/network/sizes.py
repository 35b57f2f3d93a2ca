"""Judges sizes: supernets that fit their role, pinned ranges that hold nodes × podsPerNode × growth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.address import prefix
from isthmus.network import ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import finding, fleet
    from isthmus.network import place


def supernets(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what is wrong with the supernets and masks."""
    addressing = known.spec.addressing
    if addressing is None:
        return
    first: list[tuple[prefix.Prefix, ranges.Role]] = []
    for role in ranges.Role:
        path: place.Path = ("spec", "addressing", role.value, "supernets")
        given = ranges.supernets(addressing, role)
        for index, each in enumerate(given):
            for other, owner in first:
                if prefix.overlap(each, other):
                    yield places.finding(
                        (*path, index),
                        code="supernets-overlap",
                        message=f"{each} for {role.value} overlaps {other} for {owner.value}",
                        remedy="give each role address space of its own",
                    )
            first.append((each, role))
        for bits in ranges.families(addressing, role):
            yield from _mask(addressing, role, bits, places)


def _mask(
    addressing: fleet.Addressing, role: ranges.Role, bits: int, places: place.Places
) -> Iterator[finding.Finding]:
    if role is ranges.Role.NODES:
        return
    is_pods = role is ranges.Role.PODS
    mask = (ranges.node_mask if is_pods else ranges.service_mask)(addressing, bits)
    if mask > bits:
        field = "nodeMask" if is_pods else "mask"
        yield places.finding(
            ("spec", "addressing", role.value, field),
            code="wrong-mask",
            message=f"{field} {mask} is longer than the {bits} bits of an address",
            remedy=f"write at most {bits}",
        )


def clusters(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what is too small for what a cluster plans to run."""
    addressing = known.spec.addressing
    families = ranges.families(addressing, ranges.Role.PODS)
    for each in known.clusters:
        pinned = {pods.bits: pods for pods in ranges.pinned(each, ranges.Role.PODS)}
        for bits in sorted({*families, *pinned}):
            mask = ranges.node_mask(addressing, bits)
            if mask > bits:
                continue  # told with the supernets
            yield from _per_node(each, mask, bits, places)
            if bits in pinned:
                yield from _nodes_fit(each, pinned[bits], mask, places)
    for each in known.clusters:
        for nodes in ranges.pinned(each, ranges.Role.NODES):
            if nodes.size < ranges.planned_nodes(each) + ranges.RESERVED_NODES:
                yield places.finding(
                    places.of(each, "nodeRange"),
                    code="range-too-small",
                    message=f"{nodes} has {nodes.size} addresses, and {_planned(each)} need "
                    f"{ranges.planned_nodes(each)} and {ranges.RESERVED_NODES} that clouds keep",
                    remedy="pin a larger range, or plan for fewer nodes or less growth",
                    cluster=each.name,
                )


def _per_node(each: fleet.Cluster, mask: int, bits: int, places: place.Places) -> Iterator[finding.Finding]:
    block = prefix.size(mask, bits)
    usable = max(0, block - prefix.NETWORK_AND_BROADCAST)
    if each.pods_per_node > usable:
        fitting = bits - prefix.covering(each.pods_per_node + prefix.NETWORK_AND_BROADCAST).bit_length() + 1
        yield places.finding(
            places.of(each, "podsPerNode"),
            code="node-block-too-small",
            message=f"a node's /{mask} has {usable} addresses, and {each.pods_per_node} pods are wanted",
            remedy=f"write `nodeMask: {fitting}` before the first cluster is built, or fewer podsPerNode",
            cluster=each.name,
        )


def _nodes_fit(
    each: fleet.Cluster, pods: prefix.Prefix, mask: int, places: place.Places
) -> Iterator[finding.Finding]:
    blocks = pods.size // prefix.size(mask, pods.bits)
    planned = ranges.planned_nodes(each)
    if blocks >= planned:
        return
    length = pods.bits - (prefix.covering(planned) * prefix.size(mask, pods.bits)).bit_length() + 1
    yield places.finding(
        places.of(each, "pods"),
        code="range-too-small",
        message=f"{pods} has {blocks} blocks /{mask} for nodes, and {_planned(each)} need {planned}",
        remedy=f"pin a /{length} or larger, or plan for fewer nodes or less growth",
        cluster=each.name,
    )


def _planned(each: fleet.Cluster) -> str:
    return f"{each.nodes} nodes × growth {each.growth:g}"
