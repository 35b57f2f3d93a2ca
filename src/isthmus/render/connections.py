"""A matrix of connections as lines: for people, as CSV, as JSON; written while it is made."""

from __future__ import annotations

import functools
import json as jsons
from typing import TYPE_CHECKING, Final

from isthmus.policy import ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isthmus.policy.reach import diff, matrix

EVERY: Final = "all"
LAST: Final = ports.STRETCH - 1


@functools.cache
def spelled(held: ports.Ports) -> tuple[tuple[str, str], ...]:
    """Return (protocol, ports) of a set for rows, ports as `80,9000-9100`; `all` and `all` for everything.

    Protocols without ports are a row only where rules speak of single types of ICMP: beside them they pass
    or are stopped with everything else.
    """
    if held == ports.ALL:
        return ((EVERY, EVERY),)
    found = ports.split(held).items()
    return tuple(
        (protocol.value, ",".join(map(_span, ranges)))
        for protocol, ranges in found
        if protocol in ports.TRANSPORT or (protocol is not ports.Protocol.OTHER and ranges != ((0, LAST),))
    )


def _span(ends: tuple[int, int]) -> str:
    first, last = ends
    return str(first) if first == last else f"{max(first, 1)}-{last}"


@functools.cache
def brief(held: ports.Ports) -> str:
    """Return a set in one text: `all`, `TCP 80,9000-9100; UDP 53`, `all but TCP 80`, or `none`."""
    if held == ports.ALL:
        return EVERY
    is_mostly = ports.has(held, ports.Protocol.OTHER, 0)
    shown = ports.split(ports.difference(ports.ALL, held) if is_mostly else held)
    told = "; ".join(f"{protocol.upper()} {_ranges(ranges)}" for protocol, ranges in shown.items())
    return f"{EVERY} but {told}" if is_mostly else told or "none"


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    return EVERY if ranges == ((0, LAST),) else ",".join(map(_span, ranges))


def text(groups: Iterable[matrix.Group]) -> Iterator[str]:
    """Yield a line for each source and set of ports, with all destinations, and a last one that counts."""
    count = 0
    for group in groups:
        count += len(group.destinations)
        yield f"{group.source} → {brief(group.ports)}: {', '.join(group.destinations)}\n"
    yield f"{count} pairs are connected; every other is denied\n"


def csv(groups: Iterable[matrix.Group]) -> Iterator[str]:
    """Yield CSV with a head: src, dst, protocol, ports."""
    yield "src,dst,protocol,ports\n"
    for group in groups:
        for protocol, spans in spelled(group.ports):
            tail = f',{protocol},"{spans}"\n' if "," in spans else f",{protocol},{spans}\n"
            head = f"{group.source},"
            yield head + (tail + head).join(group.destinations) + tail


def json(groups: Iterable[matrix.Group]) -> Iterator[str]:
    """Yield a JSON array of objects, one a line."""
    opening = "[\n"
    for group in groups:
        for protocol, spans in spelled(group.ports):
            head = f'{{"src": {jsons.dumps(group.source)}, "dst": "'
            tail = f'", "protocol": "{protocol}", "ports": "{spans}"}}'
            yield opening + head + f"{tail},\n{head}".join(group.destinations) + tail
            opening = ",\n"
    yield "[]\n" if opening == "[\n" else "\n]\n"


def change(one: diff.Change) -> str:
    """Return one line for a change: what opens and what closes between two ends."""
    opened, closed = ports.difference(one.after, one.before), ports.difference(one.before, one.after)
    words = []
    if opened.intervals:
        words.append(f"opens {brief(opened)}")
    if closed.intervals:
        words.append(f"closes {brief(closed)}")
    return f"{one.source} → {one.destination}: {', '.join(words)}"


def change_json(one: diff.Change) -> dict[str, object]:
    """Return the public JSON form of a change."""
    opened, closed = ports.difference(one.after, one.before), ports.difference(one.before, one.after)
    return {
        "src": one.source,
        "dst": one.destination,
        "opens": [{"protocol": protocol, "ports": spans} for protocol, spans in spelled(opened)],
        "closes": [{"protocol": protocol, "ports": spans} for protocol, spans in spelled(closed)],
    }
