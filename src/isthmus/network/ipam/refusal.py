"""Explains why no range is left: which requests collide, and the smallest change that makes them fit.

A change is tried, not guessed: the ranges are given again with it, and only what fits is proposed.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.network.ipam import give, measures, provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import finding, fleet
    from isthmus.network import place

NAMED: Final = 4
"""How many holders of a full supernet are named; the rest are counted."""

WIDEST: Final = 8
"""Bits by which a supernet is tried larger, or a block smaller, one after another."""

PROPOSED: Final = 3
"""Changes in one remedy, the smallest first."""


class Change(NamedTuple):
    """A change that makes a plan fit: what to do, and the Fleet with it done."""

    text: str
    fleet: fleet.Fleet


def findings(
    known: fleet.Fleet, shares: Sequence[give.Share], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield one refusal for each role and family in which somebody got nothing."""
    for share in shares:
        if share.missed:
            first = share.missed[0].cluster
            yield places.finding(
                places.of(first, "nodes"),
                code="address-space-full",
                message=_message(known, shares, share),
                remedy=_remedy(known, shares, share),
                cluster=first.name if len(share.missed) == 1 else None,
            )


def _message(known: fleet.Fleet, shares: Sequence[give.Share], share: give.Share) -> str:
    miss = share.missed[0]
    others = f" and {len(share.missed) - 1} more" * (len(share.missed) > 1)
    supernets = [
        each for each in ranges.supernets(known.spec.addressing, share.role) if each.bits == share.bits
    ]
    names = ", ".join(map(str, supernets))
    need = f"it {_need(known, miss.cluster, share)}"
    whom = f"for the {share.role.value} of '{miss.cluster.name}'{others}"
    if miss.wanted.size > 1 << share.bits:
        return f"no range {whom}: {need}, and IPv{4 if share.bits == 32 else 6} has no such range at all"
    start = f"no free /{miss.wanted.length} {whom}"
    if miss.wanted.size > max(each.size for each in supernets):
        return f"{start}: {need}, and that is larger than {names}"
    left = prefix.Prefix(miss.wanted.first, miss.largest).length if miss.largest else None
    free = f"the largest free block is /{left}" if left is not None else "nothing is free"
    holders = _holders(known, shares, share, supernets)
    because = f" because {', and '.join(holders)}" if holders else ""
    return f"{start}: {need}, and of {names} {free}{because}"


def _need(known: fleet.Fleet, cluster: fleet.Cluster, share: give.Share) -> str:
    """Return `needs a /17 for 90 nodes × /24`."""
    addressing, bits = known.spec.addressing, share.bits
    size = ranges.wanted(addressing, cluster, share.role, bits)
    length = f"/{bits - size.bit_length() + 1}" if size <= 1 << bits else f"{size:,} addresses"
    planned = f"{ranges.planned_nodes(cluster)} nodes"
    if share.role is ranges.Role.SERVICES:
        return f"needs {_a(length)}"
    if share.role is ranges.Role.NODES:
        return f"needs {_a(length)} for {planned}"
    stated = ranges.node_mask(addressing, bits)
    if provider.in_vpc(cluster):
        each = f"{provider.per_node(cluster, bits, stated)} addresses"
    else:
        each = f"/{provider.mask(cluster, bits, stated)}"
    return f"needs {_a(length)} for {planned} × {each}"


def _a(amount: str) -> str:
    return f"a {amount}" if amount.startswith("/") else amount


def _holders(
    known: fleet.Fleet, shares: Sequence[give.Share], share: give.Share, supernets: Sequence[prefix.Prefix]
) -> list[str]:
    """Return who has the space, the largest first, with the many small ones counted."""
    held = [(_inside(each, supernets), text) for each, text in _closed(known, share.role)]
    held += [
        (_inside(given, supernets), text)
        for other in shares
        if other.bits == share.bits
        for given, text in _requests(known, other, share)
    ]
    held = sorted((each for each in held if each[0]), key=lambda each: -each[0])
    told = [text for _, text in held[:NAMED]]
    rest = len(held) - NAMED
    if rest == 1:
        told.append(held[-1][1])
    elif rest > 1:
        size = sum(size for size, _ in held[NAMED:])
        told.append(
            f"{rest} more hold {size:,} addresses" if share.bits == 32 else f"{rest} more hold the rest"
        )
    return told


def _closed(known: fleet.Fleet, role: ranges.Role) -> Iterator[tuple[prefix.Prefix, str]]:
    """Yield what nobody may take for a role: avoided, reserved, or the space of a role before it."""
    addressing = known.spec.addressing
    for text in addressing.avoid if addressing else ():
        yield prefix.parse(text), f"the Fleet avoids {text}"
    for text, why in prefix.RESERVED:
        yield prefix.parse(text), f"{text} is reserved ({why})"
    for other in itertools.takewhile(lambda each: each is not role, ranges.Role):
        for each in ranges.supernets(addressing, other):
            yield each, f"{each} is for {other.value}"


def _requests(
    known: fleet.Fleet, other: give.Share, share: give.Share
) -> Iterator[tuple[prefix.Prefix, str]]:
    """Yield what clusters got: of the same role, and pins of any role."""
    for cluster in known.clusters:
        given = other.given.get(cluster.name)
        if given is None:
            continue
        if given in ranges.pinned(cluster, other.role):
            what = f" for its {other.role.value}" * (other.role is not share.role)
            yield given, f"'{cluster.name}' pins {given}{what}"
        elif other is share:
            yield given, f"'{cluster.name}' {_need(known, cluster, share)}"


def _inside(each: prefix.Prefix, supernets: Sequence[prefix.Prefix]) -> int:
    """Return how many addresses of some supernets a range takes."""
    return sum(min(each.size, one.size) for one in supernets if prefix.overlap(each, one))


def _remedy(known: fleet.Fleet, shares: Sequence[give.Share], share: give.Share) -> str:
    found = list(itertools.islice(changes(known, shares, share), PROPOSED))
    if not found:
        return f"add to `addressing.{share.role.value}.supernets`, or plan for fewer nodes"
    texts = [f"{each.text}{_moves(shares, each)}" for each in found]
    return f"the smallest change that fits: {texts[0]}" + "".join(f"; or {text}" for text in texts[1:])


def _moves(shares: Sequence[give.Share], change: Change) -> str:
    """Return how many clusters a change would give other ranges than they have in this plan."""
    before = {(each.role, each.bits): each.given for each in shares}
    moved = {
        name
        for each in give.shares(change.fleet)
        for name, given in before[each.role, each.bits].items()
        if each.given.get(name) not in {None, given}
    }
    return f" (moves {len(moved)} that {'is' if len(moved) == 1 else 'are'} not pinned)" if moved else ""


def changes(known: fleet.Fleet, shares: Sequence[give.Share], share: give.Share) -> Iterator[Change]:
    """Yield changes that make a role fit, each proved by giving all ranges again; the smallest first."""
    for tries in _candidates(known, share):
        found = next((each for each in tries if _fits(each.fleet, shares, share)), None)
        if found is not None:
            yield found


def _candidates(known: fleet.Fleet, share: give.Share) -> Iterator[Iterator[Change]]:
    yield _wider(known, share, range(1, 2))
    yield _longer(known, share, range(1, 2))
    yield _growth(known, share)
    yield _nodes(known, share)
    yield _wider(known, share, range(2, WIDEST + 1))
    yield _longer(known, share, range(2, WIDEST + 1))
    yield _another(known, share)
    yield _longest(known, share)


def _fits(changed: fleet.Fleet, shares: Sequence[give.Share], share: give.Share) -> bool:
    """Say whether a role fits now, and every other at least as well as before."""
    before = {(each.role, each.bits): {miss.cluster.name for miss in each.missed} for each in shares}
    before[share.role, share.bits] = set()
    return all(
        {miss.cluster.name for miss in each.missed} <= before.get((each.role, each.bits), set())
        for each in give.shares(changed)
    )


def _wider(known: fleet.Fleet, share: give.Share, bits: range) -> Iterator[Change]:
    supernets = ranges.supernets(known.spec.addressing, share.role)
    for by in bits:
        for index, old in enumerate(supernets):
            changed = measures.wider(known, share.role, index, by) if old.bits == share.bits else None
            if changed is not None:
                new = ranges.supernets(changed.spec.addressing, share.role)[index]
                yield Change(f"write {new} for {old} in `addressing.{share.role.value}.supernets`", changed)


def _longer(known: fleet.Fleet, share: give.Share, bits: range) -> Iterator[Change]:
    for by in bits:
        found = _mask(known, share, by)
        if found is not None:
            yield found


def _growth(known: fleet.Fleet, share: give.Share) -> Iterator[Change]:
    if share.role is ranges.Role.SERVICES:
        return
    names = [miss.cluster.name for miss in share.missed]
    changed = measures.no_growth(known, names)
    if changed is not None:
        yield Change(f"write `growth: 1` for {', '.join(names[:3])}{', ...' * (len(names) > 3)}", changed)


def _nodes(known: fleet.Fleet, share: give.Share) -> Iterator[Change]:
    """Yield the only cluster without a range with as many nodes as the largest free block is for."""
    if share.role is ranges.Role.SERVICES or len(share.missed) != 1:
        return
    miss = share.missed[0]
    addressing, cluster = known.spec.addressing, miss.cluster
    low, high = 0, ranges.planned_nodes(cluster) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if ranges.wanted_for(addressing, cluster, share.role, share.bits, middle) <= miss.largest:
            low = middle
        else:
            high = middle - 1
    if low > 0:
        changed = measures.fewer_nodes(known, cluster.name, low)
        yield Change(f"plan '{cluster.name}' for {low} node{'s' * (low > 1)} in all", changed)


def _another(known: fleet.Fleet, share: give.Share) -> Iterator[Change]:
    """Yield one more supernet that holds all that got nothing, larger ones after smaller."""
    size = prefix.covering(sum(miss.wanted.size for miss in share.missed))
    for by in range(3):
        found = measures.another(known, share.role, share.bits, size << by)
        if found is not None:
            yield Change(f"add {found[1]} to `addressing.{share.role.value}.supernets`", found[0])


def _longest(known: fleet.Fleet, share: give.Share) -> Iterator[Change]:
    """Yield the smallest blocks that hold what a node wants, with one more supernet where they need it."""
    longer = next(filter(None, (_mask(known, share, by) for by in range(share.bits, 0, -1))), None)
    if longer is None:
        return
    tight = next(
        each for each in give.shares(longer.fleet) if (each.role, each.bits) == (share.role, share.bits)
    )
    if not tight.missed:
        yield longer
        return
    for each in _another(longer.fleet, tight):
        yield Change(f"{longer.text}, and {each.text}", each.fleet)


def _mask(known: fleet.Fleet, share: give.Share, by: int) -> Change | None:
    found = measures.longer_mask(known, share.role, share.bits, by)
    return found and Change(f"write {found[1]} in `addressing.{share.role.value}`", found[0])
