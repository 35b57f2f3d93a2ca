"""Whether documents agree with themselves and one another: names once, waves complete, clusters that exist.

Each function yields findings and none stops at the first. What needs arithmetic on addresses is in `network`.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

from isthmus.model import access, app, datapath, explain, finding, fleet, owned, secrets, source, types

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import mesh as meshes

DEFAULT_MAX_ID: Final = 255
"""Cilium's maxConnectedClusters unless every cluster was installed with 511."""

MAX_ID: Final = 511
"""The highest cluster id that Cilium takes, with maxConnectedClusters 511 (1.20 pkg/clustermesh/types)."""


def of_fleet(document: source.Document, value: fleet.Fleet) -> Iterator[finding.Finding]:
    """Yield what is wrong with a Fleet as a whole."""
    yield from _once(document, value, "name", [each.name for each in value.clusters])
    yield from _once(document, value, "id", [each.id for each in value.clusters])
    yield from _once(document, value, "context", [each.context for each in value.clusters])
    contexts = {each.context: each.name for each in value.clusters}
    if value.witness is not None and value.witness.context in contexts:
        yield explain.about(
            document,
            ("spec", "witness", "context"),
            code="duplicate-context",
            message=f"the witness is cluster '{contexts[value.witness.context]}', which has a vote already",
            remedy="name another API server, or leave the witness out",
        )
    yield from _wide_ids(document, value)
    yield from _network(document, value)


def _network(document: source.Document, value: fleet.Fleet) -> Iterator[finding.Finding]:
    """Yield what is wrong with the Helm values and waves that the network is brought along by."""
    stated = value.spec.network
    if stated is not None and stated.rollout is not None:
        names = [each.name for each in value.clusters]
        path: source.Path = ("spec", "network", "rollout", "waves")
        yield from _waves(document, path, stated.rollout.waves, names, whose=f"Fleet '{value.name}'")
    mesh = value.spec.mesh.istio if value.spec.mesh else None
    places: list[tuple[source.Path, types.OwnValues, str | None]] = [
        (("spec", "network", "values"), stated.values if stated else None, None),
        (("spec", "mesh", "istio", "values"), mesh.values if mesh else None, None),
        (("spec", "mesh", "istio", "gateway", "values"), _of_gateway(mesh), None),
    ]
    for index, each in enumerate(value.clusters):
        for field, own in (("network", each.network), ("istio", each.istio)):
            values = own.values if own else None
            places.append((("spec", "clusters", index, field, "values"), values, each.name))
        path = ("spec", "clusters", index, "istio", "gateway", "values")
        places.append((path, _of_gateway(each.istio), each.name))
    for place, values, cluster in places:
        if values:
            table = owned.ISTIO if "istio" in place else owned.OWNED
            table = owned.GATEWAY if "gateway" in place else table
            yield from owned.findings(document, place, values, cluster=cluster, table=table)
            yield from secrets.findings(document, place, values, cluster=cluster)


def _of_gateway(stated: meshes.Istio | meshes.ClusterIstio | None) -> types.OwnValues:
    return stated.gateway.values if stated is not None and stated.gateway is not None else None


def _once(
    document: source.Document, value: fleet.Fleet, field: str, given: Sequence[str | int]
) -> Iterator[finding.Finding]:
    first: dict[str | int, int] = {}
    for index, each in enumerate(given):
        other = first.setdefault(each, index)
        if other != index and not _follows(value, field, other, index):
            line = document.line(("spec", "clusters", other, field))
            yield explain.about(
                document,
                ("spec", "clusters", index, field),
                code=f"duplicate-{field}",
                message=f"'{each}' is also the {field} of clusters[{other}] in line {line}",
                remedy=f"give each cluster its own {field}",
                cluster=value.clusters[index].name,
            )


def _follows(value: fleet.Fleet, field: str, other: int, index: int) -> bool:
    """Say whether two contexts are equal since the names are, which has been told."""
    one, two = value.clusters[other], value.clusters[index]
    return field == "context" and one.name == two.name == two.context


def _wide_ids(document: source.Document, value: fleet.Fleet) -> Iterator[finding.Finding]:
    network = value.spec.network
    if network is not None and network.cni is datapath.Cni.NONE:
        return  # without Cilium an id is an order and nothing else
    for index, each in enumerate(value.clusters):
        if each.id > MAX_ID:
            yield explain.about(
                document,
                ("spec", "clusters", index, "id"),
                code="out-of-range",
                message=f"{each.id} is out of range for Cilium",
                remedy=f"write {MAX_ID} or less, or `network: {{cni: none}}` for a Fleet without Cilium",
                cluster=each.name,
            )
    wide = [index for index, each in enumerate(value.clusters) if DEFAULT_MAX_ID < each.id <= MAX_ID]
    if wide and network is None and all(each.network is None for each in value.clusters):
        # What is stated, `plan` holds the ids to.
        first = value.clusters[wide[0]]
        others = f" and {len(wide) - 1} more" if len(wide) > 1 else ""
        yield explain.about(
            document,
            ("spec", "clusters", wide[0], "id"),
            code="cluster-id-over-255",
            message=f"the id {first.id} of '{first.name}'{others} wants maxConnectedClusters 511 everywhere",
            remedy="use ids up to 255, or write `network: {maxConnectedClusters: 511}`",
            severity=finding.Severity.WARNING,
        )


def of_app(document: source.Document, value: app.App, known: fleet.Fleet | None) -> Iterator[finding.Finding]:
    """Yield what is wrong with an App, by itself and in its Fleet."""
    if known is not None:
        yield from _strangers(document, value, known)
    waves = value.spec.rollout.waves
    yield from _waves(document, WAVES, waves, list(value.spec.clusters), whose=f"App '{value.name}'")
    members = value.spec.clusters.values()
    if all(each.membership is not app.Membership.REQUIRED for each in members):
        yield explain.about(
            document,
            ("spec", "clusters"),
            code="no-required-cluster",
            message="no cluster is required, so the App would be whole without running anywhere",
            remedy="take `membership` out of at least one cluster",
        )
    if len(value.release) > app.MAX_RELEASE:
        yield explain.about(
            document,
            ("spec", "release") if value.spec.release else ("metadata", "name"),
            code="release-too-long",
            message=f"the Helm release '{value.release}' has {len(value.release)} characters",
            remedy=f"set `spec.release` to a name of at most {app.MAX_RELEASE}",
        )
    yield from secrets.findings(document, ("spec", "values"), value.spec.values, cluster=None)
    for name, member in value.spec.clusters.items():
        yield from secrets.findings(
            document, ("spec", "clusters", name, "values"), member.values, cluster=name
        )


def _strangers(document: source.Document, value: app.App, known: fleet.Fleet) -> Iterator[finding.Finding]:
    for name in value.spec.clusters:
        if name not in known.by_name:
            yield explain.about(
                document,
                ("spec", "clusters", name),
                code="unknown-cluster",
                message=f"Fleet '{known.name}' has no cluster '{name}'",
                remedy=f"use one of: {fleet.near(name, known.by_name)}",
                cluster=name,
            )


WAVES: Final = ("spec", "rollout", "waves")


def _waves(
    document: source.Document,
    path: source.Path,
    written: Sequence[Sequence[str]],
    clusters: Sequence[str],
    *,
    whose: str,
) -> Iterator[finding.Finding]:
    seen: collections.Counter[str] = collections.Counter()
    for number, wave in enumerate(written):
        if not wave:
            yield explain.about(
                document,
                (*path, number),
                code="empty-wave",
                message="the wave is empty",
                remedy="take it out",
            )
        for index, name in enumerate(wave):
            seen[name] += 1
            place = (*path, number, index)
            if name not in clusters:
                remedy = f"use one of: {fleet.near(name, clusters)}"
                message = f"{whose} has no cluster '{name}'"
                yield explain.about(document, place, code="unknown-cluster", message=message, remedy=remedy)
            elif seen[name] > 1:
                message = f"cluster '{name}' stands in the waves already"
                remedy = "name each cluster once"
                yield explain.about(document, place, code="cluster-twice", message=message, remedy=remedy)
    missing = [name for name in clusters if name not in seen]
    if written and missing:
        yield explain.about(
            document,
            path,
            code="cluster-in-no-wave",
            message=f"no wave has {', '.join(missing)}",
            remedy="add it to a wave, or take it out of `clusters`",
        )


def of_all(origins: Sequence[tuple[source.Document, types.Value]]) -> Iterator[finding.Finding]:
    """Yield what is wrong between documents: more than one Fleet, two Apps of one name or one release."""
    first: dict[tuple[str, ...], source.Document] = {}
    for document, value in origins:
        for key, message, remedy in _claims(value):
            other = first.setdefault(key, document)
            if other is not document:
                place = f"{other.file}:{other.line()}"
                yield explain.about(document, (), code=key[0], message=f"{message} {place}", remedy=remedy)
                break  # a second App of one name has the same release too


def _claims(value: types.Value) -> list[tuple[tuple[str, ...], str, str]]:
    """Return what only one document of a folder may have: a key, and the words for the second one."""
    if isinstance(value, fleet.Fleet):
        return [(("second-fleet",), "there is a Fleet already, in", "keep one Fleet in a folder")]
    if isinstance(value, access.Access):
        key = ("duplicate-access", value.metadata.namespace, value.name)
        return [(key, f"Access '{value.name}' is already in", "give each Access its own name")]
    assert isinstance(value, app.App)
    name = (("duplicate-app", value.name), f"App '{value.name}' is already in", "give each App its own name")
    key = ("duplicate-release", value.namespace, value.release)
    words = f"the release '{value.release}' in namespace '{value.namespace}' belongs to the App in"
    return [name, (key, words, "give it another `release`")]
