"""A prefix as two integers, so that thousands of ranges are compared and cut without objects of `ipaddress`.

IPv4 and IPv6 lie on one line of integers: IPv6 begins at 2^128. That offset is a multiple of every block, so
alignment means the same for both and no code below asks for the family.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

V6: Final = 1 << 128
"""Where IPv6 begins on the line of integers."""

NETWORK_AND_BROADCAST: Final = 2
"""Addresses that each block loses, in Cilium's cluster pool too."""


class Prefix(NamedTuple):
    """An aligned range: its first position on the line and how many addresses it has, a power of two."""

    first: int
    size: int

    @property
    def end(self) -> int:
        """The position after the last."""
        return self.first + self.size

    @property
    def is_v6(self) -> bool:
        """Say whether the prefix is of IPv6."""
        return self.first >= V6

    @property
    def bits(self) -> int:
        """The bits of an address of the family."""
        return 128 if self.first >= V6 else 32

    @property
    def length(self) -> int:
        """The number behind the slash."""
        return self.bits - self.size.bit_length() + 1

    def __str__(self) -> str:
        if self.first >= V6:
            return f"{ipaddress.IPv6Address(self.first - V6)}/{self.length}"
        first = self.first
        return f"{first >> 24}.{first >> 16 & 255}.{first >> 8 & 255}.{first & 255}/{self.length}"


def parse(text: str) -> Prefix:
    """Return the prefix of a text, bits beyond the length dropped; ValueError when it is none."""
    network = ipaddress.ip_network(text, strict=False)
    first = int(network.network_address) + (V6 if network.version == 6 else 0)
    return Prefix(first, 1 << (network.max_prefixlen - network.prefixlen))


def size(length: int, bits: int) -> int:
    """Return how many addresses a prefix of that length has; ValueError when there is none."""
    if not 0 <= length <= bits:
        raise ValueError(f"no prefix of length {length} with {bits} bits")
    return 1 << (bits - length)


def overlap(one: Prefix, other: Prefix) -> bool:
    """Say whether two prefixes share an address."""
    return one.first < other.end and other.first < one.end


def contains(outer: Prefix, inner: Prefix) -> bool:
    """Say whether every address of the inner prefix is in the outer one."""
    return outer.first <= inner.first and inner.end <= outer.end


def block(outer: Prefix, length: int, index: int) -> Prefix:
    """Return the block of that length and index in a prefix; ValueError when there is none."""
    each = size(length, outer.bits)
    if each > outer.size or not 0 <= index < outer.size // each:
        raise ValueError(f"{outer} has no block /{length} number {index}")
    return Prefix(outer.first + index * each, each)


def index(outer: Prefix, inner: Prefix) -> int:
    """Return which block of its own length a prefix is in another; ValueError when it lies outside."""
    if not contains(outer, inner):
        raise ValueError(f"{inner} is not in {outer}")
    return (inner.first - outer.first) // inner.size


def usable(each: Prefix) -> int:
    """Return how many addresses are left for pods or hosts."""
    return max(0, each.size - NETWORK_AND_BROADCAST)


def spanning(one: Prefix, other: Prefix) -> Prefix:
    """Return the smallest prefix that holds both; ValueError for two families."""
    if one.is_v6 != other.is_v6:
        raise ValueError(f"{one} and {other} are of two families")
    first, last = min(one.first, other.first), max(one.end, other.end) - 1
    width = (first ^ last).bit_length()
    return Prefix(first >> width << width, 1 << width)


def covering(count: int) -> int:
    """Return the smallest power of two that is at least `count`."""
    return 1 << max(0, count - 1).bit_length()


RESERVED: Final[tuple[tuple[str, str], ...]] = (
    ("0.0.0.0/8", "this host"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local, with the metadata of clouds"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/127", "unspecified and loopback"),
    ("::ffff:0:0/96", "IPv4 written as IPv6"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
)
"""Ranges that no cluster can use, and why (IANA special-purpose registries)."""
