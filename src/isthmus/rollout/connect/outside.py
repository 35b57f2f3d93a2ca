"""Which pods of Apps are outside of the mesh, where Istio is: they take plain traffic, and send it.

A policy of the mesh (STRICT) is kept by sidecars: it says nothing to a pod that has none. Pure.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding
from isthmus.rollout.connect import istio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import app as apps
    from isthmus.model import fleet

Json = dict[str, Any]

SIDECAR: Final = "istio-proxy"
ENABLED: Final = "istio-injection"
REVISION: Final = "istio.io/rev"
EXCLUDED: Final = "traffic.sidecar.istio.io/excludeInboundPorts"
"""Annotation by which ports of a pod pass its sidecar by (Istio, resource annotations)."""
SHOWN: Final = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """An App's namespace in one cluster, None where it is not there, and the pods that run in it."""

    namespace: Json | None = None
    pods: tuple[Json, ...] = ()
    error: str = ""


def judge(known: fleet.Fleet, app: apps.App, seen: Mapping[str, Seen]) -> Iterator[finding.Finding]:
    """Yield what of an App is outside of the mesh in each cluster that has Istio."""
    for each in istio.members(known):
        one = seen.get(each.name)
        if one is None:
            continue
        if one.error:
            yield _about(
                "app-not-read",
                finding.Severity.INFO,
                f"whether its pods are in the mesh cannot be read: {one.error}",
                "isthmus permissions connect status prints the rights that it takes",
                each.name,
                app,
            )
        elif one.namespace is not None:
            yield from _cluster(each.name, app, one)


def _cluster(name: str, app: apps.App, one: Seen) -> Iterator[finding.Finding]:
    out = [each for each in one.pods if not has_sidecar(each)]
    if not _is_injected(one.namespace or {}):
        more = f": {_some(out)} take plain traffic" if out else ""
        yield _about(
            "app-out-of-mesh",
            finding.Severity.WARNING,
            f"pods of namespace {app.namespace} get no sidecar here{more}",
            f"kubectl label namespace {app.namespace} {ENABLED}=enabled; then restart its pods",
            name,
            app,
        )
    elif out:
        hosted = [each for each in out if (each.get("spec") or {}).get("hostNetwork")]
        others = [each for each in out if each not in hosted]
        for pods, why, remedy in (
            (others, "have no sidecar", "restart them: those made before the label have none"),
            (hosted, "are in the network of their node", "a sidecar cannot be in it: a policy has to do"),
        ):
            if pods:
                yield _about(
                    "pods-out-of-mesh",
                    finding.Severity.WARNING,
                    f"{_some(pods)} {why} and take plain traffic",
                    remedy,
                    name,
                    app,
                )
    open_ones = [each for each in one.pods if (each["metadata"].get("annotations") or {}).get(EXCLUDED)]
    if open_ones:
        yield _about(
            "ports-out-of-mesh",
            finding.Severity.WARNING,
            f"ports of {_some(open_ones)} pass the sidecar by ({EXCLUDED}) and take plain traffic",
            "take the annotation out where callers have a sidecar",
            name,
            app,
        )


def has_sidecar(pod: Json) -> bool:
    """Say whether a pod has Istio's proxy, also as a native sidecar."""
    spec = pod.get("spec") or {}
    listed = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return any(each.get("name") == SIDECAR for each in listed)


def _is_injected(namespace: Json) -> bool:
    labels = namespace["metadata"].get("labels") or {}
    return labels.get(ENABLED) == "enabled" or (ENABLED not in labels and bool(labels.get(REVISION)))


def _some(pods: Sequence[Json]) -> str:
    names = [str(each["metadata"]["name"]) for each in pods]
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _about(
    code: str,
    severity: finding.Severity,
    message: str,
    remedy: str,
    cluster: str,
    app: apps.App,
) -> finding.Finding:
    return finding.Finding(
        code=code,
        severity=severity,
        message=message,
        remedy=remedy,
        cluster=cluster,
        kind="App",
        namespace=app.namespace,
        name=app.name,
    )
