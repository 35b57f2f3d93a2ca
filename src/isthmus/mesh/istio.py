"""Helm values and objects of Istio for each cluster of a Fleet, as plain data.

The same are rendered by `plan render istio` and installed by `connect`. The trust (Secret `cacerts`) and the
remote secrets hold keys, so they are made where Istio is installed, never here. Names of values: the charts
of Istio 1.30, manifests/charts/*/values.yaml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import balancers, gateways, settings
from isthmus.mesh import remotes as flat
from isthmus.model import datapath, errors
from isthmus.model import mesh as meshes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.model import fleet

Values = dict[str, Any]

MANAGED: Final = frozenset(
    {
        datapath.Provider.GCP,
        datapath.Provider.AWS,
        datapath.Provider.AZURE,
        datapath.Provider.ALIBABACLOUD,
        None,
    }
)
"""Providers whose API servers stand outside of the cluster's overlay; an unknown one is taken for such."""


def charts(
    known: fleet.Fleet,
    cluster: fleet.Cluster,
    *,
    pilots: Mapping[str, str] | None = None,
    addresses: Mapping[str, Sequence[gateways.Address]] | None = None,
    root: str = "",
) -> dict[str, Values]:
    """Return the Helm values by chart, in the order of installation; nothing outside of the mesh.

    Charts are `base`, `istiod`, `cni`, `ztunnel` (ambient) and `gateway` (the east-west gateway). `pilots`
    has the address of each primary's east-west gateway; without it a remote of that primary is refused.
    `addresses` has those of east-west gateways, by network. With `root` (PEM) remotes reach istiod on the
    flat network of ClusterMesh instead (`remotes`), and no gateway stands before it.
    """
    own = settings.istio(known, cluster)
    if own is None:
        return {}
    if root:
        found = {"base": _flat_base(known, cluster), "istiod": _flat(known, cluster, own, root)}
    else:
        found = {"base": _base(known, cluster), "istiod": _istiod(known, cluster, own, pilots or {})}
    found["cni"] = _cni(cluster, own)
    if own.mode is meshes.Mode.AMBIENT:
        found["ztunnel"] = _ztunnel(cluster, own)
    if addresses and (crossed := gateways.networks(networks(known), addresses)):
        found["istiod"]["global"]["meshNetworks"] = crossed
    serves_remotes = not root and bool(flat.of(known, cluster.name))
    if has_gateway(known, cluster) or serves_remotes:
        is_balanced = own.exposure is datapath.Exposure.LOAD_BALANCER
        found["gateway"] = gateways.values(
            own.network,
            exposure=own.exposure,
            node_port=own.node_port,
            notes=balancers.internal(cluster.provider) if is_balanced else {},
            serves_remotes=serves_remotes,
        )
    return found


def objects(known: fleet.Fleet, cluster: fleet.Cluster) -> tuple[Values, ...]:
    """Return the objects beside the charts: the namespace (before them) and what the gateway lets in."""
    own = settings.istio(known, cluster)
    if own is None:
        return ()
    found = [_namespace(cluster, own)]
    if spans_networks(known):
        found.append(gateways.hbone(own.network) if own.mode is meshes.Mode.AMBIENT else gateways.crossing())
    if flat.of(known, cluster.name):
        found += gateways.exposed()
    return tuple(found)


def patch(known: fleet.Fleet, cluster: fleet.Cluster) -> Values | None:
    """Return the strategic merge patch of the Deployment istiod that puts it on the host network, if it must.

    In sidecar mode an API server that is no part of the overlay cannot reach the injector in a pod (Cilium
    1.20 network/servicemesh/istio.rst). The chart has no value for it (istio#45738, istio#54748), so it is a
    patch after rendering.
    """
    if not needs_host_network(known, cluster):
        return None
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": gateways.NAMESPACE},
        "spec": {"template": {"spec": {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}}},
    }


def needs_host_network(known: fleet.Fleet, cluster: fleet.Cluster) -> bool:
    """Say whether istiod must run on the host network."""
    own = settings.istio(known, cluster)
    return (
        own is not None
        and own.mode is meshes.Mode.SIDECAR
        and not _is_remote(cluster, own)
        and settings.uses_cilium(known)
        and settings.cilium(known, cluster).datapath.is_tunnel
        and cluster.provider in MANAGED
    )


def networks(known: fleet.Fleet) -> dict[str, list[str]]:
    """Return the clusters of the mesh by their network."""
    found: dict[str, list[str]] = {}
    for each in known.clusters:
        if own := settings.istio(known, each):
            found.setdefault(own.network, []).append(each.name)
    return found


def spans_networks(known: fleet.Fleet) -> bool:
    """Say whether the mesh has more than one network, so that gateways stand between clusters."""
    return len(networks(known)) > 1


def has_gateway(known: fleet.Fleet, cluster: fleet.Cluster) -> bool:
    """Say whether sidecars of other networks come into a cluster through an east-west gateway of it."""
    own = settings.istio(known, cluster)
    return own is not None and own.mode is meshes.Mode.SIDECAR and spans_networks(known)


def _is_remote(cluster: fleet.Cluster, own: settings.Istio) -> bool:
    return own.primary is not None and own.primary != cluster.name


def _base(known: fleet.Fleet, cluster: fleet.Cluster) -> Values:
    own = settings.istio(known, cluster)
    if own is not None and _is_remote(cluster, own):
        return {"profile": "remote", "global": {"externalIstiod": True}}
    return {"global": {"externalIstiod": True}} if flat.of(known, cluster.name) else {}


def _shared(cluster: fleet.Cluster, own: settings.Istio) -> Values:
    return _global(cluster) | {
        "meshID": own.mesh_id,
        # The key of this cluster in every remote secret.
        "multiCluster": {"clusterName": cluster.name},
        "network": own.network,
    }


def _config(known: fleet.Fleet, own: settings.Istio) -> Values:
    config: Values = {"trustDomain": own.trust_domain}
    if own.mode is meshes.Mode.SIDECAR and len(known.clusters) > 1:
        # A Service of another cluster alone has no name here unless the proxy answers (istio#31760).
        config["defaultConfig"] = {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}
    return config


def _flat_base(known: fleet.Fleet, cluster: fleet.Cluster) -> Values:
    """Return the values of `base`: in a remote nobody would vouch for its validating webhook."""
    return {"profile": "remote", "defaultRevision": ""} if flat.is_remote(known, cluster) else {}


def _flat(known: fleet.Fleet, cluster: fleet.Cluster, own: settings.Istio, root: str) -> Values:
    """Return the values of istiod where remotes reach it on the flat network."""
    told: Values = {"global": _shared(cluster, own), "meshConfig": _config(known, own)}
    if flat.is_remote(known, cluster):
        return told | flat.values(cluster, own, root)
    return told | (flat.serves(root) if flat.of(known, cluster.name) else {})


def _istiod(
    known: fleet.Fleet, cluster: fleet.Cluster, own: settings.Istio, pilots: Mapping[str, str]
) -> Values:
    """Return the values of istiod (Istio setup/install/multicluster; ambient/install/multicluster)."""
    shared, config = _shared(cluster, own), _config(known, own)
    if _is_remote(cluster, own):
        return _remote(cluster, own, shared, config, pilots)
    pilot: Values = {"cni": {"enabled": True}}
    environment: dict[str, str] = {}
    if flat.of(known, cluster.name):
        shared["externalIstiod"] = True
        environment["EXTERNAL_ISTIOD"] = "true"
    found: Values = {"profile": "ambient"} if own.mode is meshes.Mode.AMBIENT else {}
    if own.mode is meshes.Mode.AMBIENT and spans_networks(known):
        # Off by default (Istio pilot/pkg/features/ambient.go).
        environment["AMBIENT_ENABLE_MULTI_NETWORK"] = "true"
    if environment:
        pilot["env"] = environment
    return found | {"global": shared, "meshConfig": config, "pilot": pilot}


def _remote(
    cluster: fleet.Cluster,
    own: settings.Istio,
    shared: Values,
    config: Values,
    pilots: Mapping[str, str],
) -> Values:
    """Return the values of a cluster without an istiod of its own (Istio primary-remote)."""
    primary = own.primary or ""
    if primary not in pilots:
        raise errors.InputError(
            f"cluster '{cluster.name}' uses the istiod of '{primary}', whose address is unknown",
            why="the address is that of the east-west gateway, which exists only after Istio in the primary",
            remedy=f"install '{primary}' first, then give its address: --at pilot.{primary}=ADDRESS",
        )
    remote = {"configCluster": True, "remotePilotAddress": pilots[primary], "externalIstiod": True}
    return {
        "profile": "remote",
        "global": shared | remote,
        "meshConfig": config,
        "istiodRemote": {"injectionPath": f"/inject/cluster/{cluster.name}/net/{own.network}"},
        "pilot": {"enabled": False},
    }


def _cni(cluster: fleet.Cluster, own: settings.Istio) -> Values:
    """Return the values of istio-cni, which adds itself to Cilium's configuration instead of replacing it."""
    ambient: Values = {"profile": "ambient"} if own.mode is meshes.Mode.AMBIENT else {}
    platform = _global(cluster)
    return ambient | ({"global": platform} if platform else {}) | {"cni": {"chained": True}}


def _ztunnel(cluster: fleet.Cluster, own: settings.Istio) -> Values:
    return {
        "multiCluster": {"clusterName": cluster.name},
        "network": own.network,
        "global": {"network": own.network},
        "meshConfig": {"trustDomain": own.trust_domain},
    }


def _global(cluster: fleet.Cluster) -> Values:
    # GKE keeps CNI binaries elsewhere and wants a quota for node-critical pods (Istio ambient prerequisites).
    return {"platform": "gke"} if cluster.provider is datapath.Provider.GCP else {}


def _namespace(cluster: fleet.Cluster, own: settings.Istio) -> Values:
    metadata: Values = {"name": gateways.NAMESPACE, "labels": {gateways.NETWORK: own.network}}
    if _is_remote(cluster, own):
        metadata["annotations"] = {"topology.istio.io/controlPlaneClusters": own.primary}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
