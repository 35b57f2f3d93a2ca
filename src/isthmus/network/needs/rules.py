"""What one cluster must let in: the matrix taken apart for the tools that configure one place at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.address import space
from isthmus.mesh import ports
from isthmus.network.needs import firewall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True)
class Rule:
    """One port of a cluster that all its senders may reach."""

    entry: ports.Port
    target: firewall.End
    sources: tuple[firewall.End, ...]

    def ranges(self, *, is_v6: bool) -> tuple[str, ...]:
        """Return the known ranges of the senders, of one family; none where the protocol has another."""
        return cidrs(self.sources, is_v6=is_v6) if fits(self.entry, is_v6=is_v6) else ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """The places that the plan has no range of, by name."""
        return tuple(dict.fromkeys(each.place.value for each in self.sources if not each.ranges))


def of_cluster(rows: Iterable[firewall.Row], cluster: str) -> tuple[Rule, ...]:
    """Return the rules of one cluster, in the order of the matrix.

    What a tunnel carries is left out, since firewalls see the tunnel; so is what few need (`optional`).
    """
    found: dict[str, Rule] = {}
    for row in rows:
        if row.inside or row.entry.need is ports.Need.OPTIONAL:
            continue
        part = row.into(cluster)
        if part is None:
            continue
        target, sources = part
        before = found.get(row.entry.name)
        if before is not None:
            sources = tuple(dict.fromkeys((*before.sources, *sources)))
        found[row.entry.name] = Rule(row.entry, target, sources)
    return tuple(found.values())


def optional(rows: Iterable[firewall.Row], cluster: str) -> list[str]:
    """Return what few need, for the comment that says it was left out."""
    entries = {
        row.entry.name: row.entry
        for row in rows
        if row.entry.need is ports.Need.OPTIONAL and row.into(cluster) is not None
    }
    return [f"{each.port}/{each.protocol} {each.purpose}, when {each.when}" for each in entries.values()]


def cidrs(ends: Sequence[firewall.End], *, is_v6: bool) -> tuple[str, ...]:
    """Return the ranges of some ends, of one family, each once.

    Where more clusters meet than have rows of their own, as the fewest prefixes with the same addresses: AWS
    counts each range as a rule, and gives a security group 60.
    """
    ranges = [each for end in ends for each in end.ranges if each.is_v6 is is_v6]
    if len(ends) > firewall.MANY:
        ranges = list(space.of(ranges).prefixes())
    return tuple(dict.fromkeys(map(str, ranges)))


def fits(entry: ports.Port, *, is_v6: bool) -> bool:
    """Say whether a protocol exists in a family."""
    return entry.protocol != ("icmp" if is_v6 else "icmpv6")
