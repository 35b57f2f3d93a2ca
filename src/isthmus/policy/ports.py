"""Protocols and ports as intervals on one line of integers, so that sets of them are `address.space` sets.

Each protocol has its stretch: TCP, UDP, SCTP by port, ICMP and ICMPv6 by type, then all others by protocol
number. A set over the whole line is 'all connections', ICMP and the rest included.
"""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import Final, NamedTuple

from isthmus.address import space

Ports = space.Space
STRETCH: Final = 65536


class Protocol(StrEnum):
    """What a connection speaks, in the order of the line."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    ICMPV6 = "icmpv6"
    OTHER = "other"


START: Final = {protocol: place * STRETCH for place, protocol in enumerate(Protocol)}
ALL: Final = Ports(((0, len(Protocol) * STRETCH),))
NONE: Final = Ports()
TRANSPORT: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
"""What has ports; `ANY` of a Cilium rule means these three."""


class Named(NamedTuple):
    """A port by its name in the pod that is connected to."""

    protocol: Protocol
    name: str


class Wanted(NamedTuple):
    """Ports of a rule: by number, and by names that each destination resolves for itself."""

    numbers: Ports = NONE
    names: frozenset[Named] = frozenset()


EVERY: Final = Wanted(ALL)


@functools.cache
def interval(protocol: Protocol, first: int, last: int) -> Ports:
    """Return the set of the ports from first to last, both included."""
    start = START[protocol]
    return Ports(((start + first, start + last + 1),))


def whole(protocol: Protocol) -> Ports:
    """Return the set of all ports of a protocol."""
    return interval(protocol, 0, STRETCH - 1)


def has(ports: Ports, protocol: Protocol, port: int) -> bool:
    """Say whether a port of a protocol is in a set."""
    place = START[protocol] + port
    return ports.overlaps(place, place + 1)


@functools.lru_cache(maxsize=1 << 16)
def union(one: Ports, other: Ports) -> Ports:
    """Return the union; few distinct sets meet many times, so answers are kept."""
    return one | other


@functools.lru_cache(maxsize=1 << 16)
def intersection(one: Ports, other: Ports) -> Ports:
    """Return what two sets share."""
    return one & other


@functools.lru_cache(maxsize=1 << 16)
def difference(one: Ports, other: Ports) -> Ports:
    """Return what is in the first alone."""
    return one - other


def split(ports: Ports) -> dict[Protocol, tuple[tuple[int, int], ...]]:
    """Return the (first, last) ranges of each protocol that has any."""
    found: dict[Protocol, list[tuple[int, int]]] = {}
    for first, end in ports.intervals:
        for protocol, start in START.items():
            low, high = max(first, start), min(end, start + STRETCH)
            if low < high:
                found.setdefault(protocol, []).append((low - start, high - start - 1))
    return {protocol: tuple(ranges) for protocol, ranges in found.items()}
