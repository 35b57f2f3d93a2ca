"""East-west gateways of Istio: what they let in, as objects; the gateway itself comes from its chart.

Objects as in samples/multicluster of Istio (expose-services, expose-istiod) and ambient/install/multicluster.
"""

from __future__ import annotations

from typing import Any, Final

Values = dict[str, Any]

NAMESPACE: Final = "istio-system"
GATEWAY: Final = "istio-eastwestgateway"
NETWORK: Final = "topology.istio.io/network"
SNI_PORT: Final = 15443
"""Sidecars of other networks come in here, told apart by SNI (Istio application-requirements)."""

XDS_PORT: Final = 15012
WEBHOOK_PORT: Final = 15017
"""Proxies and API servers of remote clusters reach istiod by these two (Istio application-requirements)."""

HBONE_PORT: Final = 15008
"""Of ambient (Istio application-requirements)."""


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
    return _gateway("cross-network-gateway", [server])


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
