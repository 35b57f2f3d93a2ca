"""Recorded flows against other policies: what would have been dropped or let through, by whom, how often.

A flow brings the labels that Cilium knew, so no manifests of workloads are needed. Only addresses and ports
are judged: what was asked above them a flow of this kind does not tell.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from isthmus.address import prefix
from isthmus.model import flow as flows
from isthmus.policy import decide, labels, ports, rule, world
from isthmus.policy.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key = tuple[flows.End, flows.End, str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Flows of one kind that would fare otherwise: how many, and what decides."""

    source: world.Endpoint
    destination: world.Endpoint
    protocol: ports.Protocol
    port: int
    count: int
    before: flows.Fate
    decision: decide.Decision

    @property
    def after(self) -> flows.Fate:
        """What would become of them."""
        return flows.Fate.PASSED if self.decision.is_allowed else flows.Fate.DENIED


@dataclasses.dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found, and over how many flows."""

    flows: int
    kinds: int
    changes: tuple[Change, ...]


def replay(seen: Iterable[flows.Flow], known: world.World) -> Replay:
    """Judge every flow by the policies of a world; the most frequent change comes first."""
    fates: dict[Key, collections.Counter[flows.Fate]] = {}
    answers: dict[str, set[int]] = {}
    total = 0
    for each in seen:
        total += 1
        for name in each.destination.names:
            if each.destination.address:
                place = prefix.parse(each.destination.address).first
                answers.setdefault(name.lower().rstrip("."), set()).add(place)
        key = (_plain(each.source), _plain(each.destination), each.protocol, each.port)
        fates.setdefault(key, collections.Counter())[each.fate] += 1
    court = judge.Judge(_told(known, answers))
    made: dict[flows.End, world.Endpoint] = {}
    changes = []
    for (source, destination, protocol, port), counted in fates.items():
        ends = tuple(made.setdefault(end, endpoint(end)) for end in (source, destination))
        ask = decide.Ask(ends[0], ends[1], ports.Protocol(protocol), port)
        decision = _decide(ask, court)
        for fate, count in counted.items():
            if (fate is flows.Fate.PASSED) is not decision.is_allowed:
                changes.append(Change(*ask, count=count, before=fate, decision=decision))
    changes.sort(key=lambda each: (each.before is flows.Fate.DENIED, -each.count))
    return Replay(total, len(fates), tuple(changes))


def _told(known: world.World, answers: Mapping[str, set[int]]) -> world.World:
    """Return a world whose clusters know the DNS answers that flows tell of."""
    places = {name: tuple(sorted(found)) for name, found in answers.items()}
    settings = {
        name: dataclasses.replace(each, answers={**each.answers, **places})
        for name, each in known.settings.items()
    }
    return dataclasses.replace(known, settings=settings)


def endpoint(end: flows.End) -> world.Endpoint:
    """Return an end of a flow as policies see it."""
    flat = dict(_label(each) for each in end.labels)
    if end.namespace:
        flat.setdefault(labels.NAMESPACE, end.namespace)
        flat.setdefault(labels.CLUSTER, end.cluster)
    place = (prefix.parse(end.address).first,) if end.address else ()
    return world.Endpoint(
        cluster=end.cluster,
        namespace=end.namespace,
        name=end.name,
        kind=end.kind,
        labels=flat,
        addresses=place,
        is_managed=end.namespace is not None,
    )


def _label(text: str) -> tuple[str, str]:
    """Return key and value of a label as Cilium writes it; a reserved one keeps its source."""
    if text.startswith(labels.RESERVED):
        return text, ""
    key, _, value = text.partition("=")
    return key.removeprefix("k8s:"), value


def _plain(end: flows.End) -> flows.End:
    """Return an end without what tells pods of one workload apart."""
    if end.namespace is None:
        return end
    return dataclasses.replace(end, address=None, names=())


def _decide(ask: decide.Ask, court: judge.Judge) -> decide.Decision:
    """Return the first side that denies, else the destination's."""
    found = None
    for direction, subject in decide.guarded(ask):
        found = court.book(subject.cluster).decide(direction, ask)
        if not found.is_allowed:
            return found
    return found or decide.Decision(rule.Direction.EGRESS, is_allowed=True, cause=decide.Cause.OPEN)


def grouped(changes: Iterable[Change]) -> Mapping[str, int]:
    """Return how many flows each object would drop."""
    found: collections.Counter[str] = collections.Counter()
    for each in changes:
        if each.after is flows.Fate.DENIED:
            for origin in each.decision.origins:
                found[f"{origin.kind} {origin.namespace or ''}/{origin.name}"] += each.count
    return dict(found.most_common())


def read(lines: Iterable[str]) -> Iterator[flows.Flow]:
    """Yield the flows of JSON lines; ValueError names the line that is none."""
    import json  # noqa: PLC0415  # only here

    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = flows.read(json.loads(line))
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"line {number} is no flow of Hubble: {error}") from error
        if found is not None:
            yield found
