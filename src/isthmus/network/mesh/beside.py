"""Judges Istio beside Cilium, and beside other meshes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.mesh import settings
from isthmus.model import finding
from isthmus.model import mesh as meshes
from isthmus.network.mesh import servicemesh
from isthmus.network.paths import alike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import fleet
    from isthmus.network import place


def findings(known: fleet.Fleet, here: servicemesh.Here, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what Istio asks of Cilium, and what two meshes must not share."""
    yield from _trust(known, here, places)
    if here and settings.uses_cilium(known):
        yield from _cilium(known, here, places)


def _trust(known: fleet.Fleet, here: servicemesh.Here, places: place.Places) -> Iterator[finding.Finding]:
    usual = [index for index, own in here.items() if own.trust_domain == "cluster.local"]
    if usual:
        yield places.finding(
            servicemesh.place_of(known, usual[0], "trust_domain", places),
            code="default-trust-domain",
            message="the trust domain is cluster.local, as in every mesh that states none: identities of two "
            "such Fleets look alike, and it cannot be changed without new certificates everywhere",
            remedy="write one of your own before the first cluster: "
            f"`mesh: {{istio: {{trustDomain: {known.name}.local}}}}`",
            severity=finding.Severity.INFO,
        )


def _cilium(known: fleet.Fleet, here: servicemesh.Here, places: place.Places) -> Iterator[finding.Finding]:
    beside = {index: settings.cilium(known, known.clusters[index]) for index in here}
    yield places.finding(
        servicemesh.WORLD,
        code="istio-beside-cilium",
        message="Istio's CNI needs Cilium's `cni.exclusive: false`, which the plan renders; HTTP rules are "
        "Istio's then, since Cilium cannot look into mTLS (Cilium 1.20 network/servicemesh/istio.rst)",
        remedy="nothing to do with rendered values; set it where Cilium is installed by hand",
        severity=finding.Severity.INFO,
    )
    replaced = [
        index
        for index, own in beside.items()
        if own.kube_proxy_replacement and here[index].mode is meshes.Mode.SIDECAR
    ]
    if replaced:
        yield places.finding(
            servicemesh.WORLD,
            code="socket-lb-host-only",
            message=f"{alike.named(known, replaced)}: with kubeProxyReplacement a ClusterIP is resolved "
            "before the sidecar sees it, unless `socketLB.hostNamespaceOnly: true`, which the plan renders "
            "(cilium#16583)",
            remedy="nothing to do with rendered values; set it where Cilium is installed by hand",
            severity=finding.Severity.INFO,
        )
    masked = [
        index
        for index, own in beside.items()
        if own.egress_gateway and here[index].mode is meshes.Mode.AMBIENT
    ]
    if masked:
        yield places.finding(
            servicemesh.place_of(known, masked[0], "mode", places),
            code="ambient-and-masquerade",
            message=f"{alike.named(known, masked)}: Cilium's egress gateway needs bpf.masquerade, which "
            "breaks the kubelet's probes of ambient pods",
            remedy="leave `egressGateway` out, or use `mode: sidecar`",
        )
