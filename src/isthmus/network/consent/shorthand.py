"""Says which cluster reaches which in as few words as hold all of it, whoever was counted first.

A flow between 500 clusters is 250,000 pairs and nearly always one sentence. The words depend on the pairs
alone.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

OUTSIDE: Final = "-"
"""What is in no cluster; no cluster can be called that."""

Key = tuple[str, frozenset[str]]
OWN: Final[Key] = ("each to itself", frozenset())


def lines(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the pairs (from, to) grouped by who reaches the same."""
    reach: dict[str, set[str]] = collections.defaultdict(set)
    for sender, receiver in pairs:
        reach[sender].add(receiver)
    alike = collections.Counter(key for sender, found in reach.items() for key in _keys(sender, found))
    groups: dict[Key, list[str]] = collections.defaultdict(list)
    for sender, found in reach.items():
        groups[max(_keys(sender, found), key=lambda key: (alike[key], key[0]))].append(sender)
    return sorted(_line(key, sorted(senders)) for key, senders in groups.items())


def _keys(sender: str, found: set[str]) -> list[Key]:
    """Return the ways to say what a sender reaches."""
    if found == {sender}:
        return [OWN]
    exact = ("to", frozenset(found))
    return [exact] if sender in found else [exact, ("each to the others of", frozenset(found | {sender}))]


def _line(key: Key, senders: list[str]) -> str:
    way, receivers = key
    return " ".join(each for each in (", ".join(senders), way, ", ".join(sorted(receivers))) if each)
