"""Judges ranges against those that somebody takes by default: bridges, clouds' first networks, Istio.

Each default is told once for all clusters that it meets, since one line of `avoid` cures them all. What
the Fleet avoids is not told again, and neither is a default of a provider that a cluster does not run on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.address import prefix, space
from isthmus.model import datapath, finding
from isthmus.network.ipam import measures, provider, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place

Provider = datapath.Provider
Role = ranges.Role
WARNING, INFO = finding.Severity.WARNING, finding.Severity.INFO


class Habit(NamedTuple):
    """A range that is taken where nobody says otherwise."""

    text: str
    why: str
    providers: frozenset[Provider | None]
    roles: frozenset[Role]
    severity: finding.Severity


ALL: Final = frozenset(Role)
ANYWHERE: Final = frozenset({None, *Provider})
INSIDE: Final = frozenset({Role.PODS, Role.SERVICES})

HABITS: Final = (
    Habit(
        "172.17.0.0/16",
        "Docker's bridge takes it on nodes and on machines that people work on",
        ANYWHERE,
        ALL,
        WARNING,
    ),
    Habit(
        "10.128.0.0/9",
        "GCP cuts the subnets of every auto-mode VPC from it, and the first VPC of a project is one",
        frozenset({Provider.GCP}),
        INSIDE,
        WARNING,
    ),
    Habit(
        "10.224.0.0/12",
        "AKS puts its nodes there when it makes the VNet itself",
        frozenset({Provider.AZURE}),
        INSIDE,
        WARNING,
    ),
    Habit(
        "172.31.0.0/16",
        "the default VPC of each AWS region has it, so peering with one would fail",
        frozenset({Provider.AWS}),
        ALL,
        INFO,
    ),
)
"""Cilium 1.20 gke-, eks- and aks-clustermesh-prep; learn.microsoft.com; docs.aws.amazon.com."""

ISTIO: Final = prefix.parse("240.240.0.0/16")
"""Istio gives ServiceEntries addresses from it (pilot/pkg/features/pilot.go)."""

SERVICES: Final = {
    Provider.AWS: ("EKS", ("10.100.0.0/16", "172.20.0.0/16")),
    Provider.AZURE: ("AKS", ("10.0.0.0/16",)),
    Provider.GCP: ("GKE", ("34.118.224.0/20",)),
    Provider.KUBEADM: ("kubeadm", ("10.96.0.0/12",)),
    Provider.KIND: ("kind", ("10.96.0.0/16",)),
}
"""What services get where nobody says (EKS KubernetesNetworkConfigRequest, AKS, GKE, kubeadm, kind)."""

PODS: Final = {
    datapath.Ipam.CLUSTER_POOL: ("Cilium's cluster pool", "10.0.0.0/8"),
    datapath.Ipam.AKS_OVERLAY: ("AKS CNI Overlay", "10.244.0.0/16"),
}
"""What pods get where nobody says (Cilium 1.20 values.yaml clusterPoolIPv4PodCIDRList; azure-cni-overlay)."""


def findings(
    known: fleet.Fleet, clusters: Sequence[ranges.Ranges], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield ranges that meet a default, and defaults that a cluster would fall back to."""
    used = space.of(one for each in clusters for role in Role for one in each.of(role))
    for habit in HABITS:
        range_ = prefix.parse(habit.text)
        if used.overlaps(range_.first, range_.end):
            yield from _met(known, clusters, habit, places)
    mesh = known.spec.mesh.istio if known.spec.mesh else None
    if mesh is not None and mesh.enabled and used.overlaps(ISTIO.first, ISTIO.end):
        why = "Istio gives addresses of it to ServiceEntries"
        meshed = [each for each in clusters if _runs_istio(each.cluster)]
        yield from _met(known, meshed, Habit(str(ISTIO), why, ANYWHERE, ALL, WARNING), places)
    yield from _unsaid(known, clusters, places)


def _runs_istio(each: fleet.Cluster) -> bool:
    return each.istio is None or each.istio.enabled is not False


def _met(
    known: fleet.Fleet,
    clusters: Sequence[ranges.Ranges],
    habit: Habit,
    places: place.Places,
) -> Iterator[finding.Finding]:
    range_ = prefix.parse(habit.text)
    if _is_avoided(known, range_):
        return
    met = [
        (each.cluster, role, given)
        for each in clusters
        for role in Role
        if role in habit.roles
        for given in each.of(role)
        if given.first < range_.end and range_.first < given.end and each.cluster.provider in habit.providers
    ]
    if not met:
        return
    cluster, role, given = met[0]
    more = f" (and {len(met) - 1} more)" * (len(met) > 1)
    yield places.finding(
        places.of(cluster, role.field),
        code="range-in-use-by-default",
        message=f"{given}, the {role.value} of '{cluster.name}'{more}, overlaps {range_}: {habit.why}",
        remedy=_remedy(known, [role for _, role, _ in met], range_),
        severity=habit.severity,
        cluster=cluster.name if len(met) == 1 else None,
    )


def _remedy(known: fleet.Fleet, roles: Sequence[Role], range_: prefix.Prefix) -> str:
    """Return what to do: to avoid a range is of no use to a role that has no other space."""
    moved: list[str] = []
    outside = [str(range_), *(each.text for each in HABITS)]
    for role in dict.fromkeys(roles):
        supernets = [
            each for each in ranges.supernets(known.spec.addressing, role) if each.bits == range_.bits
        ]
        if supernets and all(prefix.contains(range_, each) for each in supernets):
            known, texts = measures.elsewhere(known, role, supernets, outside)
            moved.append(f"`addressing.{role.value}.supernets: [{texts}]`")
    if not moved:
        return f"add {range_} to `addressing.avoid`, and pin another range where one is pinned"
    other = " and ".join(moved)
    return f"take space outside of it, for example {other}, and pin another range where one is pinned"


def _is_avoided(known: fleet.Fleet, range_: prefix.Prefix) -> bool:
    """Say whether the Fleet has thought of a range; pinned ranges there are told as avoided."""
    avoid = known.spec.addressing.avoid if known.spec.addressing else ()
    return any(prefix.contains(prefix.parse(text), range_) for text in avoid)


def _unsaid(
    known: fleet.Fleet, clusters: Sequence[ranges.Ranges], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield what clusters take by themselves because the Fleet says nothing, where that meets others."""
    flat: space.Space | None = None
    for each in clusters:
        who, defaults = SERVICES.get(each.cluster.provider, ("", ())) if each.cluster.provider else ("", ())
        if each.services or not defaults or ranges.supernets(known.spec.addressing, Role.SERVICES):
            continue  # a supernet that is full has been told
        if flat is None:
            flat = space.of(one for other in clusters for one in (*other.pods, *other.nodes))
        for range_ in map(prefix.parse, defaults):
            if flat.overlaps(range_.first, range_.end):
                yield places.finding(
                    places.of(each.cluster, "services"),
                    code="default-range-overlaps",
                    message=f"'{each.cluster.name}' has no services range, {who} would take {range_}, "
                    "and that overlaps pods or nodes of this Fleet",
                    remedy=f"pin `services`, write `addressing.services`, or avoid {range_}",
                    severity=WARNING,
                    cluster=each.cluster.name,
                )
                break
    yield from _unsaid_pods(known, clusters, places)


def _unsaid_pods(
    known: fleet.Fleet, clusters: Sequence[ranges.Ranges], places: place.Places
) -> Iterator[finding.Finding]:
    network = known.spec.network
    if network is None or network.cni is not datapath.Cni.CILIUM:
        return
    if ranges.supernets(known.spec.addressing, Role.PODS):
        return  # a supernet that is full has been told
    for ipam, (who, text) in PODS.items():
        loose = [each.cluster for each in clusters if not each.pods and provider.ipam(each.cluster) is ipam]
        if loose and len(clusters) > 1:
            more = f" and {len(loose) - 1} more" * (len(loose) > 1)
            yield places.finding(
                places.of(loose[0], "pods"),
                code="default-range-overlaps",
                message=f"'{loose[0].name}'{more} {'have' if more else 'has'} no pods range, and {who} takes "
                f"{text} in every cluster, so pods of two clusters would have the same addresses",
                remedy="write `addressing.pods`, or pin `pods` in each cluster",
                severity=WARNING,
                cluster=loose[0].name,
            )
