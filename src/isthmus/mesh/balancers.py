"""Load balancers between clusters: the annotations that keep one off the internet, by provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.model import datapath

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERNAL: Final[Mapping[datapath.Provider | None, Mapping[str, str]]] = {
    # Global access: without it a GKE internal load balancer answers its own region alone.
    datapath.Provider.GCP: {
        "networking.gke.io/load-balancer-type": "Internal",
        "networking.gke.io/internal-load-balancer-allow-global-access": "true",
    },
    # The first is read by the AWS Load Balancer Controller, the second by the in-tree provider.
    datapath.Provider.AWS: {
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
        "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    },
    datapath.Provider.AZURE: {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
    datapath.Provider.ALIBABACLOUD: {
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type": "intranet"
    },
}
"""Annotations that keep a load balancer off the internet (Cilium 1.20 network/clustermesh/*-prep.rst)."""


def internal(provider: datapath.Provider | None) -> dict[str, str]:
    """Return the annotations that keep a load balancer of a provider off the internet."""
    return dict(INTERNAL[provider]) if provider in INTERNAL else {}
