"""The ground of an App's namespace: nothing goes in or out, but what every pod lives by, each by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels, world
from isthmus.policy.intents import cilium, istio, kubernetes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.policy.intents import ground

Json = dict[str, Any]
DENY: Final = "isthmus-default-deny"
ISTIOD: Final = 15012
"""Where proxies get configuration and certificates (istio.io application-requirements)."""
PROBES: Final = ("169.254.7.127/32", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128")
"""What ambient gives the kubelet's probes as their source, which Cilium takes for no node (istio#49277)."""
GATEWAY: Final = 15443
"""Where an east-west gateway takes connections for its cluster."""


def of(namespace: str, here: ground.Ground, *, istiods: Sequence[str], gateways: bool) -> list[Json]:
    """Return the objects of one namespace in one cluster.

    `istiods` are the clusters whose istiod serves this one; `gateways` says whether the mesh spans networks.
    """
    found = [_cilium(namespace, here, istiods=istiods, gateways=gateways)]
    if here.enforcer is not world.Enforcer.CILIUM:
        found = [_kubernetes(namespace, here)]
    if here.mesh is not world.Mesh.NONE:
        found.append(istio.deny(DENY, namespace))
    return found


def _cilium(namespace: str, here: ground.Ground, *, istiods: Sequence[str], gateways: bool) -> Json:
    both = [{"port": "53", "protocol": protocol} for protocol in ("UDP", "TCP")]
    egress: list[Json] = [{"toEndpoints": [cilium.dns(here.cluster)], "toPorts": [{"ports": both}]}]
    ingress: list[Json] = []
    if here.mesh is world.Mesh.SIDECAR:
        egress.append({"toEndpoints": [_istiod(istiods)], "toPorts": [_port(ISTIOD)]})
        if gateways:
            egress.append({"toEntities": ["world"], "toPorts": [_port(GATEWAY)]})
    if here.mesh is world.Mesh.AMBIENT:
        ingress.append({"fromCIDR": list(PROBES)})
    spec: Json = {"endpointSelector": {}, "enableDefaultDeny": {"ingress": True, "egress": True}}
    return cilium.policy(DENY, namespace, {**spec, "ingress": ingress or [{}], "egress": egress})


def _istiod(clusters: Sequence[str]) -> Json:
    own = {f"k8s:{labels.NAMESPACE}": "istio-system", "k8s:app": "istiod"}
    chosen = {"key": labels.CLUSTER, "operator": "In", "values": sorted(clusters)}
    return {"matchLabels": own, "matchExpressions": [chosen]}


def _port(number: int) -> Json:
    return {"ports": [{"port": str(number), "protocol": "TCP"}]}


def _kubernetes(namespace: str, here: ground.Ground) -> Json:
    both = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    egress: list[Json] = [{"to": [kubernetes.DNS], "ports": both}]
    if here.mesh is world.Mesh.SIDECAR:
        istiod = {
            "namespaceSelector": {"matchLabels": {kubernetes.NAME: "istio-system"}},
            "podSelector": {"matchLabels": {"app": "istiod"}},
        }
        egress.append({"to": [istiod], "ports": [{"port": ISTIOD, "protocol": "TCP"}]})
    ingress: list[Json] = []
    if here.mesh is world.Mesh.AMBIENT:
        ingress.append({"from": [{"ipBlock": {"cidr": each}} for each in PROBES]})
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress}
    return kubernetes.policy(DENY, namespace, spec)
