"""Helm values of Cilium and Istio that are not a user's to write beside the Fleet, and what to write instead.

A value of a field that the plan has judged would be another one in the cluster; trust and peers follow from
all clusters together. What is not in the table may be written in `values` and wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import explain, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import source

OWNED: Final[Mapping[str, str]] = {
    "cluster.name": "the cluster's `name` says it",
    "cluster.id": "the cluster's `id` says it",
    "MTU": "write `network.mtu`",
    "routingMode": "write `network.routing`",
    "tunnelProtocol": "write `network.encapsulation`",
    "underlayProtocol": "write `network.underlay`",
    "encryption.enabled": "write `network.encryption`",
    "encryption.type": "write `network.encryption`",
    "kubeProxyReplacement": "write `network.kubeProxyReplacement`",
    "k8sServiceHost": "write `apiServer` in the cluster's `network`",
    "k8sServicePort": "write `apiServer` in the cluster's `network`",
    "egressGateway.enabled": "write `network.egressGateway`",
    "ipam": "write `ipam` in the cluster's `network`, and ranges in `addressing`",
    "hubble.enabled": "write `network.hubble`",
    "hubble.tls": "the certificates are made by `connect`",
    "hubble.relay.tls": "the certificates are made by `connect`",
    "tls.ca": "name the authority with --ca: its key is in no cluster",
    "tls.caBundle": "the authority's certificate is distributed by `connect`",
    "clustermesh.useAPIServer": "a Fleet of several clusters is a mesh",
    "clustermesh.maxConnectedClusters": "write `network.maxConnectedClusters`",
    "clustermesh.mcsapi.enabled": "write `network.clusterset`",
    "clustermesh.mcsapi.corednsAutoConfigure": "names of the clusterset are brought to CoreDNS by `connect`",
    "clustermesh.config": "the peers follow from the Fleet",
    "clustermesh.apiserver.tls": "the certificates are made by `connect`",
    "clustermesh.apiserver.kvstoremesh.enabled": "it is always on",
    "clustermesh.apiserver.kvstoremesh.kvstoreMode": "it is always `internal`",
    "clustermesh.apiserver.service.type": "write `network.exposure`",
    "clustermesh.apiserver.service.nodePort": "write `network.nodePort`",
}
"""Dotted path to where it is decided; all below a path is owned too."""

ISTIO: Final[Mapping[str, str]] = {
    "profile": "write `mesh.istio.mode`",
    "revision": "a cluster has one istiod",
    "meshConfig.trustDomain": "write `mesh.istio.trustDomain`",
    "global.meshID": "write `mesh.istio.meshId`",
    "global.multiCluster": "the cluster's `name` says it",
    "global.network": "write `mesh.istio.network`",
    "global.istioNamespace": "it is always `istio-system`",
    "global.externalIstiod": "write `mesh.istio.topology`",
    "global.remotePilotAddress": "write `mesh.istio.topology`",
    "global.enableReaderRBAC": "who reads from other clusters gets a role without `secrets` from `connect`",
    "pilot.cni": "istio-cni is not installed by `connect`",
}
"""The same for `mesh.istio.values`."""

GATEWAY: Final[Mapping[str, str]] = {
    "name": "it is always `istio-eastwestgateway`",
    "revision": "a cluster has one istiod",
    "kind": "it is always a Deployment",
    "networkGateway": "write `network` of the cluster's `istio`",
    "labels.topology.istio.io/network": "write `network` of the cluster's `istio`",
    "env.ISTIO_META_REQUESTED_NETWORK_VIEW": "write `network` of the cluster's `istio`",
    "service.type": "write `mesh.istio.gateway.exposure`",
    "service.ports": "write `mesh.istio.gateway.nodePort`",
}
"""The same for `mesh.istio.gateway.values`."""


def findings(
    document: source.Document,
    path: source.Path,
    values: Mapping[str, Any],
    *,
    cluster: str | None,
    table: Mapping[str, str] = OWNED,
) -> Iterator[finding.Finding]:
    """Yield an error for each value below `values` that is owned by the `table`."""
    for place in _paths(values):
        dotted = ".".join(place)
        owner = next((each for each in table if dotted == each or dotted.startswith(f"{each}.")), None)
        if owner is not None:
            yield explain.about(
                document,
                (*path, *place),
                code="value-owned",
                message=f"`{dotted}` is not written in `values`: {table[owner]}",
                remedy="take it out of `values`",
                cluster=cluster,
            )


def _paths(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each leaf; an empty mapping or a null is one, since it replaces what is below."""
    for key, value in values.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from _paths(value, here)
        else:
            yield here
