"""The service mesh as the Fleet states it: Istio beside Cilium."""

from __future__ import annotations

from enum import StrEnum

from isthmus.model import chart as chart_places
from isthmus.model import datapath, types


class Topology(StrEnum):
    """Where istiod runs."""

    MULTI_PRIMARY = "multi-primary"
    PRIMARY_REMOTE = "primary-remote"


class Mode(StrEnum):
    """What carries the mesh in a pod's way."""

    SIDECAR = "sidecar"
    AMBIENT = "ambient"


class Mtls(StrEnum):
    """What pods of the mesh take from others: mTLS alone, or plain traffic too."""

    STRICT = "strict"
    PERMISSIVE = "permissive"


class Charts(types.Value):
    """Where `connect` takes Istio's charts from: `base` with the CRDs, `istiod` with the control plane."""

    base: chart_places.Chart
    istiod: chart_places.Chart
    gateway: chart_places.Chart | None = None
    """The east-west gateway, which every cluster has where the mesh spans several networks."""


class Gateway(types.Value):
    """How the east-west gateway of a cluster is reached from the other networks."""

    exposure: datapath.Exposure | None = None
    """Without it that of the network."""
    node_port: datapath.NodePort | None = None
    values: types.OwnValues = None
    """Helm values of its chart beyond what the fields above say; they are merged last."""


class Istio(types.Value):
    """Istio in every cluster of the Fleet."""

    enabled: types.Flag = True
    version: types.Minor | None = None
    topology: Topology = Topology.MULTI_PRIMARY
    mode: Mode = Mode.SIDECAR
    trust_domain: types.Host = "cluster.local"
    mesh_id: types.Label = "mesh1"
    network: types.Label = "network1"
    """The same in all clusters is one flat network, which ClusterMesh makes."""
    gateway: Gateway | None = None
    """Of the clusters of a mesh over several networks."""
    mtls: Mtls = Mtls.STRICT
    """What `connect up` leaves in force for the whole mesh."""
    charts: Charts | None = None
    values: types.OwnValues = None
    """Helm values of `base` and `istiod` beyond what the fields above say; they are merged last."""


class Mesh(types.Value):
    """Everything below `spec.mesh`."""

    istio: Istio | None = None


class ClusterIstio(types.Value):
    """What one cluster states differently; `primary` names the cluster whose istiod it uses."""

    enabled: types.Flag | None = None
    version: types.Minor | None = None
    mode: Mode | None = None
    trust_domain: types.Host | None = None
    mesh_id: types.Label | None = None
    network: types.Label | None = None
    primary: types.ClusterName | None = None
    gateway: Gateway | None = None
    values: types.OwnValues = None
