"""Judges what Istio takes over several clusters; what it asks of Cilium is `beside.py`.

ClusterMesh is one flat network, on which Istio's tested way is several primaries with sidecars and one
network name (istio.io setup/install/multicluster). Ambient is tested over several networks alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import alias_generators

from isthmus.mesh import limits, settings, versions
from isthmus.model import finding
from isthmus.model import fleet as fleets
from isthmus.model import mesh as meshes
from isthmus.network.paths import alike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.network import place

WORLD: Final = ("spec", "mesh", "istio")

Here = dict[int, settings.Istio]
"""Istio by index of the cluster, where it is enabled."""

SAME: Final = (
    (
        "trust_domain",
        "istio-trust-domains-differ",
        "certificates of one are refused by the others (istio#39204)",
    ),
    ("mesh_id", "istio-mesh-ids-differ", "they would be two meshes"),
)
"""What must be the same in all clusters of a mesh, and why (istio.io setup/install/multicluster)."""


def members(known: fleets.Fleet) -> Here:
    """Return Istio in the clusters that have it."""
    return {
        index: own
        for index, each in enumerate(known.clusters)
        if (own := settings.istio(known, each)) is not None
    }


def findings(known: fleets.Fleet, here: Here, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what Istio would refuse, or nobody has tested."""
    yield from _same(known, here, places)
    yield from _networks(known, here, places)
    yield from _ambient(known, here, places)
    yield from _primaries(known, here, places)
    yield from _skew(known, here, places)


def place_of(known: fleets.Fleet, index: int, field: str, places: place.Places) -> place.Path:
    """Return where a setting of a cluster stands: with the cluster, or with the Fleet."""
    cluster, name = known.clusters[index], alias_generators.to_camel(field)
    if cluster.istio is not None and getattr(cluster.istio, field) is not None:
        return (*places.of(cluster, "istio"), name)
    return (*WORLD, name)


def _rare(here: Here, field: str) -> list[int]:
    """Return the clusters that differ from most in a field."""
    indexes = list(here)
    return [indexes[each] for each in alike.differing([str(getattr(own, field)) for own in here.values()])]


def _differs(
    known: fleets.Fleet,
    here: Here,
    field: str,
    places: place.Places,
    *,
    code: str,
    why: str,
    severity: finding.Severity = finding.Severity.ERROR,
) -> Iterator[finding.Finding]:
    others = _rare(here, field)
    if others:
        value = str(getattr(here[others[0]], field))
        usual = next(str(getattr(own, field)) for own in here.values() if str(getattr(own, field)) != value)
        name = alias_generators.to_camel(field)
        yield places.finding(
            place_of(known, others[0], field, places),
            code=code,
            message=f"{name} is {value} in {alike.named(known, others)}, {usual} elsewhere: {why}",
            remedy=f"write `mesh: {{istio: {{{name}: ...}}}}` once for the Fleet, and none in clusters",
            severity=severity,
            cluster=known.clusters[others[0]].name if len(others) == 1 else None,
        )


def _same(known: fleets.Fleet, here: Here, places: place.Places) -> Iterator[finding.Finding]:
    for field, code, why in SAME:
        yield from _differs(known, here, field, places, code=code, why=why)
    yield from _differs(
        known,
        here,
        "mode",
        places,
        code="istio-modes-differ",
        why="sidecars and ambient in two clusters of a mesh are not what anybody tests",
        severity=finding.Severity.WARNING,
    )


def _networks(known: fleets.Fleet, here: Here, places: place.Places) -> Iterator[finding.Finding]:
    if all(own.mode is meshes.Mode.AMBIENT for own in here.values()):
        return  # the one that wants several networks
    is_flat = settings.uses_cilium(known)
    yield from _differs(
        known,
        here,
        "network",
        places,
        code="istio-networks-differ",
        why="ClusterMesh makes one flat network, where sidecars need no gateway between them; calls take the "
        "detour through east-west gateways (15443), and names of single pods do not (istio#38327)"
        if is_flat
        else "traffic goes through east-west gateways (15443), and names of single pods do not (istio#38327)",
        severity=finding.Severity.WARNING if is_flat else finding.Severity.INFO,
    )


def _ambient(known: fleets.Fleet, here: Here, places: place.Places) -> Iterator[finding.Finding]:
    ambient = {index: own for index, own in here.items() if own.mode is meshes.Mode.AMBIENT}
    if not ambient or len(here) == 1:
        return
    first = next(iter(ambient))
    path = place_of(known, first, "mode", places)
    if _topology(known) is meshes.Topology.PRIMARY_REMOTE:
        yield places.finding(
            path,
            code="ambient-primary-remote",
            message="ambient has no primary-remote topology: each cluster needs an istiod of its own",
            remedy="write `topology: multi-primary`, or `mode: sidecar`",
        )
    if len({own.network for own in ambient.values()}) == 1:
        yield places.finding(
            path,
            code="ambient-single-network",
            message="ambient over several clusters on a single network is untested and may be broken; only "
            "several primaries on several networks are supported (istio.io ambient/install/multicluster)",
            remedy="use `mode: sidecar` on the flat network of ClusterMesh, or give each cluster a `network` "
            "of its own and an east-west gateway",
            severity=finding.Severity.WARNING,
        )
    stated = {index: versions.parse(own.version) for index, own in ambient.items() if own.version}
    old = [index for index, each in stated.items() if (each.major, each.minor) < (1, limits.AMBIENT_SINCE)]
    if old:
        yield places.finding(
            place_of(known, old[0], "version", places),
            code="ambient-too-old",
            message=f"Istio {stated[old[0]]} has no ambient over several clusters: alpha since "
            f"1.{limits.AMBIENT_SINCE}, beta since 1.{limits.AMBIENT_BETA}",
            remedy=f"use Istio 1.{limits.AMBIENT_BETA} or newer, or `mode: sidecar`",
        )


def _topology(known: fleets.Fleet) -> meshes.Topology:
    stated = known.spec.mesh.istio if known.spec.mesh else None
    return stated.topology if stated else meshes.Topology.MULTI_PRIMARY


def _primaries(known: fleets.Fleet, here: Here, places: place.Places) -> Iterator[finding.Finding]:
    remotes = {index: own.primary for index, own in here.items() if own.primary is not None}
    if _topology(known) is meshes.Topology.PRIMARY_REMOTE and len(here) > 1:
        yield from _fate(known, remotes, places)
    elif remotes:
        first = next(iter(remotes))
        yield places.finding(
            place_of(known, first, "primary", places),
            code="primary-in-multi-primary",
            message=f"{alike.named(known, list(remotes))} would use another cluster's istiod, and in "
            "multi-primary each has its own",
            remedy="take `primary` out, or write `topology: primary-remote`",
        )
    named = {each.name: index for index, each in enumerate(known.clusters)}
    for index, primary in remotes.items():
        wrong = _wrong_primary(known, here, named, index, primary)
        if wrong:
            yield places.finding(
                place_of(known, index, "primary", places),
                code="wrong-primary",
                message=wrong,
                remedy=f"use one of: {fleets.near(primary, _candidates(known, here))}",
                cluster=known.clusters[index].name,
            )


def _fate(known: fleets.Fleet, remotes: dict[int, str], places: place.Places) -> Iterator[finding.Finding]:
    is_remote = any(primary != known.clusters[index].name for index, primary in remotes.items())
    yield places.finding(
        (*WORLD, "topology"),
        code="istiod-shared" if is_remote else "no-remote",
        message="remote clusters get no new configuration and no certificates while their primary is down"
        if is_remote
        else "the topology is primary-remote, and no cluster says whose istiod it uses",
        remedy="prefer `topology: multi-primary`, where each cluster stands by itself"
        if is_remote
        else "write `istio: {primary: NAME}` with the remote clusters, or `topology: multi-primary`",
        severity=finding.Severity.INFO if is_remote else finding.Severity.ERROR,
    )


def _wrong_primary(
    known: fleets.Fleet, here: Here, named: dict[str, int], index: int, primary: str
) -> str | None:
    if primary not in named:
        return f"Fleet '{known.name}' has no cluster '{primary}'"
    if primary == known.clusters[index].name:
        return None
    own = here.get(named[primary])
    if own is None:
        return f"'{primary}' has no Istio"
    if own.primary is not None and own.primary != primary:
        return f"'{primary}' has no istiod of its own: its primary is '{own.primary}'"
    return None


def _candidates(known: fleets.Fleet, here: Here) -> list[str]:
    return [known.clusters[index].name for index, own in here.items() if own.primary is None]


def _skew(known: fleets.Fleet, here: Here, places: place.Places) -> Iterator[finding.Finding]:
    stated = [(versions.parse(own.version), index) for index, own in here.items() if own.version]
    if not stated:
        return
    (old, oldest), (new, newest) = min(stated), max(stated)
    if versions.apart(old, new) > versions.SKEW:
        yield places.finding(
            place_of(known, oldest, "version", places),
            code="istio-version-skew",
            message=f"Istio is {old} in '{known.clusters[oldest].name}' and {new} in "
            f"'{known.clusters[newest].name}', more than one minor version apart",
            remedy="upgrade one minor version at a time, all clusters before the next",
            severity=finding.Severity.WARNING,
        )
