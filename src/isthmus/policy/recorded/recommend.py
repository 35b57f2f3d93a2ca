"""The least intents that cover recorded flows: one for each two ends, with every port that was seen.

What an end is called is the caller's choice: its most telling label, several labels, its account, or its
whole namespace. What no intent can say (nodes, health checks, pods without labels) is left out and counted.
"""

from __future__ import annotations

import dataclasses
import operator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix
from isthmus.model import document
from isthmus.model import flow as flows
from isthmus.policy import labels
from isthmus.policy.recorded import replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isthmus.policy import world

Json = dict[str, Any]
TELLING: Final = ("app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/instance", "name", "run")
"""Labels that name a workload, the first that an end has is taken."""
DNS: Final = 53


class By(StrEnum):
    """How far an intent may generalise."""

    LABEL = "label"
    ACCOUNT = "account"
    NAMESPACE = "namespace"


@dataclasses.dataclass(frozen=True, slots=True)
class Left:
    """Flows that no intent covers, and why."""

    why: str
    count: int
    example: str


@dataclasses.dataclass(frozen=True, slots=True)
class Recommended:
    """Access documents, and how much of what was seen they cover."""

    documents: tuple[Json, ...]
    covered: int
    flows: int
    left: tuple[Left, ...]


Peer = tuple[tuple[str, Any], ...]


@dataclasses.dataclass(slots=True)
class _Seen:
    """What was seen between two ends: (protocol, port), and the clusters of either end."""

    ways: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    sources: set[str] = dataclasses.field(default_factory=set)
    destinations: set[str] = dataclasses.field(default_factory=set)


def recommend(
    seen: Iterable[flows.Flow], *, by: By = By.LABEL, keys: Sequence[str] = (), spans_clusters: bool = False
) -> Recommended:
    """Return intents that cover the flows which passed.

    `keys` are labels to name ends by. With `spans_clusters` an intent is of all clusters, else of those in
    which its ends were seen.
    """
    found: dict[tuple[str, Peer, Peer], _Seen] = {}
    left: dict[str, list[Any]] = {}
    total = covered = 0
    for each in seen:
        if each.fate is flows.Fate.DENIED:
            continue
        total += 1
        source, destination = replay.endpoint(each.source), replay.endpoint(each.destination)
        why = _unsaid(each, source, destination)
        if why:
            kept = left.setdefault(why, [0, f"{source.title} → {destination.title} {each.port}"])
            kept[0] += 1
            continue
        covered += 1
        ends = (_peer(source, each.source, by, keys), _peer(destination, each.destination, by, keys))
        home = destination.namespace or source.namespace or ""
        held = found.setdefault((home, *ends), _Seen())
        held.ways.add((each.protocol, each.port))
        held.sources.add(source.cluster)
        held.destinations.add(destination.cluster)
    ordered = sorted(found.items(), key=operator.itemgetter(0))
    documents = [
        _document(number, key, held, spans_clusters=spans_clusters)
        for number, (key, held) in enumerate(ordered)
    ]
    told = tuple(Left(why, count, example) for why, (count, example) in left.items())
    return Recommended(_named(documents), covered, total, told)


def _unsaid(each: flows.Flow, source: world.Endpoint, destination: world.Endpoint) -> str | None:
    if each.protocol in {"icmp", "icmpv6"}:
        return "an Access has no ICMP"
    if each.port == DNS:
        return "DNS is let through by the default deny's own rule"
    for end in (source, destination):
        if end.namespace is None and f"{labels.RESERVED}world" not in end.labels:
            return "one end is a node, a health check or another part of the cluster itself"
    if source.namespace is None and destination.namespace is None:
        return "both ends are outside"
    return None


def _peer(end: world.Endpoint, told: flows.End, by: By, keys: Sequence[str]) -> Peer:
    """Return how an intent names an end, hashable; outside it is a DNS name, or its address alone."""
    if end.namespace is None:
        if told.names:
            return (("names", told.names[:1]),)
        return (("addresses", (str(prefix.Prefix(end.addresses[0], 1)) if end.addresses else end.name,)),)
    named: list[tuple[str, Any]] = [("namespace", end.namespace)]
    if by is By.ACCOUNT and labels.ACCOUNT in end.labels:
        named.append(("serviceAccount", end.labels[labels.ACCOUNT]))
    elif by is By.LABEL:
        wanted = [key for key in keys if key in end.labels] or [key for key in TELLING if key in end.labels][
            :1
        ]
        own = wanted or sorted(key for key in end.labels if not key.startswith("io."))[:1]
        named.append(("labels", tuple((key, end.labels[key]) for key in own)))
    return tuple(named)


def _document(number: int, key: tuple[str, Peer, Peer], held: _Seen, *, spans_clusters: bool) -> Json:
    home, source, destination = key
    ends = (_plain(source), _plain(destination))
    if not spans_clusters:
        for peer, clusters in zip(ends, (held.sources, held.destinations), strict=True):
            if "namespace" in peer:
                peer["clusters"] = sorted(clusters)
    allow = []
    for protocol, port in sorted(held.ways):
        more = {} if protocol == "tcp" else {"protocol": protocol}
        allow.append({"port": port, **more})
    return {
        "apiVersion": document.API_VERSION,
        "kind": "Access",
        "metadata": {"name": _name(source, destination) or f"seen-{number}", "namespace": home},
        "spec": {"from": ends[0], "to": ends[1], "allow": allow},
    }


def _plain(peer: Peer) -> Json:
    plain = {"labels": dict, "addresses": list, "names": list}
    return {key: plain[key](value) if key in plain else value for key, value in peer}


def _name(source: Peer, destination: Peer) -> str:
    words = []
    for peer in (source, destination):
        held = dict(peer)
        own = held.get("labels")
        words.append(
            str(own[0][1] if own else held.get("serviceAccount") or held.get("namespace") or "outside")
        )
    text = "-to-".join(words).lower()
    return "".join(char if char.isalnum() or char == "-" else "-" for char in text).strip("-")[:60]


def _named(documents: Sequence[Json]) -> tuple[Json, ...]:
    """Return the documents with names that differ within a namespace."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    for each in documents:
        key = (each["metadata"]["namespace"], each["metadata"]["name"])
        seen[key] = seen.get(key, 0) + 1
        name = key[1] if seen[key] == 1 else f"{key[1][:57]}-{seen[key]}"
        found.append({**each, "metadata": {**each["metadata"], "name": name}})
    return tuple(found)
