"""What one cluster must let in: the matrix taken apart for the tools that configure one place at a time."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from isthmus.mesh import ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.address import prefix
    from isthmus.network import firewall

PLAIN = re.compile(r"[^\w .,:;/()@+=&{}!$*\[\]-]", re.ASCII)
"""What some cloud refuses in a description; AWS is the strictest (EC2 API reference, IpRange)."""


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
        """The places that the plan has no range of, as words of an identifier."""
        return tuple(dict.fromkeys(slug(each.place.value) for each in self.sources if not each.ranges))


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
        met = before.sources if before else ()
        found[row.entry.name] = Rule(row.entry, target, tuple(dict.fromkeys((*met, *sources))))
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
    """Return the ranges of some ends, of one family, each once."""
    return tuple(dict.fromkeys(str(each) for each in _ranges(ends) if each.is_v6 is is_v6))


def _ranges(ends: Sequence[firewall.End]) -> Iterator[prefix.Prefix]:
    for end in ends:
        yield from end.ranges


def fits(entry: ports.Port, *, is_v6: bool) -> bool:
    """Say whether a protocol exists in a family."""
    return entry.protocol != ("icmp" if is_v6 else "icmpv6")


def plain(text: str, longest: int) -> str:
    """Return a text as every cloud and nftables take it: no quotes, no line breaks, so long at most."""
    return " ".join(PLAIN.sub(" ", text).split())[:longest].rstrip()


def slug(text: str) -> str:
    """Return words as part of an identifier: `API server` is `api_server`."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
