"""Whether the parts of Cilium run at all: clusters that are silent, workloads that are not ready.

A part that runs is not thereby right: the other checks say what is wrong with it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis import report
from isthmus.analysis.snapshot import Missing, Part, Site, Snapshot, kubectl
from isthmus.model import finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TROUBLE: Final = 0
PODS: Final = {
    "agents": "-n kube-system get pods -l k8s-app=cilium",
    "operator": "-n kube-system get pods -l io.cilium/app=operator",
    "mesh": "-n kube-system get pods -l k8s-app=clustermesh-apiserver",
    "relay": "-n kube-system get pods -l k8s-app=hubble-relay",
    "istiod": "-n istio-system get pods -l app=istiod",
    "gateway": "-n istio-system get pods -l istio=eastwestgateway",
}
"""How kubectl is asked for the pods of a part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Component:
    """A workload: pods that are ready, and how many there should be."""

    ready: int
    desired: int

    @property
    def is_whole(self) -> bool:
        """Say whether all are ready."""
        return self.ready >= self.desired


def of(body: Mapping[str, Any] | None) -> Component | None:
    """Return how a DaemonSet or Deployment stands; pods of an older template count as not ready."""
    if body is None:
        return None
    ready, updated, desired = counts(body)
    return Component(ready=min(ready, updated), desired=desired)


def counts(body: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return how many pods of a DaemonSet or Deployment are ready, of its newest template, and wanted."""
    status, spec = body.get("status") or {}, body.get("spec") or {}
    if body.get("kind") == "DaemonSet":
        desired = status.get("desiredNumberScheduled")
        ready, updated = status.get("numberReady"), status.get("updatedNumberScheduled")
    else:
        desired = spec.get("replicas", 1)
        ready, updated = status.get("readyReplicas"), status.get("updatedReplicas")
    return int(ready or 0), int(updated or 0), int(desired or 0)


def silent(cluster: str, why: str, remedy: str = "bring it back") -> finding.Finding:
    """Return that a cluster does not answer."""
    return _error("cluster-silent", cluster, why, remedy)


def not_ready(cluster: str, part: str, seen: Component) -> finding.Finding:
    """Return that pods of a part are not ready."""
    return _error(
        "not-ready",
        cluster,
        f"{part}: {seen.ready} of {seen.desired} are ready",
        f"kubectl {PODS[part]}",
    )


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield clusters that are silent or without Cilium, and parts that are not ready."""
    for site in seen.sites.values():
        if site.silent is not None:
            told = silent(site.cluster, site.silent.why, site.silent.remedy or "bring it back")
            yield report.Diagnosis(trouble=TROUBLE, finding=told)
            yield report.unchecked(TROUBLE, site, "everything", site.silent)
        elif isinstance(site.parts, Missing):
            yield report.unchecked(TROUBLE, site, "workloads of Cilium", site.parts)
        elif "agents" not in site.parts:
            why = Missing(why="no DaemonSet kube-system/cilium is there", remedy=seen.up)
            yield report.unchecked(TROUBLE, site, "Cilium", why)
        else:
            yield from _parts(site, site.parts)


def _parts(site: Site, parts: Mapping[str, Part]) -> Iterator[report.Diagnosis]:
    for name, part in parts.items():
        stands = Component(ready=min(part.ready, part.updated), desired=part.desired)
        told = not_ready(site.cluster, name, stands)
        if name == "mesh" and not part.desired:
            words = "the ClusterMesh API server is scaled to 0: other clusters hear nothing new from here"
            remedy = kubectl(site, f"-n kube-system scale deployment/{part.workload} --replicas=1")
            told = dataclasses.replace(told, message=words, remedy=remedy)
        elif stands.is_whole:
            continue
        else:
            remedy = kubectl(site, PODS[name])
            told = dataclasses.replace(told, remedy=remedy)
        yield report.Diagnosis(trouble=TROUBLE, finding=told, evidence=(_counted(part),))


def _counted(part: Part) -> str:
    return (
        f"{part.workload}: {part.ready} ready, {part.updated} of the newest template, {part.desired} wanted"
    )


def _error(code: str, cluster: str, message: str, remedy: str) -> finding.Finding:
    return finding.Finding(
        code=code, severity=finding.Severity.ERROR, message=message, remedy=remedy, cluster=cluster
    )
