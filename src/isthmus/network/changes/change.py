"""Holds a plan against what was applied, or against live clusters: what cannot change is an error.

A range that the plan gives and that moved because something else changed is told apart: nobody wanted that,
and a pin is all it takes. Nothing is said of what may change freely, new clusters included.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.model import datapath, finding
from isthmus.network.changes import migration, record
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isthmus.model import fleet
    from isthmus.network import place

WHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "cni": ("network", "cni"),
    "ipam": ("network", "ipam"),
    "routing": ("network", "routing"),
    "encapsulation": ("network", "encapsulation"),
    "underlay": ("network", "underlay"),
    "maxConnectedClusters": ("network", "maxConnectedClusters"),
    "trustDomain": ("istio", "trustDomain"),
    "meshId": ("istio", "meshId"),
    "meshNetwork": ("istio", "network"),
}
"""Fields of a record to what a cluster states in place of its Fleet."""

CODES: Final = {
    "provider": "provider-changed",
    "region": "region-changed",
    "nodeMask": "node-mask-changed",
    "cni": "cni-changed",
    "ipam": "ipam-changed",
    "routing": "routing-changed",
    "encapsulation": "encapsulation-changed",
    "underlay": "underlay-changed",
    "maxConnectedClusters": "max-connected-clusters-changed",
    "trustDomain": "trust-domain-changed",
    "meshId": "mesh-id-changed",
    "meshNetwork": "mesh-network-changed",
}

GROWS: Final = datapath.Provider.GCP.value
"""Primary ranges of its subnets can be expanded in place (gcloud expand-ip-range), and not shrunk."""


@dataclasses.dataclass(frozen=True)
class _Pair:
    """A cluster as it was and as it is planned."""

    was: record.Row
    now: record.Row
    cluster: fleet.Cluster


class Changes:
    """Compares two records of one Fleet; `applied` says in the messages where the first was read."""

    def __init__(self, known: fleet.Fleet, places: place.Places, applied: str) -> None:
        self._known = known
        self._places = places
        self._applied = applied

    def findings(self, before: record.Record, after: record.Record) -> Iterator[finding.Finding]:
        """Yield what changed and cannot."""
        if before.fleet != after.fleet:
            yield self._other_fleet(before)
            return
        planned = {each.name: each for each in after.rows}
        known = {each.name for each in before.rows}
        fresh = {each.id: each for each in after.rows if each.name not in known}
        pairs: list[_Pair] = []
        for was in before.rows:
            now = planned.get(was.name) or fresh.get(was.id)
            if now is None:
                yield self._dropped(was)
            else:
                pairs.append(_Pair(was, now, self._known.cluster(now.name)))
        order = {each.name: index for index, each in enumerate(self._known.clusters)}
        pairs.sort(key=lambda pair: order[pair.now.name])
        for pair in pairs:
            yield from self._identity(pair)
            for field in record.RANGES:
                yield from self._range(pair, field)
        for field in CODES:
            yield from self._fields(pairs, field)

    def _other_fleet(self, before: record.Record) -> finding.Finding:
        return self._places.finding(
            ("metadata", "name"),
            code="fleet-renamed",
            message=f"{self._applied} is of the fleet '{before.fleet}'",
            remedy=f"name the Fleet '{before.fleet}' again, or record the plan of this one: "
            "isthmus plan check --record",
        )

    def _dropped(self, was: record.Row) -> finding.Finding:
        advice = migration.advice("dropped")
        return self._places.finding(
            ("spec", "clusters"),
            code="cluster-dropped",
            message=f"cluster '{was.name}' ({self._applied}) is not in the Fleet any more: {advice.why}",
            remedy=f"put it back, and take it away in this order: {advice.text}",
            cluster=None,
        )

    def _identity(self, pair: _Pair) -> Iterator[finding.Finding]:
        was, now = pair.was, pair.now
        if was.name != now.name:
            yield self._changed(pair, "name", "cluster-renamed", was.name, now.name)
        if was.id is not None and was.id != now.id:
            yield self._changed(pair, "id", "cluster-id-changed", was.id, now.id)

    def _changed(
        self, pair: _Pair, field: str, code: str, was: record.Value, now: record.Value
    ) -> finding.Finding:
        advice = migration.advice(field)
        return self._places.finding(
            self._places.of(pair.cluster, field),
            code=code,
            message=f"the {field} of '{pair.now.name}' is {now} and was {was} ({self._applied}): "
            f"{advice.why}",
            remedy=f"put {was} back, or migrate: {advice.text}",
            cluster=pair.now.name,
        )

    def _range(self, pair: _Pair, field: str) -> Iterator[finding.Finding]:
        role = record.RANGES[field]
        was, now = pair.was.family(field), pair.now.family(field)
        may_grow = field in pair.was.inferred or (field == "nodes" and pair.was.fields["provider"] == GROWS)
        lost = [each for each in was if not _kept(each, now, may_grow=may_grow)]
        if lost:
            yield self._moved(pair, role, was, now)
        elif was and len(now) > len(was):
            yield self._places.finding(
                self._places.of(pair.cluster, role.field),
                code="family-added",
                message=f"the {field} of '{pair.now.name}' get a second family, {_text(now)}; "
                f"they had {_text(was)} ({self._applied})",
                remedy="check that the provider adds a family to a cluster that runs; nodes and pods that "
                "stand get no address of it until they are made anew",
                severity=finding.Severity.WARNING,
                cluster=pair.now.name,
            )

    def _moved(
        self, pair: _Pair, role: ranges.Role, was: ranges.Family, now: ranges.Family
    ) -> finding.Finding:
        field, name = role.field, pair.now.name
        pin = f"write `{field}: {_yaml(was)}` into cluster '{name}'"
        path = self._places.of(pair.cluster, field)
        words = f"the {role.value} of '{name}' are {_text(now)} and were {_text(was)} ({self._applied})"
        if not ranges.pinned(pair.cluster, role):
            return self._places.finding(
                path,
                code="range-moved",
                message=f"{words}: nothing pins them, and this plan gives others",
                remedy=pin,
                cluster=name,
            )
        advice = migration.advice(role.value, pair.was.fields["ipam"])
        return self._places.finding(
            path,
            code=f"{role.value}-changed",
            message=f"{words}: {advice.why}",
            remedy=f"{pin} again, or migrate: {advice.text}",
            cluster=name,
        )

    def _fields(self, pairs: list[_Pair], field: str) -> Iterator[finding.Finding]:
        """Yield one finding for all clusters in which a field changed alike at one place."""
        groups: dict[tuple[place.Path, record.Value, record.Value], list[_Pair]] = {}
        for pair in pairs:
            was, now = pair.was.fields[field], pair.now.fields[field]
            if was is not None and now is not None and was != now:
                groups.setdefault((self._path(pair.cluster, field), was, now), []).append(pair)
        for (path, was, now), members in groups.items():
            advice = migration.advice(field)
            names = _names([each.now.name for each in members])
            yield self._places.finding(
                path,
                code=CODES[field],
                message=f"{field} of {names} is {now} and was {was} ({self._applied}): {advice.why}",
                remedy=f"put {was} back, or migrate: {advice.text}",
                cluster=members[0].now.name if len(members) == 1 else None,
            )

    def _path(self, cluster: fleet.Cluster, field: str) -> place.Path:
        if field == "nodeMask":
            return ("spec", "addressing", "pods", "nodeMask")
        if field not in WHERE:
            return self._places.of(cluster, field)
        section, name = WHERE[field]
        own = cluster.network if section == "network" else cluster.istio
        if own is not None and own.model_dump(by_alias=True).get(name) is not None:
            return (*self._places.of(cluster, section), name)
        return ("spec", "network", name) if section == "network" else ("spec", "mesh", "istio", name)


def _kept(was: prefix.Prefix, now: ranges.Family, *, may_grow: bool) -> bool:
    """Say whether a range is still there, or lies in a larger one where that is as good."""
    return was in now or (may_grow and any(prefix.contains(each, was) for each in now))


def _text(family: ranges.Family) -> str:
    return ",".join(map(str, family)) or "none"


def _yaml(family: ranges.Family) -> str:
    texts = [f"'{each}'" if each.is_v6 else str(each) for each in family]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _names(names: list[str]) -> str:
    shown = ", ".join(f"'{each}'" for each in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
