"""Trouble 14: settings of Cilium that pass Istio's sidecars by (Cilium 1.20 servicemesh/istio.rst)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.analysis import report
from isthmus.analysis.snapshot import Istio, Missing, Site, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

TROUBLE: Final = 14
KEYS: Final = ("kube-proxy-replacement", "bpf-lb-sock-hostns-only", "cni-exclusive")


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield settings that do not go together, in clusters that have both."""
    for site in seen.answering:
        if not isinstance(site.istio, Istio) or not site.config:
            continue
        if isinstance(site.config, Missing):
            yield report.unchecked(TROUBLE, site, "Cilium's settings beside Istio", site.config)
            continue
        if (
            site.setting("kube-proxy-replacement") == "true"
            and site.setting("bpf-lb-sock-hostns-only") != "true"
        ):
            yield _told(
                seen,
                site,
                "sidecars-bypassed",
                "Cilium balances in the pods' own sockets: calls pass Istio's sidecars by (cilium#16583)",
                "socketLB.hostNamespaceOnly: true",
                report.Severity.ERROR,
            )
        if site.setting("cni-exclusive") == "true":
            yield _told(
                seen,
                site,
                "cni-exclusive",
                "Cilium moves other CNI files away, istio-cni's too; without istio-cni it does no harm",
                "cni.exclusive: false",
                report.Severity.WARNING,
            )


def _told(
    seen: Snapshot, site: Site, code: str, message: str, value: str, severity: report.Severity
) -> report.Diagnosis:
    return report.found(
        TROUBLE,
        code,
        site,
        message,
        f"`{value}` in Helm's values (`network.values` of the Fleet), then: {seen.up}",
        severity=severity,
        kind="ConfigMap",
        name="cilium-config",
        evidence=(", ".join(f"{key}: {site.setting(key) or 'not set'}" for key in KEYS),),
    )
