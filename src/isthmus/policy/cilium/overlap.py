"""Rules that meet: of the same endpoints, the same peer selector and the same entry of ports.

Cilium makes one of them (`mergePortProto`, pkg/policy/rule.go). Where it cannot, the whole policy of the
endpoint fails: a running one keeps what it had, a new one gets nothing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import space
from isthmus.policy import labels, ports, rule
from isthmus.policy.cilium import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import finding
    from isthmus.policy import layer7

Entry = tuple[int, int] | ports.Named
Peer = labels.Selector | space.Space


class Meeting(NamedTuple):
    """Where rules meet."""

    direction: rule.Direction
    subject: labels.Selector
    peer: Peer
    entry: Entry


HTTP: Final = "HTTP rules"
DNS: Final = "DNS rules"
TLS: Final = "server names"


def check(rules: rule.Rules) -> Iterator[finding.Finding]:
    """Yield what is wrong with rules that meet, each pair of objects once."""
    meetings: dict[Meeting, list[rule.Rule]] = {}
    for each in rules.rules:
        if each.action is rule.Action.ALLOW:
            for meeting in _meetings(each):
                meetings.setdefault(meeting, []).append(each)
    told: set[tuple[str, rule.Origin, rule.Origin]] = set()
    for together in meetings.values():
        if len(together) < 2 or not any(each.layer7 for each in together):
            continue
        for one, other in itertools.combinations(together, 2):
            for found in _pair(one, other):
                key = (found.code, one.origin, other.origin)
                if key not in told:
                    told.add(key)
                    yield found


def _meetings(each: rule.Rule) -> Iterator[Meeting]:
    entries: tuple[Entry, ...] = (*each.ports.numbers.intervals, *each.ports.names)
    peers: list[Peer] = list(each.peers.selectors)
    if each.peers.addresses.intervals:
        peers.append(each.peers.addresses)
    for entry, peer in itertools.product(entries, peers):
        yield Meeting(each.direction, each.subject, peer, entry)


def _pair(one: rule.Rule, other: rule.Rule) -> Iterator[finding.Finding]:
    first, second = parser(one.layer7), parser(other.layer7)
    if why := conflict(one.layer7, other.layer7):
        yield said.about(
            other.origin,
            "CIL-9",
            said.Severity.ERROR,
            f"{other.place} and {_place(one)} select the same peers and ports with {why}: "
            "Cilium can compute no policy for the endpoints",
            remedy="give them one kind of L7 rules, or different ports",
        )
    elif first != second and None in {first, second}:
        narrow, wide = (one, other) if first else (other, one)
        if TLS not in {first, second}:
            yield said.about(
                narrow.origin,
                "CIL-8",
                said.Severity.WARNING,
                f"{narrow.place}: its {first or second} have no effect: {_place(wide)} lets the same peers "
                "through on the same ports without any",
                remedy="take the plain allow away, or leave these ports out of it",
            )


def parser(each: layer7.Narrowing | None) -> str | None:
    """Return what a rule makes Cilium's proxy parse; None for nothing."""
    if each is None:
        return None
    if each.other:
        return each.other
    if each.http:
        return HTTP
    if each.dns:
        return DNS
    return TLS if each.names or each.terminates else None


def conflict(one: layer7.Narrowing | None, other: layer7.Narrowing | None) -> str | None:
    """Return why two rules that meet cannot be one; None when they can (`L7ParserType.Merge`)."""
    if one is None or other is None:
        return None
    first, second = parser(one), parser(other)
    pair = {first, second}
    if None not in pair and first != second and pair != {TLS, HTTP}:
        return f"{first} and {second}"
    if one.authentication and other.authentication and one.authentication != other.authentication:
        return f"authentication {one.authentication} and {other.authentication}"
    merged_names = bool(one.names or other.names)
    has_rules = bool(one.http or other.http)
    if merged_names and has_rules and not (one.terminates or other.terminates):
        return "server names and HTTP rules, without terminatingTLS"
    return None


def _place(each: rule.Rule) -> str:
    home = f"{each.origin.namespace}/" if each.origin.namespace else ""
    return f"{each.place} of {home}{each.origin.name}"


def errors(rules: Sequence[rule.Rule]) -> Iterator[tuple[rule.Rule, rule.Rule, str]]:
    """Yield pairs of rules of one endpoint that cannot be made one, and why."""
    meetings: dict[Meeting, list[rule.Rule]] = {}
    for each in rules:
        if each.action is rule.Action.ALLOW:
            for meeting in _meetings(each):
                # All of them select the endpoint, however they say it.
                meetings.setdefault(meeting._replace(subject=labels.EVERY), []).append(each)
    for together in meetings.values():
        for one, other in itertools.combinations(together, 2):
            if why := conflict(one.layer7, other.layer7):
                yield one, other, why
