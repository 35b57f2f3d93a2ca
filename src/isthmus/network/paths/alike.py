"""Judges what must be the same in all clusters of a mesh: the way of packets, and what encrypts them.

ClusterMesh needs one datapath (Cilium 1.20 clustermesh/setup.rst), and WireGuard or IPsec in all clusters or
in none (encryption-wireguard.rst, encryption-ipsec.rst).
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.mesh import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import finding, fleet
    from isthmus.network import place

NAMED: Final = 3
"""Clusters or paths that a message names."""


class Rule(NamedTuple):
    """A field that must not differ, and what breaks where it does."""

    field: str
    code: str
    why: str


RULES: Final = (
    Rule("routing", "mixed-routing", "ClusterMesh needs one routing mode everywhere: tunnel or native"),
    Rule("encapsulation", "mixed-encapsulation", "VXLAN and Geneve do not understand each other"),
    Rule("underlay", "mixed-underlay", "nodes reach each other by addresses of one family"),
    Rule(
        "encryption",
        "mixed-encryption",
        "one that does not encrypt can not read the others, or is read by anybody on the way",
    ),
)


def findings(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield each field of the datapath in which clusters differ, at the first that does."""
    if len(known.clusters) < 2:
        return
    paths = [settings.cilium(known, each).datapath for each in known.clusters]
    for rule in RULES:
        values = [str(getattr(each, rule.field)) for each in paths]
        if rule.field == "encapsulation":
            values = [value if each.is_tunnel else "" for value, each in zip(values, paths, strict=True)]
        others = differing(values)
        if others:
            first = known.clusters[others[0]]
            usual = next(value for value in values if value and value != values[others[0]])
            yield places.finding(
                (*places.of(first, "network"), rule.field),
                code=rule.code,
                message=f"{rule.field} is {values[others[0]]} in {named(known, others)}, {usual} elsewhere: "
                f"{rule.why}",
                remedy=f"write `network: {{{rule.field}: ...}}` once for the Fleet, and none in clusters",
                cluster=first.name if len(others) == 1 else None,
            )


def differing(values: Sequence[str]) -> list[int]:
    """Return the indexes of the value that fewest have, the last one of equals; "" is as good as any."""
    counts = collections.Counter(value for value in values if value)
    if len(counts) < 2:
        return []
    rare = min(reversed(counts), key=lambda value: counts[value])
    return [index for index, value in enumerate(values) if value == rare]


def named(known: fleet.Fleet, indexes: Sequence[int]) -> str:
    """Return the names of clusters, the first few of them."""
    names = ", ".join(f"'{known.clusters[index].name}'" for index in indexes[:NAMED])
    more = len(indexes) - NAMED
    return f"{names} and {more} more" if more > 0 else names


def which(known: fleet.Fleet, held: Sequence[bool]) -> list[int]:
    """Return the indexes of the clusters that something holds for."""
    return [index for index, _ in enumerate(known.clusters) if held[index]]
