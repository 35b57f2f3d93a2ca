"""The one range of each family that holds some ranges or addresses, as a Fleet pins them."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix, space

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.network.ipam import ranges

SHORTEST: Final = {32: 8, 128: 16}
"""What spans more than this lies in two places, and one range for both would be an invention: 10.0.0.0/8 is
the largest private range (RFC 1918), and a site has at most some /48 of IPv6 (RFC 4193)."""


@dataclasses.dataclass(frozen=True)
class Whole:
    """The smallest range of each family: exact when they hold nothing else; `lost` is in none of them."""

    ranges: ranges.Family = ()
    is_exact: bool = True
    lost: tuple[prefix.Prefix, ...] = ()


def whole(parts: Iterable[prefix.Prefix]) -> Whole:
    """Return the smallest ranges around some parts."""
    found: list[prefix.Prefix] = []
    lost: list[prefix.Prefix] = []
    is_exact = True
    by_bits: dict[int, list[prefix.Prefix]] = {}
    for each in space.of(parts).prefixes():
        by_bits.setdefault(each.bits, []).append(each)
    for bits, members in sorted(by_bits.items()):
        around = functools.reduce(prefix.spanning, members)
        if len(members) > 1 and around.length < SHORTEST[bits]:
            lost += members
        else:
            found.append(around)
            is_exact = is_exact and len(members) == 1
    return Whole(tuple(found), is_exact, tuple(lost))


def parse(texts: Iterable[object]) -> tuple[list[prefix.Prefix], list[str]]:
    """Return the ranges of some texts, or lists with commas or spaces, and the words that are none."""
    found: list[prefix.Prefix] = []
    wrong: list[str] = []
    for text in texts:
        for word in str(text).replace(",", " ").split():
            try:
                each = prefix.parse(word)
            except ValueError:
                wrong.append(word)
            else:  # every address at once is nobody's range
                found.append(each) if each.length else wrong.append(word)
    return found, wrong
