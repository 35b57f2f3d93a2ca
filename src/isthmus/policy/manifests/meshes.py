"""How Istio carries a pod, from what stands in the manifests.

Sources: Istio's injection webhooks (`manifests/charts/istio-control/istio-discovery/files/
injection-template`, `pkg/kube/inject/inject.go` `injectRequired`), ambient labels (`istio.io/api` label
`AmbientDataplaneMode`, `AmbientUseWaypoint`; `cni/pkg/util/podutil.go` `PodRedirectionEnabled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import world

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXY: Final = "istio-proxy"
INJECT: Final = "sidecar.istio.io/inject"
INJECTION: Final = "istio-injection"
REVISION: Final = "istio.io/rev"
DATAPLANE: Final = "istio.io/dataplane-mode"
WAYPOINT: Final = "istio.io/use-waypoint"
WAYPOINT_NAMESPACE: Final = "istio.io/use-waypoint-namespace"


def mesh(
    pod: Mapping[str, str],
    annotations: Mapping[str, str],
    namespace: Mapping[str, str],
    spec: Mapping[str, Any],
) -> world.Mesh:
    """Return the mode of a pod of these labels and annotations in a namespace of those labels."""
    if spec.get("hostNetwork") is True:
        return world.Mesh.NONE
    if _has_proxy(spec) or _is_injected(pod, annotations, namespace):
        return world.Mesh.SIDECAR
    mode = pod.get(DATAPLANE, namespace.get(DATAPLANE))
    return world.Mesh.AMBIENT if mode == "ambient" else world.Mesh.NONE


def waypoint(own: str, *holders: Mapping[str, str]) -> str | None:
    """Return `namespace/name` of the waypoint that the first of some labels names, from namespace `own`."""
    for labels in holders:
        name = labels.get(WAYPOINT)
        if name is not None:
            return None if name == "none" else f"{labels.get(WAYPOINT_NAMESPACE, own)}/{name}"
    return None


def _has_proxy(spec: Mapping[str, Any]) -> bool:
    for key in ("containers", "initContainers"):
        containers = spec.get(key)
        if isinstance(containers, list):
            for each in containers:
                if isinstance(each, dict) and each.get("name") == PROXY:
                    return True
    return False


def _is_injected(
    pod: Mapping[str, str], annotations: Mapping[str, str], namespace: Mapping[str, str]
) -> bool:
    asked = pod.get(INJECT, annotations.get(INJECT))
    injection = namespace.get(INJECTION)
    if injection == "disabled":
        return False
    if injection == "enabled" or REVISION in namespace:
        return asked != "false"
    return pod.get(INJECT) == "true" or (REVISION in pod and pod.get(INJECT) != "false")
