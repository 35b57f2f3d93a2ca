"""The Fleet: clusters and their addressing; network, mesh, paths and teams come with what implements them.

Ranges are kept as text here; `address` computes with them and `network` judges them.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable
from typing import Annotated, Literal

import pydantic

from isthmus.model import datapath, document, errors, team, types
from isthmus.model import mesh as meshes
from isthmus.model import trust as trusts

MAX_ID = 999_999
"""Ids order a Fleet; `agree` holds those that Cilium knows to what it takes."""


class PodRanges(types.Value):
    """Where pod ranges come from, and the length of the block that each node gets (24, of IPv6 64).

    Supernets of both families give each cluster a range of each. `node_mask` is of IPv4, and of IPv6 too
    where no IPv4 supernet stands beside it.
    """

    supernets: Annotated[tuple[types.Prefix, ...], pydantic.Field(min_length=1)]
    node_mask: Annotated[types.Count | None, pydantic.Field(ge=1, le=128)] = None
    node_mask_v6: Annotated[types.Count | None, pydantic.Field(ge=1, le=128)] = None


class ServiceRanges(types.Value):
    """Where service ranges come from; `mask` is the length of each cluster's range (20, of IPv6 112)."""

    supernets: Annotated[tuple[types.Prefix, ...], pydantic.Field(min_length=1)]
    mask: Annotated[types.Count | None, pydantic.Field(ge=1, le=128)] = None
    mask_v6: Annotated[types.Count | None, pydantic.Field(ge=1, le=128)] = None


class NodeRanges(types.Value):
    """Where node ranges come from."""

    supernets: Annotated[tuple[types.Prefix, ...], pydantic.Field(min_length=1)]


class Addressing(types.Value):
    """The address space that the plan may hand out."""

    pods: PodRanges | None = None
    services: ServiceRanges | None = None
    nodes: NodeRanges | None = None
    avoid: tuple[types.Prefix, ...] = ()


class Witness(types.Value):
    """A vote without workloads: any API server with one namespace."""

    context: types.Text


class Dns(types.Value):
    """What the DNS of each cluster is told of the others, without a mesh of names."""

    stubs: types.Flag = False
    """Whether each CoreDNS forwards the namespaces of Apps of other clusters to these clusters' `dns`."""


class Trust(types.Value):
    """Authorities that exist already, three hierarchies; paths are relative to the folder of the Fleet."""

    clustermesh: trusts.Source | None = None
    """Of ClusterMesh and Hubble; `trust` where none is written, which is made on first use."""
    istio: trusts.Source | None = None
    """The root of Istio, with room for one level below it; `istio` in the former where none is written."""
    apps: trusts.Source | None = None
    """Of the certificates of Apps; `trust/app` where none is written."""

    @pydantic.model_validator(mode="after")
    def _each_its_own_way(self) -> Trust:
        for name, wrong in (("clustermesh", ("intermediates", "leaves")), ("istio", ("leaves",))):
            trusts.refuse(name, getattr(self, name), wrong)
        trusts.refuse("apps", self.apps, ("intermediates",))
        return self


class Cluster(types.Value):
    """A Kubernetes cluster; `pods`, `services` and `node_range` pin a range, else the plan allocates one."""

    name: types.ClusterName
    id: Annotated[types.Count, pydantic.Field(ge=1, le=MAX_ID)]
    region: types.Text | None = None
    context: types.Text = pydantic.Field(default_factory=lambda data: data.get("name", ""))
    """The kubeconfig's context; the cluster's name where none is written."""
    provider: datapath.Provider | None = None
    account: types.Text | None = None
    vpc: types.Text | None = None
    owner: types.Text | None = None
    """The team or business line that pays for it."""
    nodes: Annotated[types.Count, pydantic.Field(ge=1, le=100_000)]
    pods_per_node: Annotated[types.Count, pydantic.Field(ge=1, le=100_000)] = 110
    growth: types.Factor = 1.0
    pods: types.Prefixes | None = None
    services: types.Prefixes | None = None
    node_range: types.Prefixes | None = None
    mtu: types.Mtu | None = None
    """Of the nodes' interfaces."""
    dns: tuple[types.HostPort, ...] | None = None
    """Where the other clusters' CoreDNS reaches this one's, over TCP: `[10.0.0.10:53]`."""
    network: datapath.ClusterNetwork | None = None
    istio: meshes.ClusterIstio | None = None


class FleetSpec(types.Value):
    """Everything below `spec`."""

    addressing: Addressing | None = None
    network: datapath.Network | None = None
    mesh: meshes.Mesh | None = None
    trust: Trust | None = None
    dns: Dns | None = None
    paths: tuple[datapath.Path, ...] = ()
    teams: tuple[team.Team, ...] = ()
    witness: Witness | None = None
    clusters: Annotated[tuple[Cluster, ...], pydantic.Field(min_length=1)]


class Fleet(types.Value):
    """The clusters that are run as one."""

    api_version: Literal["isthmus.dev/v1alpha1"] = document.API_VERSION
    kind: Literal["Fleet"] = "Fleet"
    metadata: document.FleetMetadata
    spec: FleetSpec

    @property
    def name(self) -> str:
        """The Fleet's name."""
        return self.metadata.name

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters, in the order of the file."""
        return self.spec.clusters

    @property
    def witness(self) -> Witness | None:
        """The vote without workloads, if any."""
        return self.spec.witness

    @functools.cached_property
    def by_name(self) -> dict[str, Cluster]:
        """The clusters by name."""
        return {cluster.name: cluster for cluster in self.spec.clusters}

    def cluster(self, name: str) -> Cluster:
        """Return the cluster of that name, or refuse naming the near ones."""
        found = self.by_name.get(name)
        if found is None:
            raise errors.InputError(
                f"no cluster '{name}' in Fleet '{self.name}'",
                remedy=f"use one of: {near(name, self.by_name)}",
            )
        return found


def near(name: str, choices: Iterable[str]) -> str:
    """Return the choices nearest to a name, or the first few when none is near."""
    known = list(choices)
    return ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.6) or sorted(known)[:8])
