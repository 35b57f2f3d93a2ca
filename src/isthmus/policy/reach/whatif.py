"""What one change of policies would open and close, without judging again what it does not touch.

Only endpoints that a rule taken out or put in selects can change: their own side is judged twice, the other
side as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from isthmus.policy import labels, ports, rule, world
from isthmus.policy.reach import matrix, pieces, tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from isthmus.policy.reach import shelf

INGRESS, EGRESS = rule.Direction.INGRESS, rule.Direction.EGRESS


class Shift(NamedTuple):
    """Sources and destinations, as bit sets of places, between which the ports change alike."""

    sources: int
    destinations: int
    before: ports.Ports
    after: ports.Ports


class _Half(NamedTuple):
    """The rules of one direction for the places that a change touches, before or after it."""

    table: tables.Table
    alone: tables.Isolated
    told: int
    """Places that some rule or isolation guards, whomever it speaks of."""


def shifts(
    base: matrix.Matrix,
    cluster: str,
    *,
    without: Collection[rule.Origin] = (),
    added: rule.Rules | None = None,
) -> Iterator[Shift]:
    """Yield what changes when a cluster loses the rules of some objects and gains others.

    The base must know what the added rules ask for (`Matrix.knows`): where they name keys of labels or ranges
    that no rule of it does, it is made with them in `beside`. Every pair of places is in one shift at most.
    """
    gone = frozenset(without)
    fresh = added or rule.Rules()
    held = base.shelf(cluster)
    lost = [each for one in gone for each in held.by_origin.get(one, ())]
    work = _Work(base, cluster, gone, fresh)
    senders = work.touched(EGRESS, lost)
    receivers = work.touched(INGRESS, lost)
    yield from work.outward(senders, receivers)
    yield from work.inward(senders, receivers)


class _Work:
    """One change, with what of the base it needs."""

    def __init__(
        self, base: matrix.Matrix, cluster: str, gone: Collection[rule.Origin], fresh: rule.Rules
    ) -> None:
        self._base = base
        self._places = base.places
        self._cluster = cluster
        self._own = base.guarded(cluster)
        self._gone = gone
        self._fresh = fresh
        self._settings = base.world.settings.get(cluster) or world.Settings(cluster=cluster)
        self._hosts = self._places.index.select(labels.exists(f"{labels.RESERVED}host"))

    def touched(self, direction: rule.Direction, lost: Iterable[shelf.Guard]) -> int:
        """Return the places whose own side may change in a direction."""
        found = 0
        for each in (*lost, *self._fresh.guards):
            if each.direction is direction:
                found |= self._places.index.select(each.subject)
        return found & self._own

    def outward(self, senders: int, receivers: int) -> Iterator[Shift]:
        """Yield the shifts from the places whose egress may change."""
        if not senders:
            return
        before, after = self._halves(EGRESS, senders)
        columns = self._columns(receivers)
        accepting = self._base.table(INGRESS, by_subject=False)
        kept: dict[object, tuple[pieces.Pieces, pieces.Pieces, pieces.Pieces]] = {}
        for place in labels.places(senders):
            bit = 1 << place
            is_host = bool(self._hosts & bit)
            key = (before.table.key(place), after.table.key(place), accepting.key(place), is_host)
            marks = tuple(matrix.alone(half.alone, place) for half in (before, after))
            known = kept.get((key, marks))
            if known is None:
                universe = self._places.destinations
                old, new = (
                    tables.decide(half.table.of(half.table.key(place)), universe, mark)
                    for half, mark in zip((before, after), marks, strict=True)
                )
                known = kept[key, marks] = (old, new, self._base.accepting(place, is_host=is_host))
            held = pieces.meet(known[0], known[2])
            accepted = pieces.within(known[2], ~receivers)
            for number, (_, column) in columns.items():
                for reached, sources in column.items():
                    if sources & bit:
                        pieces.add(accepted, reached, 1 << number)
            for wanted, found, there in _changed(held, pieces.meet(known[1], accepted)):
                yield Shift(bit, there, wanted, found)

    def inward(self, senders: int, receivers: int) -> Iterator[Shift]:
        """Yield the shifts towards the places whose ingress may change, from all whose egress does not."""
        sending = self._base.table(EGRESS, by_subject=False)
        universe = self._places.sources & ~senders
        alone = self._base.alone[EGRESS]
        for place, (old, new) in self._columns(receivers).items():
            sent = tables.decide(sending.of(sending.key(place)), universe, alone)
            for before, after, there in _changed(pieces.meet(sent, old), pieces.meet(sent, new)):
                yield Shift(there, 1 << place, before, after)

    def _columns(self, receivers: int) -> dict[int, tuple[pieces.Pieces, pieces.Pieces]]:
        """Return by receiver what it accepts from all sources, before and after."""
        if not receivers:
            return {}
        halves = self._halves(INGRESS, receivers)
        found: dict[int, tuple[pieces.Pieces, pieces.Pieces]] = {}
        kept: dict[object, pieces.Pieces] = {}
        for place in labels.places(receivers):
            one, other = (self._accepted(half, place, kept) for half in halves)
            found[place] = (one, other)
        return found

    def _accepted(self, half: _Half, place: int, kept: dict[object, pieces.Pieces]) -> pieces.Pieces:
        key = half.table.key(place)
        mark = matrix.alone(half.alone, place)
        is_told = half.told >> place & 1
        known = kept.get((id(half), key, mark, is_told))
        if known is None:
            sides = half.table.of(key)
            others = self._places.sources & ~self._hosts
            known = tables.decide(sides, others, mark)
            if self._hosts:
                is_forced = bool(mark.late) and not is_told
                from_hosts = tables.decide(sides, self._hosts, mark, is_host=not is_forced)
                for held, there in from_hosts.items():
                    pieces.add(known, held, there)
            kept[id(half), key, mark, is_told] = known
        return known

    def _halves(self, direction: rule.Direction, touched: int) -> tuple[_Half, _Half]:
        """Return the rules for the touched places, before and after."""
        near = self._base.shelf(self._cluster).near(direction, touched)
        before = _rules(near)
        after = _rules([each for each in near if each.origin not in self._gone]) + self._fresh
        return self._half(before, direction, touched), self._half(after, direction, touched)

    def _half(self, held: rule.Rules, direction: rule.Direction, touched: int) -> _Half:
        found = (
            (each.stage, each.ports, each.subjects, each.peers)
            for each in tables.entries(self._places, held.rules, direction, touched)
        )
        alone = tables.isolated(self._places, held, self._settings, direction, touched)
        told = 0
        for each in held.guards:
            if each.direction is direction:
                told |= self._places.index.select(each.subject)
        return _Half(tables.Table(found, self._places.count), alone, told)


def _rules(held: Iterable[shelf.Guard]) -> rule.Rules:
    """Return rules and isolations apart."""
    rules = tuple(each for each in held if isinstance(each, rule.Rule))
    return rule.Rules(rules, tuple(each for each in held if isinstance(each, rule.Isolation)))


def _changed(old: pieces.Pieces, new: pieces.Pieces) -> Iterator[tuple[ports.Ports, ports.Ports, int]]:
    """Yield (before, after, places) where two differ."""
    rest = dict(new)
    for before, places in old.items():
        left = places
        for after, there in new.items():
            shared = left & there
            if shared:
                left ^= shared
                rest[after] &= ~shared
                if before != after:
                    yield before, after, shared
        if left:
            yield before, ports.NONE, left
    for after, there in rest.items():
        if there:
            yield ports.NONE, after, there


def spell(base: matrix.Matrix, found: Shift) -> Iterator[tuple[str, str]]:
    """Yield source and destination by name of each pair of a shift, a workload's way to itself left out."""
    names: Mapping[int, list[str]] = {
        place: base.titles[place]
        for place in (*labels.places(found.sources), *labels.places(found.destinations))
    }
    for source in labels.places(found.sources):
        for destination in labels.places(found.destinations):
            for one in names[source]:
                yield from ((one, other) for other in names[destination] if one != other)
