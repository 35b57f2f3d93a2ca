"""The Fleet that describes what was read, as the document that a user would write, and what to know about it.

It holds what was found and nothing else; `nodes` and `id`, which a Fleet cannot be without, are told where
nothing was found. Overlaps are left to `plan check`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.model import agree, document, finding
from isthmus.network import imported
from isthmus.network.imports import common, merge, names
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A Fleet as plain data, None where no cluster was read."""

    document: Json | None
    clusters: tuple[imported.Live, ...]
    findings: tuple[finding.Finding, ...]
    guessed: frozenset[str] = frozenset()
    """Clusters whose `nodes` is only the least that a Fleet may state."""


def draft(name: str, lives: Sequence[imported.Live]) -> Draft:
    """Return the Fleet of some readings; those of live clusters come first."""
    clusters, renamed = _unique(merge.merged(lives))
    if not clusters:
        return Draft(document=None, clusters=(), findings=())
    ids, told = _ids(clusters)
    network, own = common.network(clusters)
    istio, own_istio = common.istio(clusters)
    own_istio |= _without(clusters) if istio else {}
    sections: Json = {"network": network} if network else {}
    sections |= {"mesh": {"istio": istio}} if istio else {}
    rows = [_row(each, ids[each.name], own.get(each.name), own_istio.get(each.name)) for each in clusters]
    findings = (
        *(found for each in clusters for found in each.findings),
        *renamed,
        *told,
        *(found for each in clusters for found in _missing(each)),
        *_bare(clusters, has_network=network is not None),
    )
    return Draft(
        document={
            "apiVersion": document.API_VERSION,
            "kind": "Fleet",
            "metadata": {"name": name},
            "spec": {**sections, "clusters": rows},
        },
        clusters=tuple(clusters),
        findings=findings,
        guessed=frozenset(each.name for each in clusters if each.nodes is None),
    )


def _row(each: imported.Live, number: int, network: Json | None, istio: Json | None) -> Json:
    fields = {
        "name": each.name,
        "id": number,
        "region": each.region,
        "context": each.context,
        "provider": each.provider.value if each.provider else None,
        "account": each.account,
        "vpc": each.vpc,
        "nodes": each.nodes or 1,
        "podsPerNode": each.pods_per_node,
        **{role.field: _pin(each.of(role)) for role in ranges.Role},
        "network": network,
        "istio": istio,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _pin(found: ranges.Family) -> str | list[str] | None:
    texts = [str(each) for each in found]
    return (texts[0] if len(texts) == 1 else texts) if texts else None


def _unique(lives: Sequence[imported.Live]) -> tuple[list[imported.Live], list[finding.Finding]]:
    """Return the clusters, each with a name of its own: by its region where that helps."""
    taken: set[str] = set()
    kept: list[imported.Live] = []
    findings = []
    for each in lives:
        name = each.name
        if name in taken and each.region:
            name = names.label(f"{name}-{each.region}") or name
        if not names.is_name(name):  # `default`, which Cilium refuses in a mesh
            name = names.label(f"{name}-{each.region or 'cluster'}")
        name = names.unlike(name, taken)
        taken.add(name)
        if name != each.name:
            findings.append(
                _finding(
                    name,
                    "duplicate-name",
                    f"'{each.name}' cannot be the name of this cluster, since "
                    + ("another has it" if each.name in taken else "Cilium refuses it in a mesh")
                    + f": '{name}' is written",
                    "keep it, or write a name that says where it lies; Cilium's `cluster.name` must follow",
                )
            )
        told = tuple(
            dataclasses.replace(one, cluster=name) if one.cluster == each.name else one
            for one in each.findings
        )
        kept.append(dataclasses.replace(each, name=name, findings=told))
    return kept, findings


def _ids(clusters: Sequence[imported.Live]) -> tuple[dict[str, int], list[finding.Finding]]:
    """Return an id for each cluster: Cilium's where it has one of its own, else the next that is free."""
    ids: dict[str, int] = {}
    findings: list[finding.Finding] = []
    owners: dict[int, str] = {}
    for each in clusters:
        if each.id is not None and each.id <= agree.MAX_ID and each.id not in owners:
            ids[each.name], owners[each.id] = each.id, each.name
    free = (number for number in range(1, len(clusters) + len(owners) + 1) if number not in owners)
    given = []
    for each in clusters:
        if each.name in ids:
            continue
        ids[each.name] = next(free)
        if each.id is None:
            given.append(f"{each.name} {ids[each.name]}")
            continue
        findings.append(
            _finding(
                each.name,
                "duplicate-id",
                f"id {each.id} is of '{owners[each.id]}' already: {ids[each.name]} is written here"
                if each.id in owners
                else f"id {each.id} is above {agree.MAX_ID}, Cilium's highest: {ids[each.name]} is written",
                "give the running cluster that `cluster.id` before it joins the mesh; its pods restart then",
            )
        )
    if given:
        shown = ", ".join(given[:5]) + (", ..." if len(given) > 5 else "")
        findings.append(
            finding.Finding(
                code="ids-given",
                severity=finding.Severity.INFO,
                message=f"no Cilium id was found, so the next free ones are written: {shown}",
                remedy="keep them: `cluster.id` of Cilium is for life",
            )
        )
    return ids, findings


def _missing(each: imported.Live) -> Iterator[finding.Finding]:
    absent = [role.field for role in ranges.Role if not each.of(role)]
    if absent:
        words = " and ".join(f"`{field}`" for field in absent)
        yield _finding(
            each.name, "not-found", f"not found: {words}", f"write {words}; the plan cannot check it else"
        )
    if each.nodes is None:
        yield _finding(
            each.name, "not-found", "not found: `nodes`; 1 stands for it", "write how many there are"
        )
    for role in ranges.Role:
        if each.is_inferred(role) and each.of(role):
            text = ",".join(map(str, each.of(role)))
            yield _finding(
                each.name,
                "range-inferred",
                f"`{role.field}` {text} is inferred: the smallest range around "
                f"{each.sources[imported.attribute(role)]}, and the real one is as large or larger",
                f"write the range that was set, where you know it, as `{role.field}`",
            )


def _without(clusters: Sequence[imported.Live]) -> dict[str, Json]:
    """Return what live clusters state that have no Istio while others have."""
    return {
        each.name: {"enabled": False}
        for each in clusters
        if each.context is not None
        and each.istio is None
        and not any(found.code == "not-allowed" for found in each.findings)
    }


def _bare(clusters: Sequence[imported.Live], *, has_network: bool) -> Iterator[finding.Finding]:
    """Yield what it means that some clusters, or all, told of no Cilium."""
    bare = [each.name for each in clusters if each.network is None]
    if not bare:
        return
    shown = ", ".join(bare[:5]) + (", ..." if len(bare) > 5 else "")
    yield finding.Finding(
        code="network-not-found",
        severity=finding.Severity.WARNING if has_network else finding.Severity.INFO,
        message=f"no settings of Cilium were found of {shown}"
        + (", and what `network` says is taken for them too" if has_network else ""),
        remedy="state differences in `network` of the cluster, or `network: {cni: none}` for none at all",
    )


def _finding(cluster: str, code: str, message: str, remedy: str) -> finding.Finding:
    severity = finding.Severity.WARNING
    return finding.Finding(code=code, severity=severity, cluster=cluster, message=message, remedy=remedy)
