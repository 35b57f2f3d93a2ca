"""Two plans side by side, measure by measure: one large cluster or many small ones.

Each measure is a number that both plans have, so nothing is weighed here: which matters more is for whoever
reads it.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix, space
from isthmus.mesh import limits, settings
from isthmus.model import finding
from isthmus.network.ipam import ranges
from isthmus.network.needs import asks, flows, quotas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import fleet
    from isthmus.network import plan as plans
    from isthmus.network.needs import firewall

Number = int | float
QUOTAS: Final = (
    asks.BALANCERS,
    asks.SECONDARY,
    asks.NODE_ROUTES,
    asks.ROUTES,
    asks.PEERINGS,
    asks.ATTACHMENTS,
    asks.VPNS,
    asks.RULES,
)
"""Kinds of quotas that are compared; nodes have a line already."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of one plan; None where the plan has none, such as pairs of a single cluster."""

    key: str
    label: str
    value: Number | None
    unit: str = ""
    is_rare: bool = False
    """Left out where neither plan has any."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One measure of both plans."""

    key: str
    label: str
    unit: str
    a: Number | None
    b: Number | None

    @property
    def difference(self) -> Number | None:
        """How much more the second has; None where one of the two has no number."""
        if self.a is None or self.b is None:
            return None
        return round(self.b - self.a, 1)

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form."""
        return {
            "measure": self.key,
            "label": self.label,
            "unit": self.unit or None,
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
        }


def compare(a: plans.Plan, b: plans.Plan) -> tuple[Line, ...]:
    """Return every measure of two plans; what neither has is left out."""
    pairs = zip(measures(a), measures(b), strict=True)
    return tuple(
        Line(key=one.key, label=one.label, unit=one.unit, a=one.value, b=other.value)
        for one, other in pairs
        if (one.value or other.value)
        or (not one.is_rare and (one.value is not None or other.value is not None))
    )


def measures(plan: plans.Plan) -> tuple[Measure, ...]:
    """Return the measures of one plan, always the same ones in the same order."""
    known = plan.addresses.fleet
    return (
        *_sizes(known),
        *_addresses(plan),
        *_mesh(known),
        *_matrix(plan),
        *_failures(known),
        *_asked(plan),
        *_findings(plan),
    )


def _sizes(known: fleet.Fleet) -> Iterator[Measure]:
    clusters = known.clusters
    planned = sum(map(ranges.planned_nodes, clusters))
    yield Measure(key="clusters", label="clusters", value=len(clusters))
    yield Measure(key="nodes", label="nodes today", value=sum(each.nodes for each in clusters))
    yield Measure(key="nodes_planned", label="nodes with growth", value=planned)


def _addresses(plan: plans.Plan) -> Iterator[Measure]:
    """Yield used and left addresses of IPv4 by role; the space of IPv6 is no measure of anything."""
    addressing = plan.addresses.fleet.spec.addressing
    shut = [prefix.parse(text) for text in (addressing.avoid if addressing else ())]
    shut += [prefix.parse(text) for text, _ in prefix.RESERVED]
    given = {
        role: [one for each in plan.addresses.clusters for one in each.of(role) if not one.is_v6]
        for role in ranges.Role
    }
    taken = space.of(one for each in given.values() for one in each) | space.of(shut)
    for role in ranges.Role:
        supernets = [each for each in ranges.supernets(addressing, role) if not each.is_v6]
        left = (space.of(supernets) - taken).size if supernets else None
        used = space.of(given[role]).size or None
        yield Measure(
            key=f"{role.value}_used", label=f"{role.value}: addresses taken", value=used, unit="IPv4"
        )
        yield Measure(
            key=f"{role.value}_left", label=f"{role.value}: addresses left", value=left, unit="IPv4"
        )
    yield Measure(
        key="clusters_fit",
        label="clusters of the largest size that still fit",
        value=min(plan.addresses.headroom.values(), default=None),
    )


def _mesh(known: fleet.Fleet) -> Iterator[Measure]:
    """Yield what ClusterMesh costs and bears; nothing of it without Cilium."""
    has_mesh = settings.uses_cilium(known)
    found = [settings.cilium(known, each) for each in known.clusters] if has_mesh else []
    most = {limits.IDENTITIES.get(each.max_connected_clusters) for each in found}
    each_has = min((each for each in most if each is not None), default=None)
    count = len(found)
    yield Measure(key="identities", label="identities that a cluster can have", value=each_has)
    yield Measure(
        key="identities_total",
        label="identities in all clusters",
        value=None if each_has is None else each_has * count,
    )
    yield Measure(
        key="mesh_pairs", label="pairs in the mesh", value=count * (count - 1) // 2 if has_mesh else None
    )


def _matrix(plan: plans.Plan) -> Iterator[Measure]:
    pairs = plan.paths.pairs
    # Large fleets have one row for all clusters, so rows are counted as if each pair had its own.
    rows = sum(map(_openings, plan.firewall))
    yield Measure(key="firewall_rows", label="firewall rows", value=rows)
    yield Measure(
        key="underlay_mtu",
        label="smallest MTU between nodes",
        value=min((each.underlay_mtu for each in pairs), default=plan.paths.smallest),
        unit="bytes",
    )
    yield Measure(
        key="pod_mtu",
        label="smallest MTU between pods of two clusters",
        value=min((each.pod_mtu for each in pairs), default=None),
        unit="bytes",
    )


def _openings(row: firewall.Row) -> int:
    """Return from where to where a row opens something, cluster by cluster."""
    senders, receivers = ({end.cluster for end in side} for side in (row.sources, row.targets))
    own = len(senders & receivers)
    if row.reach is flows.Reach.OWN:
        return own
    return len(senders) * len(receivers) - (own if row.reach is flows.Reach.OTHERS else 0)


def _failures(known: fleet.Fleet) -> Iterator[Measure]:
    """Yield what the loss of the largest cluster, or region, takes away, and what the votes bear."""
    total = sum(each.nodes for each in known.clusters)
    largest = max(each.nodes for each in known.clusters)
    regions: collections.Counter[str] = collections.Counter()
    for each in known.clusters:
        regions[each.region or ""] += each.nodes
    is_known = "" not in regions
    votes = len(known.clusters) + (known.witness is not None)
    yield Measure(
        key="cluster_loss",
        label="nodes lost with the largest cluster",
        value=_share(largest, total),
        unit="%",
    )
    yield Measure(key="regions", label="regions", value=len(regions) if is_known else None)
    yield Measure(
        key="region_loss",
        label="nodes lost with the largest region",
        value=_share(max(regions.values()), total) if is_known else None,
        unit="%",
    )
    yield Measure(key="voters", label="voters", value=votes)
    yield Measure(key="voters_spare", label="voters that may be lost", value=(votes - 1) // 2)


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)


def _asked(plan: plans.Plan) -> Iterator[Measure]:
    """Yield what must be asked for, over all accounts; of firewall rules what one cluster has at most."""
    asked = quotas.quotas(plan.source, plan.addresses.clusters, plan.firewall).asks
    known = plan.addresses.fleet
    accounts = {(each.provider, each.account) for each in known.clusters if each.account}
    yield Measure(key="accounts", label="cloud accounts", value=len(accounts), is_rare=True)
    for what in QUOTAS:
        key = "quota_" + what.replace("'", "").replace(" ", "_").lower()
        counts = [each.count for each in asked if each.what == what]
        count = max(counts, default=0) if what == asks.RULES else sum(counts)
        yield Measure(key=key, label=f"quotas: {what}", value=count, is_rare=True)
    over = sum(each.default is not None and each.count > each.default for each in asked)
    yield Measure(
        key="quotas_over", label="quotas above what an account has unasked", value=over, is_rare=True
    )


def _findings(plan: plans.Plan) -> Iterator[Measure]:
    for severity in finding.Severity:
        count = sum(each.severity is severity for each in plan.findings)
        yield Measure(key=f"findings_{severity.value}", label=f"findings: {severity.value}", value=count)
