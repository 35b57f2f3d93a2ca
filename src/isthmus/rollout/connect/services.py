"""How an App's Services stand across clusters, as the clusters say: there, merged, exported, alike.

Pure: live Services and ServiceExports come in. Whether a name answers is asked by `verify`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding
from isthmus.rollout import exposure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isthmus.model import app as apps

Json = dict[str, Any]

ALIAS: Final = "io.cilium/global-service"
"""The older name of `service.cilium.io/global` (Cilium 1.20 pkg/annotation/k8s.go)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What one cluster has in the App's namespace, by name; `exports` is None where it has no such kind."""

    services: Mapping[str, Json] = dataclasses.field(default_factory=dict)
    exports: Mapping[str, Json] | None = None
    error: str = ""


def names(app: apps.App, seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """Return the Services that are about more than one cluster: those the App names, and global ones."""
    stated = [each.name for each in app.spec.services]
    live = {name for one in seen.values() for name, each in one.services.items() if is_global(each)}
    return (*stated, *sorted(live - set(stated)))


def is_global(service: Mapping[str, Any]) -> bool:
    """Say whether Cilium merges a Service with those of its name in other clusters."""
    notes = _notes(service)
    return notes.get(exposure.GLOBAL, notes.get(ALIAS)) == "true"


def rows(app: apps.App, seen: Mapping[str, Seen]) -> list[Json]:
    """Return the public form: one entry for each Service, with one for each cluster that answered."""
    return [
        {
            "app": app.name,
            "namespace": app.namespace,
            "service": name,
            "clusters": [_row(cluster, name, one) for cluster, one in seen.items() if not one.error],
        }
        for name in names(app, seen)
    ]


def judge(app: apps.App, seen: Mapping[str, Seen]) -> Iterator[finding.Finding]:
    """Yield what is wrong with the App's Services across the clusters that answered."""
    answered = {cluster: one for cluster, one in seen.items() if not one.error}
    for cluster, one in seen.items():
        if one.error:
            yield _finding(
                app, "", ("services-unread", one.error), "isthmus permissions connect status", cluster
            )
    stated = {each.name: each for each in app.spec.services}
    for name in names(app, answered):
        there = {cluster: one.services[name] for cluster, one in answered.items() if name in one.services}
        yield from _missing(app, name, there, answered)
        yield from _merged(app, name, there, is_stated=name in stated)
        if name in stated:
            yield from _as_stated(app, stated[name], there)
            yield from _exported(app, stated[name], answered, there)


def _missing(
    app: apps.App, name: str, there: Mapping[str, Json], answered: Mapping[str, Seen]
) -> Iterator[finding.Finding]:
    for cluster in answered:
        if cluster not in there:
            said = (
                f"it is in {', '.join(there)} and not here: callers here have no name for it"
                if there
                else "it is in no cluster yet"
            )
            yield _finding(app, name, ("service-missing", said), f"isthmus deploy up {app.name}", cluster)


def _merged(
    app: apps.App, name: str, there: Mapping[str, Json], *, is_stated: bool
) -> Iterator[finding.Finding]:
    merged = [cluster for cluster, each in there.items() if is_global(each)]
    for cluster, each in there.items():
        if merged and cluster not in merged and not is_stated:
            said = f"it is global in {', '.join(merged)} and not here, so it is alone here"
            remedy = (
                f"write it in the App's `services` with `global: true`, then isthmus deploy up {app.name}"
            )
            yield _finding(app, name, ("service-not-global", said), remedy, cluster)
        if _notes(each).get(exposure.AFFINITY) == "none":
            said = (
                "affinity `none` is written out, which lost all remote backends in Cilium 1.18 (cilium#46623)"
            )
            yield _finding(app, name, ("affinity-none", said), "leave the annotation out", cluster)
    told = {cluster: exposure.ports(each) for cluster, each in there.items()}
    if merged and len(set(told.values())) > 1:
        said = "its ports differ: " + "; ".join(f"{one} {', '.join(each)}" for one, each in told.items())
        yield _finding(app, name, ("service-ports-differ", said), "let the chart give all clusters the same")
    if merged and all(_notes(there[one]).get(exposure.SHARED) == "false" for one in merged):
        said = "no cluster shares its backends, so it is as if it were not global"
        yield _finding(app, name, ("service-shares-nothing", said), "take `shared: false` out of one cluster")


def _as_stated(app: apps.App, one: apps.Exposed, there: Mapping[str, Json]) -> Iterator[finding.Finding]:
    for cluster, each in there.items():
        live = _notes(each)
        for key, value in exposure.notes(one).items():
            if live.get(key) != value:
                said = f"{key} is {live.get(key) or 'not written'} here, and the App says {value}"
                remedy = f"isthmus deploy up {app.name}"
                yield _finding(app, one.name, ("service-not-exposed", said), remedy, cluster)


def _exported(
    app: apps.App, one: apps.Exposed, answered: Mapping[str, Seen], there: Mapping[str, Json]
) -> Iterator[finding.Finding]:
    for cluster in there if one.export else ():
        exports = answered[cluster].exports
        if exports is None:
            said = "it is to be exported, and this cluster has no kind ServiceExport"
            remedy = "write `network: {clusterset: true}` in the Fleet, then isthmus connect up"
            yield _finding(app, one.name, ("no-clusterset", said), remedy, cluster)
        elif one.name not in exports:
            said, remedy = "it has no ServiceExport here", f"isthmus deploy up {app.name}"
            yield _finding(app, one.name, ("export-missing", said), remedy, cluster)
        else:
            yield from _conditions(app, one.name, exports[one.name], cluster)


def _conditions(app: apps.App, name: str, export: Json, cluster: str) -> Iterator[finding.Finding]:
    bad = {"Conflict": "True", "Valid": "False", "Ready": "False"}
    for each in (export.get("status") or {}).get("conditions") or ():
        if bad.get(each.get("type")) == each.get("status"):
            said = f"its export is not whole ({each['type']}): {each.get('message') or each.get('reason')}"
            yield _finding(
                app, name, ("export-not-whole", said), "make the Service alike in all clusters", cluster
            )


def _row(cluster: str, name: str, one: Seen) -> Json:
    service = one.services.get(name)
    if service is None:
        return {"cluster": cluster, "present": False}
    notes = _notes(service)
    return {
        "cluster": cluster,
        "present": True,
        "global": is_global(service),
        "shared": notes.get(exposure.SHARED, "true") != "false",
        "affinity": notes.get(exposure.AFFINITY),
        "exported": name in (one.exports or {}),
        "ports": list(exposure.ports(service)),
    }


def _notes(service: Mapping[str, Any]) -> Mapping[str, str]:
    return (service.get("metadata") or {}).get("annotations") or {}


_WARNINGS: Final = frozenset(
    {
        "service-ports-differ",
        "affinity-none",
        "service-not-global",
        "service-shares-nothing",
        "services-unread",
    }
)


def _finding(
    app: apps.App, name: str, told: tuple[str, str], remedy: str, cluster: str | None = None
) -> finding.Finding:
    """Return a finding about a Service; `told` is its code and what it says."""
    code, message = told
    return finding.Finding(
        code=code,
        severity=finding.Severity.WARNING if code in _WARNINGS else finding.Severity.ERROR,
        message=message,
        remedy=remedy,
        kind="Service",
        namespace=app.namespace,
        name=name or None,
        cluster=cluster,
    )
