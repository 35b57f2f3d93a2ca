"""What an App's Services say across clusters: Cilium's annotations and MCS exports, as parts of a step.

Pure: live Services come in. The chart stays as it is; what it writes against the App is an error.
Names: Cilium 1.20 network/clustermesh/global-services.rst and mcsapi.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding
from isthmus.rollout import part as parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import app as apps

Json = dict[str, Any]

GLOBAL: Final = "service.cilium.io/global"
SHARED: Final = "service.cilium.io/shared"
AFFINITY: Final = "service.cilium.io/affinity"
EXPORTED: Final = "isthmus.dev/exported"
"""Says on the Service that its ServiceExport is ours."""
API: Final = "multicluster.x-k8s.io/v1beta1"
EXPORT: Final = "ServiceExport"


def notes(one: apps.Exposed) -> dict[str, str]:
    """Return the annotations of a Service; an affinity of none is no annotation (cilium#46623)."""
    found = {GLOBAL: "true"} if one.is_global else {}
    if one.is_global and not one.shared:
        found[SHARED] = "false"
    if one.is_global and one.affinity is not None:
        found[AFFINITY] = one.affinity
    return found | ({EXPORTED: "true"} if one.export else {})


def of(app: apps.App, live: Sequence[Mapping[str, Any]]) -> tuple[parts.Part, ...]:
    """Return what is written on the Services of an App in one cluster, given those of its namespace."""
    wanted = {each.name: each for each in app.spec.services}
    there = {str(each["metadata"]["name"]): each for each in live}
    stale = [name for name, each in there.items() if name not in wanted and _ours(each)]
    found: list[parts.Part] = []
    for name in (*wanted, *sorted(stale)):
        one, before = wanted.get(name), _ours(there[name]) if name in there else {}
        after = notes(one) if one is not None else {}
        found.append(_service(app.namespace, name, after, before))
        if EXPORTED in before or EXPORTED in after:
            found.append(_export(app.namespace, name, one, was=EXPORTED in before))
    return tuple(found)


def out(app: apps.App) -> tuple[parts.Part, ...]:
    """Return what goes with an App that is taken out: its Services are the chart's, exports are ours."""
    return tuple(
        parts.Part(
            api_version=API, kind=EXPORT, namespace=app.namespace, name=each.name, body=None, before=None
        )
        for each in app.spec.services
        if each.export
    )


def findings(app: apps.App, rendered: Mapping[str, Sequence[Json]]) -> Iterator[finding.Finding]:
    """Yield where the chart of a cluster does not fit what the App says of its Services."""
    services = {cluster: _services(objects) for cluster, objects in rendered.items()}
    for one in app.spec.services:
        for cluster, found in services.items():
            yield from _fits(app, one, cluster, found)
        told = {cluster: ports(found[one.name]) for cluster, found in services.items() if one.name in found}
        if len(set(told.values())) > 1:
            said = "; ".join(f"{cluster} {', '.join(each)}" for cluster, each in sorted(told.items()))
            yield _finding(
                app,
                one.name,
                ("service-ports-differ", f"its ports differ: {said}"),
                "Cilium merges backends by port and name: let the chart give all clusters the same",
                severity=finding.Severity.WARNING,
            )


def _services(objects: Sequence[Json]) -> dict[str, Json]:
    return {str(each["metadata"]["name"]): each for each in objects if each.get("kind") == "Service"}


def _fits(
    app: apps.App, one: apps.Exposed, cluster: str, found: Mapping[str, Json]
) -> Iterator[finding.Finding]:
    if one.name not in found:
        said = f"the chart has no such Service: {', '.join(sorted(found)) or 'it has none'}"
        remedy = "name one that it has, or take the entry out of `services`"
        yield _finding(app, one.name, ("service-not-rendered", said), remedy, cluster=cluster)
        return
    written = found[one.name]["metadata"].get("annotations") or {}
    for key, value in notes(one).items():
        if key in written and str(written[key]) != value:
            said = f"the chart writes {key}: {written[key]}, and the App says {value}"
            remedy = "change the chart's values, or the App's `services`"
            yield _finding(app, one.name, ("annotation-in-chart", said), remedy, cluster=cluster)


def forgotten(app: apps.App, cluster: str, why: str) -> finding.Finding:
    """Return that a rollback leaves what was written across clusters as it is now."""
    said = f"what its Services said across clusters before is not known any more: {why}"
    remedy = "write `services` as they were, then isthmus deploy up"
    told = ("services-forgotten", said)
    return _finding(app, app.name, told, remedy, cluster=cluster, severity=finding.Severity.WARNING)


def ports(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ports of a Service as `name:port/protocol`, sorted."""
    listed = (service.get("spec") or {}).get("ports") or ()
    return tuple(
        sorted(
            f"{each.get('name') or ''}:{each.get('port')}/{each.get('protocol') or 'TCP'}" for each in listed
        )
    )


def _ours(live: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations of a Service that we wrote."""
    held = (live.get("metadata") or {}).get("annotations") or {}
    mine = parts.owned(live, "metadata", "annotations")
    return {key: str(value) for key, value in held.items() if key in mine}


def _service(namespace: str, name: str, after: dict[str, str], before: dict[str, str]) -> parts.Part:
    return parts.Part(
        api_version="v1",
        kind="Service",
        namespace=namespace,
        name=name,
        body={"metadata": {"annotations": after}},
        before={"metadata": {"annotations": before}},
        only_on=True,
    )


def _export(namespace: str, name: str, one: apps.Exposed | None, *, was: bool) -> parts.Part:
    body: Json | None = {} if one is not None and one.export else None
    if body is not None and one is not None and one.affinity is not None:
        body = {"spec": {"exportedAnnotations": {AFFINITY: one.affinity}}}
    return parts.Part(
        api_version=API, kind=EXPORT, namespace=namespace, name=name, body=body, before={} if was else None
    )


def _finding(
    app: apps.App,
    name: str,
    told: tuple[str, str],
    remedy: str,
    *,
    cluster: str | None = None,
    severity: finding.Severity = finding.Severity.ERROR,
) -> finding.Finding:
    """Return a finding about a Service; `told` is its code and what it says."""
    code, message = told
    return finding.Finding(
        code=code,
        severity=severity,
        message=message,
        remedy=remedy,
        kind="Service",
        namespace=app.namespace,
        name=name,
        cluster=cluster,
    )
