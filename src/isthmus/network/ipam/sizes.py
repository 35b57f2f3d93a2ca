"""Judges sizes: supernets that fit their role, pinned ranges that hold nodes × podsPerNode × growth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.model import finding
from isthmus.network.ipam import provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place

SERVICE_BITS: Final = 4
"""A service range has 16 addresses: DNS takes the tenth (kubeadm, MinimumAddressesInServiceSubnet)."""


OWN: Final = {32: "10.0.0.0/8", 128: "fd00::/8"}
"""Private space by bits of the family (RFC 1918, RFC 4193)."""


def supernets(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what is wrong with the supernets and masks."""
    addressing = known.spec.addressing
    if addressing is None:
        return
    first: list[tuple[prefix.Prefix, ranges.Role]] = []
    for role in ranges.Role:
        path: place.Path = ("spec", "addressing", role.value, "supernets")
        for index, each in enumerate(ranges.supernets(addressing, role)):
            yield from _foreign(each, (*path, index), places)
            for other, owner in first:
                if prefix.overlap(each, other):
                    message, remedy = _overlap(each, role, other, owner)
                    yield places.finding(
                        (*path, index), code="supernets-overlap", message=message, remedy=remedy
                    )
            first.append((each, role))
        yield from _masks(addressing, role, places)


def _overlap(
    each: prefix.Prefix, role: ranges.Role, other: prefix.Prefix, owner: ranges.Role
) -> tuple[str, str]:
    """Return what is wrong with a supernet that overlaps one before it, and what to do."""
    if role is not owner:
        message = f"{each} for {role.value} overlaps {other} for {owner.value}"
        return message, "give each role address space of its own"
    if each == other:
        return f"{each} stands twice in the supernets of {role.value}", "take one of them out"
    small, large = sorted((each, other), key=lambda one: one.size)
    return f"{small} is a part of {large}, and both are for {role.value}", f"take {small} out"


def _foreign(each: prefix.Prefix, path: place.Path, places: place.Places) -> Iterator[finding.Finding]:
    """Yield a supernet that nobody can use, or that belongs to somebody on the internet."""
    for text, why in prefix.RESERVED:
        if prefix.contains(prefix.parse(text), each):
            yield places.finding(
                path,
                code="range-reserved",
                message=f"{each} is in {text}, which is reserved ({why})",
                remedy=f"write address space of your own, for example from {OWN[each.bits]}",
            )
            return
    if not each.is_v6 and not any(prefix.contains(own, each) for own in provider.OWN):
        yield places.finding(
            path,
            code="range-public",
            message=f"{each} has public addresses, and whoever owns them cannot be reached from the clusters",
            remedy="write address space of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10, "
            "unless these addresses are yours",
            severity=finding.Severity.WARNING,
        )


def _masks(
    addressing: fleet.Addressing, role: ranges.Role, places: place.Places
) -> Iterator[finding.Finding]:
    """Yield masks that no address of the family has, or that no supernet holds."""
    if role is ranges.Role.NODES:
        return
    is_pods = role is ranges.Role.PODS
    for bits in ranges.families(addressing, role):
        mask = (ranges.node_mask if is_pods else ranges.service_mask)(addressing, bits)
        most = provider.LONGEST_MASK[bits] if is_pods else bits - SERVICE_BITS
        if mask <= most:
            continue
        path = _written(addressing, role, bits)
        least = "a node's block" if is_pods else "a service range, where DNS takes the tenth address,"
        message = f"{path[-1]} {mask} is longer than the /{most} that {least} needs"
        if mask > bits:
            message = f"{path[-1]} {mask} is longer than the {bits} bits of an address"
        yield places.finding(path, code="wrong-mask", message=message, remedy=f"write at most {most}")
    yield from _idle_mask(addressing, role, places)


def _written(addressing: fleet.Addressing, role: ranges.Role, bits: int) -> place.Path:
    """Return the path of the mask of a family, as the user wrote it or would."""
    source = addressing.pods if role is ranges.Role.PODS else addressing.services
    written = source.model_fields_set if source else set()
    name = "nodeMask" if role is ranges.Role.PODS else "mask"
    of_v6 = "node_mask_v6" if role is ranges.Role.PODS else "mask_v6"
    alone = ranges.families(addressing, role) == (128,) and of_v6 not in written
    return ("spec", "addressing", role.value, name if bits == 32 or alone else f"{name}V6")


def _idle_mask(
    addressing: fleet.Addressing, role: ranges.Role, places: place.Places
) -> Iterator[finding.Finding]:
    of_v6 = addressing.services.mask_v6 if addressing.services else None
    if role is ranges.Role.PODS:
        of_v6 = addressing.pods.node_mask_v6 if addressing.pods else None
    if of_v6 is not None and 128 not in ranges.families(addressing, role):
        field = "nodeMaskV6" if role is ranges.Role.PODS else "maskV6"
        yield places.finding(
            ("spec", "addressing", role.value, field),
            code="wrong-family",
            message=f"{field} is for IPv6, and every supernet of {role.value} is IPv4",
            remedy=f"add an IPv6 supernet, or take `{field}` out",
        )


def clusters(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what is too small for what a cluster plans to run."""
    addressing = known.spec.addressing
    families = ranges.families(addressing, ranges.Role.PODS)
    masks = {bits: ranges.node_mask(addressing, bits) for bits in (32, 128)}
    crowded: dict[Crowd, list[fleet.Cluster]] = {}
    for each in known.clusters:
        pinned = {pods.bits: pods for pods in ranges.pinned(each, ranges.Role.PODS)}
        for bits in sorted({*families, *pinned}):
            if masks[bits] > bits:
                continue  # told with the supernets
            if each.pods_per_node > (usable := provider.usable(each, bits, masks[bits])):
                crowd = Crowd(provider.mask(each, bits, masks[bits]), bits, usable, each.pods_per_node)
                crowded.setdefault(crowd, []).append(each)
            if bits in pinned:
                yield from _nodes_fit(each, pinned[bits], masks[bits], places)
    for crowd, there in crowded.items():
        yield _crowded(crowd, there, masks[crowd.bits], places)
    for each in known.clusters:
        yield from _pinned_nodes(each, places)
        yield from _pinned_services(each, places)


def _pinned_nodes(each: fleet.Cluster, places: place.Places) -> Iterator[finding.Finding]:
    kept, planned = provider.kept(each), ranges.planned_nodes(each)
    for nodes in ranges.pinned(each, ranges.Role.NODES):
        if nodes.size < planned + kept:
            yield places.finding(
                places.of(each, "nodeRange"),
                code="range-too-small",
                message=f"{nodes} has {_count(nodes.size, 'address')}, and {_planned(each)} need "
                f"{planned} and {kept} that clouds keep",
                remedy="pin a larger range, or plan for fewer nodes or less growth",
                cluster=each.name,
            )


def _pinned_services(each: fleet.Cluster, places: place.Places) -> Iterator[finding.Finding]:
    for services in ranges.pinned(each, ranges.Role.SERVICES):
        if services.size < 1 << SERVICE_BITS:
            yield places.finding(
                places.of(each, "services"),
                code="range-too-small",
                message=f"{services} has {_count(services.size, 'address')}, and the tenth is that of DNS",
                remedy=f"pin a /{services.bits - SERVICE_BITS} or larger",
                cluster=each.name,
            )


class Crowd(NamedTuple):
    """Nodes whose block is too small for their pods: its length, its usable addresses, the pods."""

    length: int
    bits: int
    usable: int
    pods: int


def _crowded(
    crowd: Crowd, there: Sequence[fleet.Cluster], mask: int, places: place.Places
) -> finding.Finding:
    wanted = prefix.covering(crowd.pods + prefix.NETWORK_AND_BROADCAST)
    field = "nodeMask" if crowd.bits == 32 else "nodeMaskV6"
    fitting = crowd.bits - wanted.bit_length() + 1
    change = f"write `{field}: {fitting}` before the first cluster is built, or fewer podsPerNode"
    others = f" (as in {len(there) - 1} more)" * (len(there) > 1)
    return places.finding(
        places.of(there[0], "podsPerNode"),
        code="node-block-too-small",
        message=f"a node's /{crowd.length} has {_count(crowd.usable, 'address')} for pods in "
        f"'{there[0].name}'{others}, and {crowd.pods} pods are wanted",
        remedy=change if crowd.length == mask else f"write `podsPerNode: {crowd.usable}` or less",
        cluster=there[0].name if len(there) == 1 else None,
    )


def _count(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def _nodes_fit(
    each: fleet.Cluster, pods: prefix.Prefix, mask: int, places: place.Places
) -> Iterator[finding.Finding]:
    room = provider.nodes_in(each, pods, mask)
    planned = ranges.planned_nodes(each)
    shortest = provider.mask(each, pods.bits, mask) - provider.SPREAD_V6
    if pods.is_v6 and not provider.in_vpc(each) and pods.length < shortest:
        yield places.finding(
            places.of(each, "pods"),
            code="range-too-large",
            message=f"{pods} and a node mask of {shortest + provider.SPREAD_V6} are more than "
            f"{provider.SPREAD_V6} apart, and Kubernetes and Cilium start with no such pair",
            remedy=f"pin a /{shortest} or longer, or write a smaller `nodeMaskV6`",
            cluster=each.name,
        )
    if room >= planned:
        return
    length = pods.bits - provider.pods_range(each, planned, pods.bits, mask).bit_length() + 1
    what = f"{_count(room, 'block')} /{provider.mask(each, pods.bits, mask)} for nodes"
    if provider.in_vpc(each):
        what = (
            f"{room} times the {provider.per_node(each, pods.bits, mask)} addresses that a node's pods take"
        )
    yield places.finding(
        places.of(each, "pods"),
        code="range-too-small",
        message=f"{pods} has {what}, and {_planned(each)} need {planned}",
        remedy=f"pin a /{length} or larger, or plan for fewer nodes or less growth",
        cluster=each.name,
    )


def _planned(each: fleet.Cluster) -> str:
    return _count(each.nodes, "node") + f" × growth {each.growth:g}" * (each.growth > 1)
