"""Which certificates a cluster's Cilium needs: names, purposes, and the Secrets that the chart mounts.

Names and SANs: Cilium 1.20 templates/clustermesh-apiserver/{_helpers.tpl,tls-cronjob/_job-spec.tpl} and
templates/hubble/tls-helm. Nothing is issued here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from isthmus.model import fleet

NAMESPACE: Final = "kube-system"
SERVER: Final = "clustermesh-apiserver-server-cert"
ADMIN: Final = "clustermesh-apiserver-admin-cert"
REMOTE: Final = "clustermesh-apiserver-remote-cert"
LOCAL: Final = "clustermesh-apiserver-local-cert"
HUBBLE_SERVER: Final = "hubble-server-certs"
HUBBLE_RELAY: Final = "hubble-relay-client-certs"
SECRETS: Final = (SERVER, ADMIN, REMOTE, LOCAL, HUBBLE_SERVER, HUBBLE_RELAY)

_MESH_DOMAIN: Final = "*.mesh.cilium.io"
"""Remote clusters reach it as CLUSTER.mesh.cilium.io (values.yaml, clustermesh.config.domain)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaf:
    """One certificate: the Secret that holds it, its names, what it is good for."""

    secret: str
    common_name: str
    namespace: str = NAMESPACE
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    server: bool = False
    client: bool = False


def of(
    cluster: fleet.Cluster, *, is_meshed: bool, hubble: bool, names: tuple[str, ...] = ()
) -> tuple[Leaf, ...]:
    """Return what a cluster needs; by `names` others reach its ClusterMesh API server too."""
    found = _mesh(cluster.name, names) if is_meshed else ()
    return (*found, *(_hubble(cluster.name) if hubble else ()))


def _mesh(name: str, names: tuple[str, ...]) -> tuple[Leaf, ...]:
    service = f"clustermesh-apiserver.{NAMESPACE}.svc"
    return (
        # A client too: etcd calls itself with its own certificate (Cilium 1.20, PR 43230).
        Leaf(
            secret=SERVER,
            common_name=service,
            dns=(service, _MESH_DOMAIN, *names),
            addresses=("127.0.0.1", "::1"),
            server=True,
            client=True,
        ),
        Leaf(secret=ADMIN, common_name=f"admin-{name}", client=True),
        Leaf(secret=REMOTE, common_name=f"remote-{name}", client=True),
        Leaf(secret=LOCAL, common_name=f"local-{name}", client=True),
    )


def _hubble(name: str) -> tuple[Leaf, ...]:
    agent, relay = f"*.{name.replace('.', '-')}.hubble-grpc.cilium.io", "*.hubble-relay.cilium.io"
    return (
        Leaf(secret=HUBBLE_SERVER, common_name=agent, dns=(agent,), server=True),
        Leaf(secret=HUBBLE_RELAY, common_name=relay, dns=(relay,), client=True),
    )
