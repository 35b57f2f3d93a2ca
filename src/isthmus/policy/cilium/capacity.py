"""How many entries the policy map of an endpoint will have: 16,384 fit (`Documentation/.../maps.rst`).

An entry is one identity with one prefix of ports: endpoints count by distinct labels, CIDRs by prefix, and
a range of ports by the prefixes that make it up (`PortRangeToMaskedPorts`). The largest figure that the given
endpoints can come to is told, before entries that others cover are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.policy import decide, labels, ports, rule
from isthmus.policy.cilium import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import finding
    from isthmus.policy import world

MOST: Final = 16384
NEAR: Final = MOST * 3 // 4
ALL_PORTS: Final = ports.STRETCH


class Load(NamedTuple):
    """The entries of one endpoint, and the object that brings most of them."""

    total: int
    most: rule.Origin | None


def check(rules: rule.Rules, *, settings: world.Settings, known: world.World) -> Iterator[finding.Finding]:
    """Yield endpoints whose map will not hold its policy, or nearly so; by the policy that fills it most."""
    rows = list({frozenset(each.labels.items()): each.labels for each in known.endpoints}.values())
    counter = _Counter(labels.Index(rows))
    if counter.highest(rules) * 2 < NEAR:
        return
    book = decide.Book(settings, rules)
    seen: dict[rule.Origin, tuple[int, str]] = {}
    for each in _guarded(known, settings):
        load = counter.load(book, each)
        if load.most and load.total > NEAR and load.total > seen.get(load.most, (0, ""))[0]:
            seen[load.most] = load.total, each.title
    for origin, (count, title) in seen.items():
        is_full = count > MOST
        yield said.about(
            origin,
            "CIL-16",
            said.Severity.ERROR if is_full else said.Severity.WARNING,
            f"the policy map of {title} needs about {count} entries, most of them for this policy; {MOST} fit"
            + ("; what does not fit is not enforced" if is_full else ""),
            remedy="select peers by fewer, wider selectors or CIDRs, or raise bpf.policyMapMax",
        )


def _guarded(known: world.World, settings: world.Settings) -> Iterator[world.Endpoint]:
    seen: set[frozenset[tuple[str, str]]] = set()
    for each in known.endpoints:
        key = frozenset(each.labels.items())
        if each.cluster == settings.cluster and each.is_managed and key not in seen:
            seen.add(key)
            yield each


class _Counter:
    """Counts entries; what a set of peers and of ports comes to is counted once."""

    def __init__(self, index: labels.Index) -> None:
        self._index = index
        self._peers: dict[rule.Peers, int] = {}

    def highest(self, rules: rule.Rules) -> int:
        """Return what all rules together come to: no endpoint has more."""
        return sum(self.entries(each) for each in rules.rules)

    def load(self, book: decide.Book, each: world.Endpoint) -> Load:
        by_origin: dict[rule.Origin, int] = {}
        for direction in rule.Direction:
            for one in book.side(direction, each).rules:
                by_origin[one.origin] = by_origin.get(one.origin, 0) + self.entries(one)
        most = max(by_origin, key=lambda origin: by_origin[origin], default=None)
        return Load(sum(by_origin.values()), most)

    def entries(self, each: rule.Rule) -> int:
        """Return the entries of one rule."""
        width = sum(_prefixes(*interval) for interval in each.ports.numbers.intervals)
        return self._identities(each.peers) * max(width + len(each.ports.names), 1)

    def _identities(self, peers: rule.Peers) -> int:
        known = self._peers.get(peers)
        if known is None:
            if labels.EVERY in peers.selectors:
                known = 1  # one entry stands for every peer
            else:
                marks = 0
                for selector in peers.selectors:
                    marks |= self._index.select(selector)
                known = marks.bit_count() + sum(1 for _ in peers.addresses.prefixes())
            self._peers[peers] = known
        return known


def _prefixes(first: int, end: int) -> int:
    """Return how many aligned blocks make up an interval; whole protocols are one."""
    if end - first >= ALL_PORTS:
        return 1
    count = 0
    while first < end:
        block = first & -first or ALL_PORTS
        while first + block > end:
            block >>= 1
        first += block
        count += 1
    return count
