"""Numbers that Cilium ClusterMesh and Istio do not go beyond; `network` holds a Fleet against them."""

from __future__ import annotations

from typing import Final

IDENTITIES: Final = {255: 65535, 511: 32767}
"""Identities that one cluster can have, by maxConnectedClusters, which is one of these and the same in
all clusters, for ever (Cilium 1.20 clustermesh/setup.rst; pkg/clustermesh/types/option.go)."""

DEFAULT_MAX: Final = 255
"""maxConnectedClusters where nobody states it (Cilium 1.20 values.yaml)."""

BAD_BIT: Final = 0x80
"""Ids with this bit clash with marks on packets of ENI, Alibaba Cloud and aws-cni: 128 to 255 and 384 to
511 (Cilium 1.20 option.go, ValidateBuggyClusterID; cilium#21330)."""

IPSEC_NODES: Final = 65535
"""Nodes of a mesh with IPsec (Cilium 1.20 encryption-ipsec.rst)."""

AMBIENT_SINCE: Final = 27
"""The first minor version of Istio 1 with ambient over several networks: alpha in 1.27, beta in 1.29."""

AMBIENT_BETA: Final = 29
"""Same."""


def clashes(cluster_id: int) -> bool:
    """Say whether an id has the bit that ENI, Alibaba Cloud and aws-cni need for themselves."""
    return cluster_id & BAD_BIT != 0
