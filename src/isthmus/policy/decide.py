"""What the rules on addresses and ports say of one connection, on one side of it.

Rules are asked tier by tier, in a tier by priority and order; among equals a deny beats an allow
(Kubernetes network-policy-api v0.2.0; Cilium 1.20 `pkg/policy/mapstate.go`). An endpoint that is isolated and
finds no allow lets nothing through. Where Kubernetes has the last word right after NetworkPolicy, Cilium asks
the baseline tier first (`computePolicyEnforcementAndRules` appends its defaults behind every tier).
"""

from __future__ import annotations

import dataclasses
import operator
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from isthmus.policy import labels, ports, rule, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Cause(StrEnum):
    """What decided."""

    RULE = "rule"
    """The rules that the decision names."""
    ISOLATION = "isolation"
    """The endpoint is isolated, by the objects named, and no rule lets this through."""
    MODE = "mode"
    """`policyEnforcementMode: always`, or an endpoint without labels yet: isolated without a policy."""
    HOST = "host"
    """A node always reaches the pods it runs: the kubelet's probes."""
    OPEN = "open"
    """Nothing isolates the endpoint on this side, and no rule stops this."""


class Ask(NamedTuple):
    """One connection as one side sees it: from `source` to `destination`; for ICMP `port` is the type."""

    source: world.Endpoint
    destination: world.Endpoint
    protocol: ports.Protocol
    port: int


def guarded(ask: Ask) -> Iterator[tuple[rule.Direction, world.Endpoint]]:
    """Yield the sides that rules may guard, the source's first: pods that are managed, and nodes."""
    ends = ((rule.Direction.EGRESS, ask.source), (rule.Direction.INGRESS, ask.destination))
    for direction, subject in ends:
        if subject.is_managed or subject.is_node:
            yield direction, subject


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What one side says, and why: rules that decided (all that let it through), or what isolates."""

    direction: rule.Direction
    is_allowed: bool
    cause: Cause
    rules: tuple[rule.Rule, ...] = ()
    isolations: tuple[rule.Isolation, ...] = ()

    @property
    def origins(self) -> tuple[rule.Origin, ...]:
        """The objects that decided, each once."""
        because = self.rules or self.isolations
        return tuple(dict.fromkeys(each.origin for each in because))


class Side(NamedTuple):
    """What guards one endpoint in one direction, rules in the order they are asked."""

    rules: tuple[rule.Rule, ...]
    isolations: tuple[rule.Isolation, ...]


class Book:
    """The rules of one cluster, ready to be asked; what guards an endpoint is sought once."""

    def __init__(self, settings: world.Settings, rules: rule.Rules) -> None:
        self.settings = settings
        self._shelves = {direction: _Shelf(rules, direction) for direction in rule.Direction}
        self._sides: dict[tuple[rule.Direction, world.Endpoint], Side] = {}

    def side(self, direction: rule.Direction, subject: world.Endpoint) -> Side:
        """Return what guards an endpoint in a direction."""
        known = self._sides.get((direction, subject))
        if known is None:
            known = self._shelves[direction].find(subject)
            self._sides[direction, subject] = known
        return known

    def decide(self, direction: rule.Direction, ask: Ask) -> Decision:
        """Return what the side of a connection in this cluster says of it."""
        mode = self.settings.default_mode
        is_cilium = self.settings.enforcer is world.Enforcer.CILIUM
        if is_cilium and mode == "never":
            return Decision(direction, is_allowed=True, cause=Cause.OPEN)
        subject, peer = ask.source, ask.destination
        if direction is rule.Direction.INGRESS:
            subject, peer = peer, subject
        side = self.side(direction, subject)
        is_final = not is_cilium and bool(side.isolations)
        matched = (each for each in side.rules if reaches(each, peer) and lets(each, ask))
        found = _first(matched, last=rule.Tier.NORMAL if is_final else rule.Tier.BASELINE)
        if found:
            return Decision(direction, found[0].action is rule.Action.ALLOW, Cause.RULE, found)
        is_forced = is_cilium and (mode == "always" or f"{labels.RESERVED}init" in subject.labels)
        if not side.isolations and not is_forced:
            return Decision(direction, is_allowed=True, cause=Cause.OPEN)
        is_probe = direction is rule.Direction.INGRESS and f"{labels.RESERVED}host" in peer.labels
        if is_probe and (side.rules or side.isolations):
            return Decision(direction, is_allowed=True, cause=Cause.HOST, isolations=side.isolations)
        cause = Cause.ISOLATION if side.isolations else Cause.MODE
        return Decision(direction, is_allowed=False, cause=cause, isolations=side.isolations)


def reaches(each: rule.Rule, peer: world.Endpoint) -> bool:
    """Say whether a rule speaks of the other side."""
    peers = each.peers
    if any(selector.matches(peer.labels) for selector in peers.selectors):
        return True
    if not peers.addresses.intervals:
        return False
    if peer.is_pod:
        may_match = peers.reaches_pods
    elif peer.is_node:
        may_match = peers.reaches_nodes
    else:
        may_match = True
    return may_match and any(peers.addresses.overlaps(one, one + 1) for one in peer.addresses)


def lets(each: rule.Rule, ask: Ask) -> bool:
    """Say whether a rule speaks of the port; its names are those of the destination's containers."""
    wanted = each.ports
    if ports.has(wanted.numbers, ask.protocol, ask.port):
        return True
    return any(
        named.protocol is ask.protocol and ask.destination.names.get(named) == ask.port
        for named in wanted.names
    )


def _first(matched: Iterator[rule.Rule], *, last: rule.Tier) -> tuple[rule.Rule, ...]:
    """Return the rules that decide: those of the first rank with an answer, one action for all."""
    skipped: rule.Tier | None = None
    found: list[rule.Rule] = []
    for each in matched:
        if each.tier > last:
            break
        if each.tier is skipped:
            continue
        if found and _rank(each) != _rank(found[0]):
            break
        if each.action is rule.Action.SKIP:
            skipped = each.tier
        else:
            found.append(each)
    return tuple(found)


def _rank(each: rule.Rule) -> tuple[int, int, int, int]:
    return each.tier, each.priority, each.order, rule.PRECEDENCE[each.action]


class _Shelf:
    """Rules of one direction by the namespace that their subject must be in, so that few are tried."""

    def __init__(self, rules: rule.Rules, direction: rule.Direction) -> None:
        self._rules = _Kept(each for each in rules.rules if each.direction is direction)
        self._isolations = _Kept(each for each in rules.isolations if each.direction is direction)

    def find(self, subject: world.Endpoint) -> Side:
        """Return what selects an endpoint, rules by rank and then in the order they were written."""
        rules = sorted(self._rules.selecting(subject.labels), key=_rank)
        return Side(tuple(rules), tuple(self._isolations.selecting(subject.labels)))


_T = TypeVar("_T", rule.Rule, rule.Isolation)


class _Kept(Generic[_T]):
    """Rules or isolations by namespace and selector, with their places in the order written."""

    def __init__(self, items: Iterable[_T]) -> None:
        self._items: dict[str | None, dict[labels.Selector, list[tuple[int, _T]]]] = {}
        for place, item in enumerate(items):
            for namespace in _namespaces(item.subject):
                self._items.setdefault(namespace, {}).setdefault(item.subject, []).append((place, item))

    def selecting(self, subject: Mapping[str, str]) -> list[_T]:
        """Return those whose subject has these labels."""
        found: list[tuple[int, _T]] = []
        for namespace in {subject.get(labels.NAMESPACE), None}:
            for selector, items in self._items.get(namespace, {}).items():
                if selector.matches(subject):
                    found.extend(items)
        return [item for _, item in sorted(found, key=operator.itemgetter(0))]


def _namespaces(subject: labels.Selector) -> frozenset[str | None]:
    for requirement in subject.requirements:
        if requirement.key == labels.NAMESPACE and requirement.operator is labels.Operator.IN:
            return frozenset(requirement.values)
    return frozenset({None})
