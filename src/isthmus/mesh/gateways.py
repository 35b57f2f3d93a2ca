"""East-west gateways of Istio: what they let in, as objects; the gateway itself comes from its chart.

Objects as in samples/multicluster of Istio (expose-services, expose-istiod) and ambient/install/multicluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.model import datapath

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Values = dict[str, Any]

NAMESPACE: Final = "istio-system"
GATEWAY: Final = "istio-eastwestgateway"
CROSSING: Final = "cross-network-gateway"
NETWORK: Final = "topology.istio.io/network"
SNI_PORT: Final = 15443
"""Sidecars of other networks come in here, told apart by SNI (Istio application-requirements)."""
STATUS_PORT: Final = 15021
NODE_PORT: Final = 32443
"""Of nodes, where a Fleet names no other: the chart has none of its own."""

XDS_PORT: Final = 15012
WEBHOOK_PORT: Final = 15017
"""Proxies and API servers of remote clusters reach istiod by these two (Istio application-requirements)."""

HBONE_PORT: Final = 15008
"""Of ambient (Istio application-requirements)."""


class Address(NamedTuple):
    """Where a gateway is reached."""

    host: str
    port: int = SNI_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def values(
    network: str,
    *,
    exposure: datapath.Exposure,
    node_port: int | None = None,
    notes: Mapping[str, str],
    serves_remotes: bool = False,
) -> Values:
    """Return the Helm values of the gateway of a network; `notes` are annotations of its Service.

    The chart's own `networkGateway` has no port on nodes, and opens istiod's ports too, so what it does is
    written out (Istio 1.31 manifests/charts/gateway). Its right to read all Secrets of istio-system is for
    certificates of TLS that ends at a gateway, and here none does.
    """
    port: Values = {"name": "tls", "port": SNI_PORT, "targetPort": SNI_PORT, "protocol": "TCP"}
    if exposure is datapath.Exposure.NODE_PORT:
        port["nodePort"] = node_port or NODE_PORT
    status = {"name": "status-port", "port": STATUS_PORT, "targetPort": STATUS_PORT, "protocol": "TCP"}
    more = (("tls-istiod", XDS_PORT), ("tls-webhook", WEBHOOK_PORT)) if serves_remotes else ()
    further = [{"name": name, "port": each, "targetPort": each, "protocol": "TCP"} for name, each in more]
    service: Values = {"type": exposure.value, "ports": [status, port, *further]}
    if notes:
        service["annotations"] = dict(notes)
    return {
        "name": GATEWAY,
        "labels": {NETWORK: network},
        # Else it would send what came in out again to another network.
        "env": {"ISTIO_META_REQUESTED_NETWORK_VIEW": network},
        "rbac": {"enabled": False},
        "service": service,
    }


def networks(
    clusters: Mapping[str, Sequence[str]], addresses: Mapping[str, Sequence[Address]]
) -> dict[str, Values]:
    """Return istiod's `meshNetworks`: gateways of each network whose addresses are known.

    `clusters` are those of each network. A network that is left out is found by istiod itself, by the load
    balancers of Services with its label.
    """
    return {
        network: {
            "endpoints": [{"fromRegistry": name} for name in names],
            "gateways": [{"address": each.host, "port": each.port} for each in addresses[network]],
        }
        for network, names in sorted(clusters.items())
        if addresses.get(network)
    }


def _gateway(name: str, servers: list[Values]) -> Values:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": NAMESPACE},
        # The chart labels pods with the name of the release less `istio-`.
        "spec": {"selector": {"istio": GATEWAY.removeprefix("istio-")}, "servers": servers},
    }


def crossing() -> Values:
    """Return the gateway that passes mTLS on to the service that SNI names."""
    server = {
        "port": {"name": "tls", "number": SNI_PORT, "protocol": "TLS"},
        "tls": {"mode": "AUTO_PASSTHROUGH"},
        "hosts": ["*.local"],
    }
    return _gateway(CROSSING, [server])


def hbone(network: str) -> Values:
    """Return the gateway of ambient, in the words of the Gateway API."""
    terminate = {"gateway.istio.io/tls-terminate-mode": "ISTIO_MUTUAL"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": NAMESPACE, "labels": {NETWORK: network}},
        "spec": {
            "gatewayClassName": "istio-east-west",
            "listeners": [
                {
                    "name": "mesh",
                    "port": HBONE_PORT,
                    "protocol": "HBONE",
                    "tls": {"mode": "Terminate", "options": terminate},
                }
            ],
        },
    }


def exposed() -> list[Values]:
    """Return what lets remotes reach istiod through the gateway."""
    ports = ((XDS_PORT, "tls-istiod", XDS_PORT), (WEBHOOK_PORT, "tls-istiodwebhook", 443))
    servers = [
        {
            "port": {"name": name, "number": port, "protocol": "TLS"},
            "tls": {"mode": "PASSTHROUGH"},
            "hosts": ["*"],
        }
        for port, name, _ in ports
    ]
    routes = [
        {
            "match": [{"port": port, "sniHosts": ["*"]}],
            "route": [
                {"destination": {"host": f"istiod.{NAMESPACE}.svc.cluster.local", "port": {"number": target}}}
            ],
        }
        for port, _, target in ports
    ]
    service = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "istiod-vs", "namespace": NAMESPACE},
        "spec": {"hosts": ["*"], "gateways": ["istiod-gateway"], "tls": routes},
    }
    return [_gateway("istiod-gateway", servers), service]
