"""All connections that rules on addresses and ports allow, between workloads and external ranges.

Sources that no rule tells apart are judged once. `blocks` gives the whole matrix as bit sets, `groups` and
`rows` spell it out by name; nothing is kept that was given.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, NamedTuple

from isthmus.policy import labels, ports, rule, world
from isthmus.policy.reach import classes, controllers, pieces, shelf, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import finding

INGRESS, EGRESS = rule.Direction.INGRESS, rule.Direction.EGRESS


class Block(NamedTuple):
    """Sources that are let through alike, as places, and the destinations by what is let through."""

    sources: tuple[int, ...]
    destinations: pieces.Pieces


class Group(NamedTuple):
    """All destinations that a source reaches on the same ports."""

    source: str
    ports: ports.Ports
    destinations: list[str]


class Row(NamedTuple):
    """A source, a destination, and the ports on which it is reached."""

    source: str
    destination: str
    ports: ports.Ports


class _Key(NamedTuple):
    egress: tables.Key
    ingress: tables.Key
    alone: tables.Isolated
    is_host: bool


class Matrix:
    """The matrix of a world under the rules of each cluster."""

    def __init__(
        self,
        known: world.World,
        rules: Mapping[str, rule.Rules],
        *,
        beside: Sequence[rule.Rules] = (),
    ) -> None:
        """Make ready; `beside` are rules that are not in force but will be asked about (`whatif`)."""
        self.world = known
        self.rules = dict(rules)
        self.endpoints = [each for each in known.endpoints if each.namespace is not None]
        self.places = classes.Places(self.endpoints, classes.vocabulary([*rules.values(), *beside]))
        self._own = self._clusters()
        self.alone = {each: self._isolated(each) for each in rule.Direction}
        self._shelves: dict[str, shelf.Shelf] = {}
        self._tables: dict[tuple[rule.Direction, bool], tables.Table] = {}

    def _clusters(self) -> dict[str, int]:
        found: dict[str, list[int]] = {}
        for place, members in enumerate(self.places.members):
            found.setdefault(members[0].cluster, []).append(place)
        width = (self.places.count + 7) // 8
        return {cluster: labels.bits(held, width) for cluster, held in found.items()}

    def knows(self, added: rule.Rules) -> bool:
        """Say whether the places tell apart all that some rules ask for, so that `whatif` may judge them."""
        asked, known = classes.vocabulary([added]), self.places.words
        return all(set(some) <= set(every) for some, every in zip(asked, known, strict=True))

    def guarded(self, cluster: str) -> int:
        """Return the places that the rules of a cluster may guard."""
        return 0 if tables.free(self.world.settings, cluster) else self._own.get(cluster, 0)

    def _isolated(self, direction: rule.Direction) -> tables.Isolated:
        early = late = 0
        for cluster in self._own:
            settings = self.world.settings.get(cluster) or world.Settings(cluster=cluster)
            found = self.rules.get(cluster) or rule.Rules()
            own = self.guarded(cluster)
            each = tables.isolated(self.places, found, settings, direction, own)
            early, late = early | each.early, late | each.late
        return tables.Isolated(early, late)

    def table(self, direction: rule.Direction, *, by_subject: bool) -> tables.Table:
        """Return the rules of a direction by the places they guard, or by those they speak of."""
        known = self._tables.get((direction, by_subject))
        if known is None:
            found = (
                entry
                for cluster, held in self.rules.items()
                for entry in tables.entries(self.places, held.rules, direction, self.guarded(cluster))
            )
            sided = ((each.stage, each.ports, *_sides(each, by_subject=by_subject)) for each in found)
            known = tables.Table(sided, self.places.count)
            self._tables[direction, by_subject] = known
        return known

    def shelf(self, cluster: str) -> shelf.Shelf:
        """Return the rules of a cluster by the places they guard."""
        known = self._shelves.get(cluster)
        if known is None:
            held = self.rules.get(cluster) or rule.Rules()
            known = self._shelves[cluster] = shelf.Shelf(self.places, held, self.guarded(cluster))
        return known

    def blocks(self) -> Iterator[Block]:
        """Yield the matrix: each source in one block, each destination of it in one bit set at most."""
        egress, ingress = self.table(EGRESS, by_subject=True), self.table(INGRESS, by_subject=False)
        together: dict[_Key, list[int]] = {}
        held = len(self.places.members)
        hosts = self.places.index.select(labels.exists(classes.HOST))
        isolated = self.alone[EGRESS]
        for place in labels.places(self.places.sources):
            is_outside = place >= held
            mark = tables.Isolated() if is_outside else alone(isolated, place)
            out = ((-1,), ()) if is_outside else egress.key(place)
            key = _Key(out, ingress.key(place), mark, bool(hosts >> place & 1) if hosts else False)
            together.setdefault(key, []).append(place)
        outward = functools.lru_cache(maxsize=4096)(self._outward)
        inward = functools.lru_cache(maxsize=4096)(self._inward)
        for key, places in together.items():
            if key.egress == ((-1,), ()):
                found = inward(key.ingress, is_host=key.is_host)
                found = pieces.within(found, self.places.pods)
            else:
                found = pieces.meet(outward(key.egress, key.alone), inward(key.ingress, is_host=key.is_host))
            yield Block(tuple(places), found)

    def groups(self) -> Iterator[Group]:
        """Yield the matrix by name, sources one after another; a workload's way to itself is left out.

        Pods of one workload that rules tell apart are one line of it: what any of them may.
        """
        names = self.titles
        several = _several(names)
        joined: dict[str, dict[str, ports.Ports]] = {}
        for block in self.blocks():
            spelled = _spell(block.destinations, names, several)
            for source in dict.fromkeys(name for place in block.sources for name in names[place]):
                if source in several:
                    _join(joined.setdefault(source, {}), spelled)
                else:
                    yield from _groups(source, spelled)
        for source, reached in joined.items():
            yield from _groups(source, _by_ports(reached))
        yield from self._controlled()

    def _controlled(self) -> Iterator[Group]:
        """Yield what controllers of Ingress and Route objects reach."""
        for cluster in self.world.policies:
            asked, _ = controllers.wanted(self.world, cluster)
            if not asked:
                continue
            source = controllers.endpoint(cluster)
            some = dataclasses.replace(self.world, endpoints=(source, *asked), policies={})
            accepted = Matrix(some, {cluster: self.rules.get(cluster, rule.Rules())}).accepted(source)
            found: dict[str, ports.Ports] = {}
            for each, wanted in asked.items():
                held = ports.intersection(wanted, accepted.get(each, ports.NONE))
                if held.intervals:
                    _join(found, {held: [self.title(each)]})
            name = controllers.TITLE if self._is_one else f"{cluster}:{controllers.TITLE}"
            yield from _groups(name, _by_ports(found))

    @property
    def findings(self) -> tuple[finding.Finding, ...]:
        """What is wrong with the objects through which controllers reach pods."""
        return tuple(
            each for cluster in self.world.policies for each in controllers.wanted(self.world, cluster)[1]
        )

    @property
    def _is_one(self) -> bool:
        return len(self.world.settings) <= 1

    def title(self, each: world.Endpoint) -> str:
        """Return the name of an endpoint, with its cluster where there are several."""
        return each.title if self._is_one else f"{each.cluster}:{each.title}"

    def accepted(self, source: world.Endpoint) -> dict[world.Endpoint, ports.Ports]:
        """Return what each endpoint accepts from one of the matrix, whatever that one is let send."""
        place = next(place for place, held in enumerate(self.places.members) if source in held)
        return {
            endpoint: held
            for held, there in self.accepting(place, is_host=False).items()
            for place in labels.places(there & self.places.pods)
            for endpoint in self.places.members[place]
        }

    def rows(self) -> Iterator[Row]:
        """Yield the matrix line by line."""
        for group in self.groups():
            for destination in group.destinations:
                yield Row(group.source, destination, group.ports)

    @functools.cached_property
    def titles(self) -> list[list[str]]:
        """The names of what is at each place."""
        ranges = (*self.places.source_ranges, *self.places.destination_ranges)
        return [
            *(list(dict.fromkeys(self.title(each) for each in held)) for held in self.places.members),
            *([each.title] for each in ranges),
        ]

    def _outward(self, key: tables.Key, mark: tables.Isolated) -> pieces.Pieces:
        """Return what sources of a key are let send."""
        sides = self.table(EGRESS, by_subject=True).of(key)
        return tables.decide(sides, self.places.destinations, mark)

    def accepting(self, place: int, *, is_host: bool) -> pieces.Pieces:
        """Return what all destinations accept from a place."""
        return self._inward(self.table(INGRESS, by_subject=False).key(place), is_host=is_host)

    def _inward(self, key: tables.Key, *, is_host: bool) -> pieces.Pieces:
        """Return what destinations accept from sources of a key; what is outside accepts all."""
        sides = self.table(INGRESS, by_subject=False).of(key)
        found = tables.decide(sides, self.places.destinations, self.alone[INGRESS], is_host=is_host)
        if is_host:  # a node always reaches the pods it runs, save those that only a mode isolates
            closed = self.alone[INGRESS].late & ~self._told
            return pieces.within(found, self.places.destinations & ~closed)
        return found

    @functools.cached_property
    def _told(self) -> int:
        """The places that some rule or isolation of ingress guards."""
        found = 0
        for cluster, held in self.rules.items():
            for each in held.guards:
                if each.direction is INGRESS:
                    found |= self.places.index.select(each.subject) & self.guarded(cluster)
        return found


def _several(names: Sequence[Sequence[str]]) -> set[str]:
    """Return the names that stand at more than one place."""
    seen: set[str] = set()
    found: set[str] = set()
    for held in names:
        for name in held:
            (found if name in seen else seen).add(name)
    return found


def _spell(
    reached: pieces.Pieces, names: Sequence[Sequence[str]], several: set[str]
) -> dict[ports.Ports, list[str]]:
    """Return destinations by name for each set of ports, each name once."""
    found: dict[ports.Ports, list[str]] = {}
    joined: dict[str, ports.Ports] = {}
    for held, places in reached.items():
        spelled = [name for place in labels.places(places) for name in names[place]]
        if several:
            for name in several.intersection(spelled):
                joined[name] = ports.union(joined.get(name, ports.NONE), held)
            spelled = [name for name in spelled if name not in several]
        found[held] = spelled
    for name, held in joined.items():
        found.setdefault(held, []).append(name)
    return found


def _join(into: dict[str, ports.Ports], spelled: Mapping[ports.Ports, Sequence[str]]) -> None:
    for held, found in spelled.items():
        for name in found:
            into[name] = ports.union(into.get(name, ports.NONE), held)


def _by_ports(reached: Mapping[str, ports.Ports]) -> dict[ports.Ports, list[str]]:
    found: dict[ports.Ports, list[str]] = {}
    for destination, held in reached.items():
        found.setdefault(held, []).append(destination)
    return found


def _groups(source: str, spelled: Mapping[ports.Ports, Sequence[str]]) -> Iterator[Group]:
    for held, found in spelled.items():
        others = [name for name in found if name != source]
        if others:
            yield Group(source, held, others)


def alone(isolated: tables.Isolated, place: int) -> tables.Isolated:
    """Return whether one place is isolated, as a mark over all opposite places."""
    return tables.Isolated(-(isolated.early >> place & 1), -(isolated.late >> place & 1))


def _sides(each: tables.Entry, *, by_subject: bool) -> tuple[int, int]:
    return (each.subjects, each.peers) if by_subject else (each.peers, each.subjects)
