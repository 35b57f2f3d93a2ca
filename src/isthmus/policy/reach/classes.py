"""Who behaves alike: endpoints that no rule can tell apart are one place, and so are addresses outside.

A place is a bit of a long integer. Endpoints share one when they agree on every label key that some rule asks
for, on their named ports, and on which ranges of the rules hold their addresses. Outside the clusters the
ranges between the edges of all rules' prefixes are places: those that rules of ingress cut as sources, those
that rules of egress cut as destinations.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix
from isthmus.policy import labels, rule, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from isthmus.address import space
    from isthmus.policy import ports

V4_END: Final = 1 << 32
V6_END: Final = prefix.V6 + (1 << 128)
WORLD: Final = f"{labels.RESERVED}world"
INIT: Final = f"{labels.RESERVED}init"
HOST: Final = f"{labels.RESERVED}host"


class Range(NamedTuple):
    """Addresses outside that no rule of a direction tells apart: [first, end) on the line of `prefix`."""

    first: int
    end: int

    @property
    def title(self) -> str:
        """First and last address, marked as outside."""
        first, last = (str(prefix.Prefix(each, 1)).partition("/")[0] for each in (self.first, self.end - 1))
        return f"{first}-{last}[External]"

    @property
    def labels(self) -> dict[str, str]:
        """The labels that Cilium gives what is outside."""
        family = "ipv6" if self.first >= prefix.V6 else "ipv4"
        return {WORLD: "", f"{WORLD}-{family}": ""}


class Vocabulary(NamedTuple):
    """What rules ask for: keys of labels, and ranges by whether they hold pods, nodes, and the outside."""

    keys: tuple[str, ...]
    inside: tuple[space.Space, ...]
    sources: tuple[space.Space, ...]
    destinations: tuple[space.Space, ...]


def vocabulary(rules: Iterable[rule.Rules]) -> Vocabulary:
    """Return what some rules ask for."""
    keys = {labels.NAMESPACE, labels.CLUSTER, INIT, HOST}
    inside: dict[space.Space, None] = {}
    outside: dict[rule.Direction, dict[space.Space, None]] = {each: {} for each in rule.Direction}
    selectors: set[labels.Selector] = set()
    for found in rules:
        selectors.update(each.subject for each in found.isolations)
        for each in found.rules:
            selectors.add(each.subject)
            selectors.update(each.peers.selectors)
            if each.peers.addresses.intervals:
                outside[each.direction][each.peers.addresses] = None
                if each.peers.reaches_pods or each.peers.reaches_nodes:
                    inside[each.peers.addresses] = None
    for selector in selectors:
        for requirement in selector.requirements:
            keys.add(requirement.key)
    sources, destinations = (tuple(outside[each]) for each in rule.Direction)
    return Vocabulary(tuple(sorted(keys)), tuple(inside), sources, destinations)


class Places:
    """The places of a world, and which of them rules speak of.

    `members` are the endpoints of each place of endpoints; the ranges outside follow them, first those that
    are sources. `pods`, `sources` and `destinations` are bit sets.
    """

    def __init__(self, endpoints: Sequence[world.Endpoint], words: Vocabulary) -> None:
        self.words = words
        self._atoms = _Atoms(words.inside)
        self.members: list[list[world.Endpoint]] = []
        rows = self._gather(endpoints)
        families = _families(endpoints)
        self.source_ranges = _cut(words.sources, families)
        self.destination_ranges = _cut(words.destinations, families)
        held = len(rows)
        middle = held + len(self.source_ranges)
        total = middle + len(self.destination_ranges)
        rows.extend(each.labels for each in (*self.source_ranges, *self.destination_ranges))
        self.count = total
        self.pods = (1 << held) - 1
        self.sources = (1 << middle) - 1
        self.destinations = ((1 << total) - 1) ^ (self.sources ^ self.pods)
        self._starts = {rule.Direction.INGRESS: held, rule.Direction.EGRESS: middle}
        self._ranges = {
            rule.Direction.INGRESS: self.source_ranges,
            rule.Direction.EGRESS: self.destination_ranges,
        }
        self.index = labels.Index(rows)
        self.named = self._name()
        self._holding = self._hold()
        self._peers: dict[tuple[rule.Direction, rule.Peers], int] = {}

    def _gather(self, endpoints: Sequence[world.Endpoint]) -> list[Mapping[str, str]]:
        """Fill `members`, and return the labels of each place as far as rules ask for them."""
        keys = self.words.keys
        rows: list[Mapping[str, str]] = []
        known: dict[int, tuple[str | None, ...]] = {}
        names: dict[int, frozenset[tuple[ports.Named, int]]] = {}
        found: dict[object, list[world.Endpoint]] = {}
        for each in endpoints:
            held = known.get(id(each.labels))
            if held is None:
                held = known[id(each.labels)] = tuple(map(each.labels.get, keys))
            named = names.get(id(each.names))
            if named is None:
                named = names[id(each.names)] = frozenset(each.names.items())
            atoms = self._atoms.of(each.addresses) if each.addresses else frozenset()
            kind = (each.is_pod, each.is_node) if atoms else None
            key = (held, named, atoms, kind)
            place = found.get(key)
            if place is None:
                place = found[key] = []
                self.members.append(place)
                rows.append({key: value for key, value in zip(keys, held, strict=True) if value is not None})
            place.append(each)
        return rows

    def _name(self) -> dict[ports.Named, dict[int, int]]:
        """Return the places that have a port of a name, by the number it has there."""
        found: dict[ports.Named, dict[int, list[int]]] = {}
        for place, members in enumerate(self.members):
            for named, number in members[0].names.items():
                found.setdefault(named, {}).setdefault(number, []).append(place)
        width = (len(self.members) + 7) // 8
        return {
            named: {number: labels.bits(held, width) for number, held in numbers.items()}
            for named, numbers in found.items()
        }

    def _hold(self) -> dict[int, dict[bool, int]]:
        """Return the places of pods and of nodes that have an address in each piece of the rules' ranges."""
        found: dict[int, dict[bool, list[int]]] = {}
        for place, members in enumerate(self.members):
            first = members[0]
            if first.is_pod or first.is_node:
                for atom in self._atoms.of(first.addresses):
                    found.setdefault(atom, {}).setdefault(first.is_pod, []).append(place)
        width = (len(self.members) + 7) // 8
        return {
            atom: {is_pod: labels.bits(places, width) for is_pod, places in kinds.items()}
            for atom, kinds in found.items()
        }

    def reach(self, direction: rule.Direction, peers: rule.Peers) -> int:
        """Return the places that peers of a rule of a direction are, ranges outside included."""
        known = self._peers.get((direction, peers))
        if known is None:
            known = self._peers[direction, peers] = self._reach(direction, peers)
        return known

    def _reach(self, direction: rule.Direction, peers: rule.Peers) -> int:
        found = 0
        for selector in peers.selectors:
            found |= self.index.select(selector)
        if peers.addresses.intervals:
            start, ranges = self._starts[direction], self._ranges[direction]
            found |= _covered(peers.addresses, ranges) << start
            if peers.reaches_pods or peers.reaches_nodes:
                found |= self._inside(peers)
        opposite = self.sources if direction is rule.Direction.INGRESS else self.destinations
        return found & opposite

    def _inside(self, peers: rule.Peers) -> int:
        found = 0
        for atom in self._atoms.within(peers.addresses):
            for is_pod, places in self._holding.get(atom, {}).items():
                if peers.reaches_pods if is_pod else peers.reaches_nodes:
                    found |= places
        return found

    def titles(self, place: int) -> list[str]:
        """Return the names of a range."""
        held = len(self.members)
        return [(*self.source_ranges, *self.destination_ranges)[place - held].title]


class _Atoms:
    """The pieces into which some ranges cut the line, numbered; -1 is what none of them holds."""

    def __init__(self, spaces: Sequence[space.Space]) -> None:
        edges = {edge for each in spaces for interval in each.intervals for edge in interval}
        self._edges = sorted(edges)
        self._spaces = spaces
        self._known: dict[tuple[int, ...], frozenset[int]] = {}
        self._sorted: list[int] | None = None

    def of(self, addresses: tuple[int, ...]) -> frozenset[int]:
        """Return the pieces that some addresses are in; empty when no range holds any of them."""
        if not self._edges:
            return frozenset()
        known = self._known.get(addresses)
        if known is None:
            held = {
                bisect.bisect_right(self._edges, address)
                for address in addresses
                if any(each.overlaps(address, address + 1) for each in self._spaces)
            }
            known = self._known[addresses] = frozenset(held)
        return known

    def within(self, held: space.Space) -> Iterator[int]:
        """Yield the pieces of one of the ranges that hold an address of some endpoint."""
        used = self._used()
        for first, end in held.intervals:
            low = bisect.bisect_left(used, bisect.bisect_right(self._edges, first))
            high = bisect.bisect_right(used, bisect.bisect_left(self._edges, end))
            yield from used[low:high]

    def _used(self) -> list[int]:
        if self._sorted is None:
            self._sorted = sorted({atom for held in self._known.values() for atom in held})
        return self._sorted


def _families(endpoints: Iterable[world.Endpoint]) -> tuple[tuple[int, int], ...]:
    """Return the whole line of each family: IPv6 only where some endpoint has such an address."""
    v4, v6 = (0, V4_END), (prefix.V6, V6_END)
    has_v6 = any(address >= prefix.V6 for each in endpoints for address in each.addresses)
    return (v4, v6) if has_v6 else (v4,)


def _cut(spaces: Iterable[space.Space], families: Iterable[tuple[int, int]]) -> tuple[Range, ...]:
    edges = sorted({edge for each in spaces for interval in each.intervals for edge in interval})
    found: list[Range] = []
    for low, high in families:
        inner = [edge for edge in edges if low < edge < high]
        found.extend(Range(*pair) for pair in zip([low, *inner], [*inner, high], strict=True))
    return tuple(found)


def _covered(held: space.Space, ranges: Sequence[Range]) -> int:
    """Return the ranges that a set holds, as a bit set; each lies wholly in it or wholly outside."""
    found = 0
    for first, end in held.intervals:
        low = bisect.bisect_left(ranges, (first, 0))
        high = bisect.bisect_left(ranges, (end, 0))
        found |= (1 << high) - (1 << low)
    return found
