"""Changes of a Fleet that make address space: each returns another Fleet, or None where it would do nothing.

`refusal.py` looks for the smallest that makes a plan fit, `scarcity.py` says what each would free. Whether it
does is never reasoned here: they give the ranges again and look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.address import pool, prefix, space
from isthmus.network.ipam import provider, ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from isthmus.model import fleet


Named = tuple["fleet.Fleet", str]
"""A changed Fleet, and what the user would write."""


def wider(known: fleet.Fleet, role: ranges.Role, index: int, by: int) -> fleet.Fleet | None:
    """Return the Fleet with one supernet of a role so many bits larger, if that stays its own space.

    Public IPv4 space beside what the Fleet has is somebody else's.
    """
    all_ = ranges.supernets(known.spec.addressing, role)
    old = all_[index]
    if old.length - by < 1:
        return None
    size = old.size << by
    new = prefix.Prefix(old.first // size * size, size)
    others = [each for one in ranges.Role for each in ranges.supernets(known.spec.addressing, one)]
    others.remove(old)
    is_own = any(prefix.contains(own, new) for own in provider.OWN)
    was_own = any(prefix.contains(own, old) for own in provider.OWN)
    others += [prefix.parse(text) for text, _ in prefix.RESERVED]
    if any(prefix.overlap(new, each) for each in others) or (not is_own and (was_own or not new.is_v6)):
        return None
    texts = [*map(str, all_[:index]), str(new), *map(str, all_[index + 1 :])]
    return _addressing(known, role, supernets=tuple(texts))


def another(known: fleet.Fleet, role: ranges.Role, bits: int, size: int) -> Named | None:
    """Return the Fleet with one more supernet of that size, from space that nobody owns; and which."""
    sources = [prefix.parse("fd00::/8")] if bits == 128 else [*provider.PRIVATE, provider.SHARED]
    for source in sources:
        found = free(known, source).take(size)
        if found is not None:
            return with_supernet(known, role, found), str(found)
    return None


def elsewhere(
    known: fleet.Fleet, role: ranges.Role, supernets: Sequence[prefix.Prefix], outside: Sequence[str]
) -> Named:
    """Return the Fleet with other space of that size for the supernets of a role, as far as there is any."""
    addressing = known.spec.addressing
    assert addressing is not None
    avoid = (*addressing.avoid, *outside)
    changed = _spec(known, addressing=addressing.model_copy(update={"avoid": avoid}))
    size = prefix.covering(sum(each.size for each in supernets))
    found = another(changed, role, supernets[0].bits, size)
    return found or (changed, "...")


def with_supernet(known: fleet.Fleet, role: ranges.Role, more: prefix.Prefix) -> fleet.Fleet:
    """Return the Fleet with one more supernet of a role."""
    texts = (*map(str, ranges.supernets(known.spec.addressing, role)), str(more))
    return _addressing(known, role, supernets=texts)


def free(known: fleet.Fleet, within: prefix.Prefix) -> pool.Pool:
    """Return what the Fleet neither uses, pins, nor avoids of a range."""
    addressing = known.spec.addressing
    taken = [prefix.parse(text) for text in (addressing.avoid if addressing else ())]
    taken += [prefix.parse(text) for text, _ in prefix.RESERVED]
    for role in ranges.Role:
        taken += ranges.supernets(addressing, role)
        taken += [one for each in known.clusters for one in ranges.pinned(each, role)]
    return pool.Pool(space.of([within]) - space.of(taken))


def longer_mask(known: fleet.Fleet, role: ranges.Role, bits: int, by: int) -> Named | None:
    """Return the Fleet with smaller blocks, if they hold the pods that each node wants; and what to write."""
    if role is ranges.Role.NODES:
        return None
    if role is ranges.Role.SERVICES:
        mask = ranges.service_mask(known.spec.addressing, bits) + by
        if mask > bits - 4:  # sixteen addresses: DNS takes the tenth
            return None
        return _mask(known, role, bits, mask)
    mask = ranges.node_mask(known.spec.addressing, bits) + by
    followers = [each for each in known.clusters if follows_mask(each, bits)]
    if not followers or mask > provider.LONGEST_MASK[bits]:
        return None
    if any(each.pods_per_node > provider.usable(each, bits, mask) for each in followers):
        return None
    return _mask(known, role, bits, mask)


def fewer_pods(known: fleet.Fleet, bits: int) -> Named | None:
    """Return the Fleet with the first block that is too small for the pods wanted, and with fewer pods."""
    if bits == 128:
        return None
    mask = ranges.node_mask(known.spec.addressing, bits)
    while (longer := longer_mask(known, ranges.Role.PODS, bits, 1)) is not None:
        known, mask = longer[0], mask + 1
    words = []
    changed = known
    followers = [each for each in known.clusters if follows_mask(each, bits)]
    if followers and mask < provider.LONGEST_MASK[bits]:
        most = prefix.size(mask + 1, bits) - prefix.NETWORK_AND_BROADCAST
        changed, text = _mask(known, ranges.Role.PODS, bits, mask + 1)
        names = {each.name for each in followers}
        changed = _clusters(changed, names, lambda each: {"pods_per_node": min(each.pods_per_node, most)})
        words.append(f"{text} with at most {most} podsPerNode")
    gke = {each.name for each in known.clusters if provider.ipam(each) is provider.Ipam.GKE}
    if gke:
        most = max(each.pods_per_node for each in known.clusters if each.name in gke)
        fewer = prefix.size(provider.gke_mask(most) + 1, bits) // 2
        if fewer >= 8:  # GKE's least
            changed = _clusters(changed, gke, lambda each: {"pods_per_node": min(each.pods_per_node, fewer)})
            words.append(f"`podsPerNode: {fewer}` in GKE")
    return (changed, " and ".join(words)) if words else None


def follows_mask(each: fleet.Cluster, bits: int) -> bool:
    """Say whether the Fleet's node mask is what a node of the cluster gets."""
    return not provider.in_vpc(each) and (bits == 128 or provider.ipam(each) not in provider.FIXED)


def no_growth(known: fleet.Fleet, names: Collection[str] | None = None) -> fleet.Fleet | None:
    """Return the Fleet with growth 1 in some clusters, or in all."""
    chosen = {each.name for each in known.clusters if names is None or each.name in names}
    if all(each.growth == 1 for each in known.clusters if each.name in chosen):
        return None
    return _clusters(known, chosen, lambda _: {"growth": 1.0})


def fewer_nodes(known: fleet.Fleet, name: str, nodes: int) -> fleet.Fleet:
    """Return the Fleet with so many nodes in one cluster, of which it grows no more."""
    return _clusters(known, {name}, lambda _: {"nodes": nodes, "growth": 1.0})


def _mask(known: fleet.Fleet, role: ranges.Role, bits: int, mask: int) -> Named:
    field, name = ("node_mask", "nodeMask") if role is ranges.Role.PODS else ("mask", "mask")
    if bits == 128:
        field, name = f"{field}_v6", f"{name}V6"
    return _addressing(known, role, **{field: mask}), f"`{name}: {mask}`"


def _addressing(known: fleet.Fleet, role: ranges.Role, **update: Any) -> fleet.Fleet:
    addressing = known.spec.addressing
    assert addressing is not None
    part = getattr(addressing, role.value).model_copy(update=update)
    return _spec(known, addressing=addressing.model_copy(update={role.value: part}))


def _clusters(
    known: fleet.Fleet, names: Collection[str], change: Callable[[fleet.Cluster], dict[str, Any]]
) -> fleet.Fleet:
    changed = (
        each.model_copy(update=change(each)) if each.name in names else each for each in known.clusters
    )
    return _spec(known, clusters=tuple(changed))


def _spec(known: fleet.Fleet, **update: Any) -> fleet.Fleet:
    changed = known.model_copy(update={"spec": known.spec.model_copy(update=update)})
    changed.__dict__.pop("by_name", None)  # cached of the old clusters
    return changed
