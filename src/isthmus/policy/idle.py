"""Policies that speak of nobody: selectors that match no endpoint, names of ports that no container has.

Such a policy is valid and may be waiting for its pods; more often a label is misspelt, and what it should
isolate is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from isthmus.model import finding
from isthmus.policy import labels, ports, rule, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isthmus.policy import world

"""Places of a policy that a finding names before it counts the rest."""


def check(known: world.World, found: rule.Rules, cluster: str) -> tuple[finding.Finding, ...]:
    """Return a finding for each policy of a cluster that selects nobody, or rules of which do.

    Where the cluster has no endpoints at all, nothing was given to compare with.
    """
    places: dict[int, int] = {}
    rows: list[Mapping[str, str]] = []
    own: list[int] = []
    named: dict[ports.Named, list[int]] = {}
    for each in known.endpoints:
        place = places.setdefault(id(each.labels), len(rows))
        if place == len(rows):
            rows.append(each.labels)
            if each.cluster == cluster:
                own.append(place)
        for name in each.names:
            named.setdefault(name, []).append(place)
    if not own:
        return ()
    having = {name: labels.bits(held, len(rows)) for name, held in named.items()}
    return tuple(_told(_World(labels.Index(rows), labels.bits(own, len(rows)), having), found))


class _World(NamedTuple):
    labels: labels.Index
    here: int
    having: Mapping[ports.Named, int]


def _told(some: _World, found: rule.Rules) -> Iterator[finding.Finding]:
    policies: dict[rule.Origin, list[rule.Rule | rule.Isolation]] = {}
    for each in found.guards:
        policies.setdefault(each.origin, []).append(each)
    for origin, guards in policies.items():
        if not any(some.labels.select(each.subject) & some.here for each in guards):
            yield _finding(
                origin,
                finding.Severity.WARNING,
                "it selects no pod: nothing is isolated or let through by it",
                "compare its selector and namespace with the labels of the pods",
            )
            continue
        rules = [each for each in guards if isinstance(each, rule.Rule)]
        idle = dict.fromkeys(each.place for each in rules if not _speaks(some, each))
        if idle:
            yield _finding(
                origin,
                finding.Severity.INFO,
                f"{words.some(idle)}: no pod is among the peers, or has a port of the name",
                "compare the peers with the labels of pods and namespaces, and the names with their ports",
            )


def _speaks(some: _World, each: rule.Rule) -> bool:
    """Say whether a rule speaks of anybody: of addresses it always may."""
    peers, is_open = 0, bool(each.peers.addresses.intervals)
    for selector in each.peers.selectors:
        peers |= some.labels.select(selector)
        is_open |= not selector.requirements or any(key.startswith(labels.RESERVED) for key in selector.keys)
    if not peers and not is_open:
        return False
    if each.ports.numbers.intervals or not each.ports.names:
        return True
    is_ingress = each.direction is rule.Direction.INGRESS
    ends = some.labels.select(each.subject) & some.here if is_ingress else peers or some.labels.every
    return any(some.having.get(name, 0) & ends for name in each.ports.names)


def _finding(origin: rule.Origin, severity: finding.Severity, message: str, remedy: str) -> finding.Finding:
    return origin.told("policy-idle", severity, message, remedy=remedy)
