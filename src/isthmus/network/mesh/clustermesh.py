"""Judges ids, numbers and versions of a ClusterMesh; the numbers themselves are in `mesh/limits.py`.

Features are `features.py`, datapaths that differ `alike.py`, packets `packets.py`; what a provider does to
pods is `hosting.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.mesh import limits, settings, versions
from isthmus.model import datapath, finding
from isthmus.network.mesh import stated
from isthmus.network.paths import alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place


def findings(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    """Yield what ClusterMesh would refuse or bear badly."""
    if len(here) > 1:
        yield from _most(known, here, places)
        yield from _ids(known, here, places)
        yield from _skew(known, here, places)
    yield from _clashes(known, here, places)
    yield from _unknown_versions(known, here, places)


# --- numbers -------------------------------------------------------------------------------------
def _most(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    most = [each.max_connected_clusters for each in here]
    wrong = alike.which(known, [value not in limits.IDENTITIES for value in most])
    for path, indexes in stated.grouped(known, "max_connected_clusters", places, wrong):
        yield places.finding(
            path,
            code="max-connected-clusters",
            message=f"Cilium takes 255 or 511 for maxConnectedClusters, not {most[indexes[0]]}",
            remedy="write 255, or 511 for more clusters with half as many identities each",
            cluster=stated.only(known, indexes) if path[1] == "clusters" else None,
        )
    others = alike.differing([str(value) for value in most])
    if others:
        yield places.finding(
            stated.place_of(known, others[0], "max_connected_clusters", places),
            code="mixed-max-connected-clusters",
            message=f"maxConnectedClusters is {most[others[0]]} in {alike.named(known, others)} and another "
            "number elsewhere: agents refuse such a peer (`mismatched MaxConnectedClusters`)",
            remedy="write it once, for the Fleet",
            cluster=stated.only(known, others),
        )
    if any(value == 511 for value in most):
        yield places.finding(
            stated.place_of(known, most.index(511), "max_connected_clusters", places),
            code="fewer-identities",
            message=f"511 leaves {limits.IDENTITIES[511]} identities to each cluster instead of "
            f"{limits.IDENTITIES[255]}, and a live cluster cannot change it",
            remedy="keep labels that change with each pod out of identities (Cilium `labels`); "
            "write 255 if there will never be more clusters",
            severity=finding.Severity.INFO,
        )


def _ids(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    least = min(each.max_connected_clusters for each in here)
    if len(here) > least:
        yield places.finding(
            ("spec", "clusters"),
            code="too-many-clusters",
            message=f"{len(here)} clusters are more than the {least} of maxConnectedClusters",
            remedy="write `network: {maxConnectedClusters: 511}`, or make two Fleets"
            if len(here) <= max(limits.IDENTITIES)
            else "make two Fleets",
        )
    over = [each.id > own.max_connected_clusters for each, own in zip(known.clusters, here, strict=True)]
    wrong = alike.which(known, over)
    if wrong:
        first = known.clusters[wrong[0]]
        most = here[wrong[0]].max_connected_clusters
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        yield places.finding(
            places.of(first, "id"),
            code="cluster-id-over-max",
            message=f"the id {first.id} of '{first.name}'{more} is over maxConnectedClusters, {most}: "
            "the agent does not start",
            remedy=f"use ids up to {most}, or write `network: {{maxConnectedClusters: 511}}` before the "
            "first cluster is built",
            cluster=stated.only(known, wrong),
        )


def _clashes(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    marked = {datapath.Ipam.ENI, datapath.Ipam.ALIBABACLOUD}
    for each, own in zip(known.clusters, here, strict=True):
        if limits.clashes(each.id) and (own.ipam in marked or own.is_chained_to_aws):
            with_what = "aws-cni" if own.is_chained_to_aws else own.ipam.value
            yield places.finding(
                places.of(each, "id"),
                code="cluster-id-clashes",
                message=f"the agent of '{each.name}' refuses id {each.id} with {with_what}, which marks "
                "packets with the same bit (cilium#21330)",
                remedy="use an id from 1 to 127, or from 256 to 383 with maxConnectedClusters 511",
                cluster=each.name,
            )


# --- versions ------------------------------------------------------------------------------------
def _stated(here: Sequence[settings.Cilium]) -> list[tuple[versions.Version, int]]:
    return [
        (versions.parse(each.datapath.version), index)
        for index, each in enumerate(here)
        if each.datapath.version
    ]


def _unknown_versions(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    unknown = {
        index: version
        for version, index in _stated(here)
        if version.major != 1 or version.minor < versions.OLDEST
    }
    for path, indexes in stated.grouped(known, "version", places, unknown):
        yield places.finding(
            path,
            code="cilium-version-unknown",
            message=f"the rules of Cilium {unknown[indexes[0]]} are not known here, so those of "
            f"1.{versions.OLDEST} and newer are held against it",
            remedy=f"write the version of Cilium, 1.{versions.OLDEST} or a later 1.x",
            severity=finding.Severity.WARNING,
            cluster=stated.only(known, indexes) if path[1] == "clusters" else None,
        )


def _skew(
    known: fleet.Fleet, here: Sequence[settings.Cilium], places: place.Places
) -> Iterator[finding.Finding]:
    known_versions = _stated(here)
    if not known_versions:
        return
    (old, oldest), (new, newest) = min(known_versions), max(known_versions)
    if versions.apart(old, new) > versions.SKEW:
        yield places.finding(
            stated.place_of(known, oldest, "version", places),
            code="cilium-version-skew",
            message=f"Cilium is {old} in '{known.clusters[oldest].name}' and {new} in "
            f"'{known.clusters[newest].name}': a mesh bears one minor version between any two clusters",
            remedy="upgrade the whole Fleet one minor version at a time, oldest clusters first",
        )
