"""Reads what decides who may talk to whom in a live cluster: pods, services, nodes and every kind of policy.

It changes nothing. A kind that the cluster does not serve is not there; one that the user may not read is a
finding, since a verdict without it may be wrong. What objects mean is in `policy/manifests`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from isthmus.clients import kube

Json = dict[str, Any]
OWN: Final = (kinds.NAMESPACE, kinds.NODE, kinds.SERVICE, kinds.POD, kinds.NETWORK_POLICY)
"""Kinds that every cluster serves."""
OWNERS: Final = (kinds.REPLICA_SET, kinds.JOB)
"""Kinds between a pod and its workload; their metadata is enough."""
SERVED: Final = (
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("networking.k8s.io/v1", "Ingress"),
    ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
    ("cilium.io/v2", "CiliumNetworkPolicy"),
    ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
    ("cilium.io/v2", "CiliumCIDRGroup"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("security.istio.io/v1", "RequestAuthentication"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("networking.istio.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
)
"""Kinds that a cluster serves where something brought them."""


async def read(server: kube.Cluster) -> tuple[list[Json], list[finding.Finding]]:
    """Return the objects of one cluster, and what it refused; UnreachableError when it does not answer."""
    refused: list[finding.Finding] = []

    async def listed(kind: kinds.Kind, *, is_brief: bool = False) -> list[Json]:
        try:
            if is_brief:
                return [
                    {**each, "kind": kind.kind, "apiVersion": kind.api_version}
                    for each in await server.list_metadata(kind)
                ]
            return await server.list(kind)
        except errors.UnauthenticatedError:
            raise
        except errors.DeniedError as error:
            refused.append(_refused(server.name, kind, error))
            return []

    async def served(api_version: str, kind: str) -> list[Json]:
        found = await server.resolve(api_version, kind)
        return [] if found is None else await listed(found)

    lists = await asyncio.gather(
        *(listed(kind) for kind in OWN),
        *(listed(kind, is_brief=True) for kind in OWNERS),
        *(served(*each) for each in SERVED),
    )
    return [each for one in lists for each in one], refused


def _refused(cluster: str, kind: kinds.Kind, error: errors.DeniedError) -> finding.Finding:
    return finding.Finding(
        code="not-readable",
        severity=finding.Severity.WARNING,
        cluster=cluster,
        kind=kind.kind,
        message=f"{kind.plural} were not read, so the verdict is without them: {error.why or error.what}",
        remedy="isthmus permissions access matrix prints the rights that this needs",
    )
