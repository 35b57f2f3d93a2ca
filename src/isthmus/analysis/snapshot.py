"""What was seen of every cluster at one moment, part by part; a part that could not be read says why.

Values only: `doctor` collects them, the checks beside this module read them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from isthmus.mesh import istiod

if TYPE_CHECKING:
    import datetime as dt

    from isthmus.network import imported

Json = dict[str, Any]
T = TypeVar("T")

SYSTEM: Final = "kube-system"
ISTIO: Final = "istio-system"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Missing:
    """Why something could not be looked at, and what makes it possible."""

    why: str
    remedy: str = ""


NOT_ASKED: Final = Missing(why="it was not asked for")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agent:
    """One Cilium agent: what it says itself (`cilium-dbg status`, `cilium-health status`), and its node."""

    pod: str
    node: str
    version: str | None = None
    """Of its image's tag; None where that is no version."""
    status: Json | Missing = NOT_ASKED
    health: Json | Missing = NOT_ASKED
    answering: frozenset[str] = frozenset()
    """Addresses that its last health probe called dead and that take a connection from it now."""
    mtus: Mapping[str, int] | Missing = NOT_ASKED
    """Bytes by network device of the node."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interface:
    """A network device of a node: its driver, and which of its features are on, as ethtool names them."""

    name: str
    driver: str
    features: Mapping[str, bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A container image of a component, and how its workload stands."""

    workload: str
    version: str | None
    ready: int
    desired: int
    updated: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """One cluster. With `silent` nothing else is known; None of an object means that it is not there.

    `reaches` says of each address that was tried from this machine (`HOST:PORT`) why it does not answer,
    empty where it does.
    """

    cluster: str
    context: str = ""
    silent: Missing | None = None
    live: imported.Live | None = None
    config: Mapping[str, str] | Missing | None = None
    """Data of ConfigMap cilium-config."""
    nodes: tuple[Json, ...] | Missing = ()
    parts: Mapping[str, Part] | Missing = dataclasses.field(default_factory=dict)
    """agents, operator, mesh, relay; what is not installed is left out."""
    service: Json | Missing | None = None
    """Service clustermesh-apiserver."""
    secrets: Mapping[str, Json] | Missing = dataclasses.field(default_factory=dict, repr=False)
    """Secrets of trust and of peers in kube-system, by name."""
    bundle: str | Missing = ""
    """PEM of ConfigMap cilium-root-ca.crt."""
    users: Json | Missing | None = None
    """ConfigMap clustermesh-remote-users."""
    agents: tuple[Agent, ...] | Missing = ()
    interfaces: Mapping[str, tuple[Interface, ...] | Missing] | Missing = Missing(
        why="no pod was made on the nodes", remedy="isthmus doctor --probe makes one on each"
    )
    """By node: the devices that its agent works on."""
    kvstoremesh: tuple[Json, ...] | Missing | None = None
    """What KVStoreMesh says of each remote cluster; None where it does not run."""
    troubleshoot: str = ""
    """What KVStoreMesh says when it is asked to find out why a remote cluster is not ready."""
    namespaces: tuple[Json, ...] | Missing = ()
    services: tuple[Json, ...] | Missing = ()
    backends: Mapping[str, tuple[Json, ...]] | Missing = dataclasses.field(default_factory=dict)
    """Pods behind each global Service, by NAMESPACE/NAME."""
    policies: tuple[Json, ...] | Missing = ()
    """NetworkPolicies and Cilium's policies of both kinds."""
    istio: Istio | Missing | None = None
    """None where there is no Istio."""
    reaches: Mapping[str, str] = dataclasses.field(default_factory=dict)
    authority: str = ""
    """SHA-256 of the certificate that the kubeconfig trusts for this API server; empty where it has none."""
    server: str = ""
    """HOST:PORT of the API server as the kubeconfig has it."""

    @property
    def name(self) -> str:
        """What the cluster is called in the mesh; where Cilium does not say, what the user calls it."""
        told = self.setting("cluster-name")
        return told or self.cluster

    @property
    def is_meshed(self) -> bool:
        """Say whether it has a ClusterMesh API server."""
        return isinstance(self.parts, Mapping) and "mesh" in self.parts

    def setting(self, key: str, otherwise: str = "") -> str:
        """Return a key of cilium-config."""
        return self.config.get(key, otherwise) if isinstance(self.config, Mapping) else otherwise

    def secret(self, name: str) -> Json | None:
        """Return a Secret of kube-system that was read."""
        return self.secrets.get(name) if isinstance(self.secrets, Mapping) else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Istio:
    """Istio in one cluster: the names in its mesh, and how it reaches other clusters."""

    cluster_id: str = ""
    """What istiod calls this cluster; empty where it does not say."""
    has_istiod: bool = True
    """Whether istiod runs here; a remote cluster of another primary has none."""
    trust_domain: str = ""
    roots: tuple[Json, ...] | Missing = ()
    """Secrets cacerts and istio-ca-secret, without keys."""
    remotes: tuple[Json, ...] | Missing = dataclasses.field(default=(), repr=False)
    """Remote secrets."""
    told: istiod.Told | Missing = dataclasses.field(default_factory=istiod.Told)
    """What istiod says of each other cluster."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned:
    """What the Fleet says, where there is a folder."""

    folder: str
    ids: Mapping[str, int]
    mtu: int | None = None
    """Bytes: the Helm value MTU of every cluster."""
    is_istio: Mapping[str, bool] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """What a probe pod of one cluster found on one way to another: ok, failed or not-proved."""

    source: str
    target: str
    leg: str
    state: str
    why: str = ""
    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Every cluster at one moment."""

    sites: Mapping[str, Site]
    now: dt.datetime
    planned: Planned | None = None
    proofs: tuple[Proof, ...] | Missing = Missing(
        why="no packet was sent", remedy="isthmus doctor --probe sends some from pods"
    )

    @property
    def answering(self) -> tuple[Site, ...]:
        """The clusters that answer."""
        return tuple(each for each in self.sites.values() if each.silent is None)

    @property
    def meshed(self) -> tuple[Site, ...]:
        """The clusters that answer and have a ClusterMesh API server."""
        return tuple(each for each in self.answering if each.is_meshed)

    @property
    def up(self) -> str:
        """The command that brings Cilium to what the Fleet says."""
        return (
            f"isthmus connect up -f {self.planned.folder}"
            if self.planned
            else "isthmus connect up, in the Fleet's folder"
        )

    def named(self, mesh_name: str) -> Site | None:
        """Return the cluster of that name in the mesh; None where there is none, or several."""
        found = [each for each in self.answering if each.name == mesh_name]
        return found[0] if len(found) == 1 else None

    def pairs(self) -> Iterator[tuple[Site, Site]]:
        """Yield every ordered pair of meshed clusters."""
        for one in self.meshed:
            for other in self.meshed:
                if one is not other:
                    yield one, other


def kubectl(site: Site, words: str) -> str:
    """Return a kubectl command on a cluster."""
    return f"kubectl --context {site.context or site.cluster} {words}"
