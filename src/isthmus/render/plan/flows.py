"""The firewall matrix in short: one line a flow, where nobody reads a row for each pair of clusters."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.network.needs import flows as needed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.network.needs import firewall

MOST: Final = 6000
"""Rows of the whole matrix that a page has."""

REACH: Final = {
    needed.Reach.OWN: "of its own cluster",
    needed.Reach.OTHERS: "of other clusters",
    needed.Reach.ALL: "of all clusters",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flow:
    """Rows that differ only in which clusters speak."""

    purpose: str
    protocol: str
    port: str
    source: str
    target: str
    when: str
    team: str
    rows: int


def flows(matrix: Iterable[firewall.Row]) -> tuple[Flow, ...]:
    """Return the matrix in short, in the order in which flows are first named."""
    found: dict[tuple[str, ...], int] = {}
    for row in matrix:
        key = (row.purpose, row.protocol, row.port, _source(row), _target(row), row.when, row.team)
        found[key] = found.get(key, 0) + 1
    return tuple(
        Flow(
            purpose=purpose,
            protocol=protocol,
            port=port,
            source=source,
            target=target,
            when=when,
            team=team,
            rows=count,
        )
        for (purpose, protocol, port, source, target, when, team), count in found.items()
    )


def _source(row: firewall.Row) -> str:
    return row.sources[0].place.value


def _target(row: firewall.Row) -> str:
    place = row.targets[0].place
    if place in needed.OUTSIDE or row.sources[0].place in needed.OUTSIDE:
        return place.value
    return f"{place.value} {REACH[row.reach]}"
