"""Advice where address space runs out: what each measure would free, counted by giving the ranges again.

It speaks when not one more cluster as large as the largest fits; a refusal is `refusal.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import finding
from isthmus.network.ipam import give, measures, provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place


def findings(
    known: fleet.Fleet, shares: Sequence[give.Share], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield the roles and families that have no room for one more, each with what would give some."""
    for share in shares:
        if share.headroom != 0 or share.missed:
            continue
        family = f"IPv{4 if share.bits == 32 else 6} " * (
            len(ranges.families(known.spec.addressing, share.role)) > 1
        )
        freed = [f"{text}: {_count(count)}" for text, count in advice(known, share) if count]
        is_full = not share.smallest
        yield places.finding(
            ("spec", "addressing", share.role.value, "supernets"),
            code="address-space-scarce",
            message=f"no room for the {family}{share.role.value} of one more cluster as large as "
            + ("the smallest" if is_full else f"the largest, and for {share.smallest} as the smallest"),
            remedy="; ".join(freed) or f"add a supernet for {share.role.value} before the next cluster",
            severity=finding.Severity.WARNING if is_full else finding.Severity.INFO,
        )


def _count(count: int) -> str:
    return f"room for {count:,} more"


def advice(known: fleet.Fleet, share: give.Share) -> Iterator[tuple[str, int]]:
    """Yield measures and how many more clusters as large as the largest each makes room for.

    Smaller blocks and fewer pods are for fleets that are not built yet, new ranges for all.
    """
    for text, changed in _changes(known, share):
        found = next(
            each for each in give.shares(changed) if (each.role, each.bits) == (share.role, share.bits)
        )
        if not found.missed:
            yield text, found.headroom or 0


def _changes(known: fleet.Fleet, share: give.Share) -> Iterator[tuple[str, fleet.Fleet]]:
    longer = measures.longer_mask(known, share.role, share.bits, 1)
    if longer is not None:
        yield f"{longer[1]} where nothing is built", longer[0]
    fewer = measures.fewer_pods(known, share.bits) if share.role is ranges.Role.PODS else None
    if fewer is not None:
        yield f"{fewer[1]} where nothing is built", fewer[0]
    small = measures.no_growth(known) if share.role is not ranges.Role.SERVICES else None
    if small is not None:
        yield "`growth: 1` everywhere", small
    if share.bits == 32:
        yield from _ranges(known, share.role)


def _ranges(known: fleet.Fleet, role: ranges.Role) -> Iterator[tuple[str, fleet.Fleet]]:
    """Yield second ranges as far as the Fleet has not taken them, with what speaks against each."""
    limits = {
        provider.SHARED: "a second range, unless Tailscale or a carrier uses it",
        provider.CLASS_E: "class E, where every node, router and firewall carries it",
    }
    for each, limit in limits.items():
        if role is ranges.Role.SERVICES and each == provider.CLASS_E:
            continue
        size = measures.free(known, each).largest()
        block = measures.free(known, each).take(size) if size else None
        if block is not None:
            yield f"the supernet {block} ({limit})", measures.with_supernet(known, role, block)
