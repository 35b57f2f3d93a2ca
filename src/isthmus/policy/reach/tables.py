"""The rules of one direction as bit sets, and what they let through between one place and all others.

The same decision as `decide.py`, for all opposite places at once: stages in order, in a stage deny before
allow before pass, then isolation, then what nothing stops.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from isthmus.policy import labels, ports, rule, world
from isthmus.policy.reach import pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from isthmus.policy.reach import classes

ACTIONS = tuple(sorted(rule.PRECEDENCE, key=rule.PRECEDENCE.__getitem__))


Key = tuple[tuple[int, ...], tuple[int, ...]]


class Stage(NamedTuple):
    """What is asked together: rank within the tier, and what it does."""

    tier: rule.Tier
    priority: int
    order: int
    action: int
    """The rank of the action."""


class Entry(NamedTuple):
    """Rules of one stage with the same ports: which places they guard, and which they speak of."""

    stage: Stage
    ports: ports.Ports
    subjects: int
    peers: int


class Isolated(NamedTuple):
    """Places that let through only what is allowed: before the baseline tier is asked, and after it."""

    early: int = 0
    late: int = 0


def entries(
    places: classes.Places, rules: Iterable[rule.Rule], direction: rule.Direction, own: int
) -> Iterator[Entry]:
    """Yield what the rules of one direction come to, for subjects among the places `own`."""
    for each in rules:
        if each.direction is not direction:
            continue
        subjects = places.index.select(each.subject) & own
        if not subjects:
            continue
        peers = places.reach(direction, each.peers)
        if not peers:
            continue
        stage = Stage(each.tier, each.priority, each.order, rule.PRECEDENCE[each.action])
        if each.ports.numbers.intervals:
            yield Entry(stage, each.ports.numbers, subjects, peers)
        for held, having in _named(places, each.ports.names):
            if direction is rule.Direction.INGRESS:
                yield Entry(stage, held, subjects & having, peers)
            else:
                yield Entry(stage, held, subjects, peers & having)


def _named(places: classes.Places, names: Iterable[ports.Named]) -> Iterator[tuple[ports.Ports, int]]:
    """Yield the ports that names stand for, with the destinations where they do."""
    for named in names:
        for number, having in places.named.get(named, {}).items():
            yield ports.interval(named.protocol, number, number), having


def isolated(
    places: classes.Places, found: rule.Rules, settings: world.Settings, direction: rule.Direction, own: int
) -> Isolated:
    """Return which of the places `own` are isolated by the rules of their cluster."""
    held = 0
    for each in found.isolations:
        if each.direction is direction:
            held |= places.index.select(each.subject)
    held &= own
    if settings.enforcer is not world.Enforcer.CILIUM:
        return Isolated(early=held)
    forced = own if settings.default_mode == "always" else places.index.select(_INIT) & own
    return Isolated(late=held | forced)


_INIT = labels.exists(f"{labels.RESERVED}init")


class Side(NamedTuple):
    """One part of a table: a stage, ports, and the opposite places."""

    stage: Stage
    ports: ports.Ports
    opposite: int


class Table:
    """Entries by the places on one side of them, so that one place finds its own quickly."""

    def __init__(self, found: Iterable[tuple[Stage, ports.Ports, int, int]], count: int) -> None:
        """Take (stage, ports, near, far); `count` is how many places there are."""
        merged: dict[tuple[int, Stage, ports.Ports], int] = {}
        for stage, held, near, far in found:
            if near and far:
                key = (near, stage, held)
                merged[key] = merged.get(key, 0) | far
        by_near: dict[int, list[Side]] = {}
        for (near, stage, held), far in merged.items():
            by_near.setdefault(near, []).append(Side(stage, held, far))
        self._groups = list(by_near.values())
        self._wide: list[int] = []
        self._own: dict[int, list[int]] = {}
        self._not: dict[int, list[int]] = {}
        every = (1 << count) - 1
        for number, near in enumerate(by_near):
            if near.bit_count() * 2 > count:
                self._wide.append(number)
                for place in labels.places(every ^ near):
                    self._not.setdefault(place, []).append(number)
            else:
                for place in labels.places(near):
                    self._own.setdefault(place, []).append(number)

    def key(self, place: int) -> Key:
        """Return what tells places apart that this table treats differently."""
        return tuple(self._own.get(place, ())), tuple(self._not.get(place, ()))

    def of(self, key: Key) -> list[Side]:
        """Return the parts of a place by its key, in the order they are asked."""
        own, left_out = key
        wide = [number for number in self._wide if number not in left_out] if left_out else self._wide
        found = [side for number in (*own, *wide) for side in self._groups[number]]
        found.sort(key=_stage)
        return found


def _stage(side: Side) -> Stage:
    return side.stage


def decide(sides: Sequence[Side], universe: int, alone: Isolated, *, is_host: bool = False) -> pieces.Pieces:
    """Return what is let through to or from the places of a universe; `alone` are those of it isolated.

    `is_host` marks a node as the source: isolation does not stop it.
    """
    undecided: pieces.Pieces = {ports.ALL: universe} if universe else {}
    waiting: list[tuple[ports.Ports, int]] = []
    allowed: list[tuple[ports.Ports, int]] = []
    tier, is_early = rule.Tier.ADMIN, True
    for stage, group in itertools.groupby(sides, key=_stage):
        if stage.tier is not tier:
            undecided, waiting, tier = _back(undecided, waiting), [], stage.tier
            if tier > rule.Tier.NORMAL and is_early:
                if is_host:
                    allowed.extend(pieces.within(undecided, alone.early).items())
                undecided, is_early = _without(undecided, alone.early), False
        if not undecided:
            continue
        held = pieces.spread((side.ports, side.opposite) for side in group)
        action = ACTIONS[stage.action]
        if action is rule.Action.ALLOW:
            allowed.extend(pieces.meet(undecided, held).items())
        elif action is rule.Action.SKIP:
            waiting.extend(pieces.meet(undecided, held).items())
        undecided = pieces.less(undecided, held)
    undecided = _back(undecided, waiting)
    if not is_host:
        undecided = _without(undecided, alone.early | alone.late)
    allowed.extend(undecided.items())
    return pieces.spread(allowed)


def _back(undecided: pieces.Pieces, waiting: Sequence[tuple[ports.Ports, int]]) -> pieces.Pieces:
    """Return what is undecided with what a tier passed on."""
    return pieces.spread((*undecided.items(), *waiting)) if waiting else undecided


def _without(held: pieces.Pieces, places: int) -> pieces.Pieces:
    return {each: rest for each, there in held.items() if (rest := there & ~places)} if places else held


def free(settings: Mapping[str, world.Settings], cluster: str) -> bool:
    """Say whether a cluster enforces nothing at all."""
    known = settings.get(cluster)
    return known is not None and known.enforcer is world.Enforcer.CILIUM and known.default_mode == "never"
