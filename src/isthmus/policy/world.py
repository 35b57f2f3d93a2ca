"""Endpoints, services and settings of one or several clusters: what policies are judged against.

Reading manifests into it is `manifests/`; here are the values alone.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.policy import ports


class Mesh(StrEnum):
    """How Istio carries an endpoint's traffic."""

    NONE = "none"
    SIDECAR = "sidecar"
    AMBIENT = "ambient"


class Enforcer(StrEnum):
    """Who enforces network policies in a cluster."""

    KUBERNETES = "kubernetes"
    CILIUM = "cilium"


NODE: Final = frozenset({f"{labels.RESERVED}host", f"{labels.RESERVED}remote-node"})
"""The labels of the node that asks and of every other."""


@dataclasses.dataclass(frozen=True, slots=True)
class Object:
    """One Kubernetes object as it was read: plain data with its place."""

    data: Mapping[str, Any]
    file: str | None = None
    line: int | None = None

    @property
    def kind(self) -> str:
        """Its kind; empty when it has none."""
        return str(self.data.get("kind") or "")

    @property
    def group(self) -> str:
        """The group of its apiVersion; empty for the core group."""
        return str(self.data.get("apiVersion") or "").rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name; empty when it has none."""
        return str(self._metadata.get("name") or "")

    @property
    def namespace(self) -> str | None:
        """Its namespace as written, or None."""
        found = self._metadata.get("namespace")
        return str(found) if found else None

    @property
    def _metadata(self) -> Mapping[str, Any]:
        found = self.data.get("metadata")
        return found if isinstance(found, dict) else {}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """What can open or answer a connection: the pods of one workload, a node, an address, an entity.

    `labels` are flat (`labels.py`). `addresses` are integers on the line of `address.prefix`. `names` are the
    container ports by name. `account` is the service account. `is_managed` is false for what Cilium gives no
    endpoint of its own: nodes, pods on the node's network, addresses outside. `ports` are the container's
    numbers, which limit nothing.
    """

    cluster: str
    namespace: str | None
    name: str
    kind: str
    labels: Mapping[str, str]
    addresses: tuple[int, ...] = ()
    names: Mapping[ports.Named, int] = dataclasses.field(default_factory=dict)
    account: str | None = None
    is_managed: bool = True
    mesh: Mesh = Mesh.NONE
    waypoint: str | None = None
    replicas: int = 1
    source: Object | None = dataclasses.field(default=None, repr=False)
    pods: tuple[str, ...] = ()
    """Names of the pods, where it was read from pods and not from a template."""

    @property
    def title(self) -> str:
        """`namespace/name[Kind]`, an address, or the name of an entity."""
        return f"{self.namespace}/{self.name}[{self.kind}]" if self.namespace else self.name

    @property
    def is_pod(self) -> bool:
        """Whether it is pods of a namespace."""
        return labels.NAMESPACE in self.labels

    @property
    def is_node(self) -> bool:
        """Whether it is a node: the own one or another."""
        return not self.is_pod and not NODE.isdisjoint(self.labels)


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A Service with what connects it to endpoints; `selector` is None for one without a selector."""

    cluster: str
    namespace: str
    name: str
    selector: labels.Selector | None
    labels: Mapping[str, str]
    ports: tuple[tuple[str, int, int | str], ...] = ()
    """Protocol, port, target port (a number or a name)."""
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    addresses: tuple[int, ...] = ()
    """Of the Endpoints object, where the manifests have one."""
    names: tuple[str, ...] = ()
    """The name of each of `ports`, empty where it has none."""


DEFAULT_CLUSTER: Final = "default"
"""What Cilium calls a cluster that was given no name (`pkg/defaults/defaults.go`)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How a cluster enforces: its own version and flags of Cilium, Istio's root namespace and trust domain.

    `cilium` is (major, minor). `default_mode` is `policyEnforcementMode`. `answers` are the addresses that
    DNS gave for names, lower case, without the last dot.

    The rest is Istio's: MeshConfig `rootNamespace`, `trustDomain`, `trustDomainAliases`, `enableAutoMtls`,
    the word of `pathNormalization`, and the kind (`http` or `grpc`) of each `extensionProviders` entry for
    external authorization, None where nobody knows them. `has_many_providers` and `skips_trust_domain` are
    istiod's `PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS` and `PILOT_SKIP_VALIDATE_TRUST_DOMAIN`.
    """

    cluster: str = DEFAULT_CLUSTER
    enforcer: Enforcer = Enforcer.KUBERNETES
    cilium: tuple[int, int] = (1, 20)
    default_mode: str = "default"
    cidr_match: frozenset[str] = frozenset()
    answers: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    root_namespace: str = "istio-system"
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    path_normalization: str = "BASE"
    providers: Mapping[str, str] | None = None
    auto_mtls: bool = True
    has_many_providers: bool = False
    skips_trust_domain: bool = False

    @property
    def selects_own_cluster(self) -> bool:
        """Whether a selector without the cluster's key means the own cluster: since Cilium 1.19."""
        return self.cilium >= (1, 19)


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """All clusters that a question is about."""

    settings: Mapping[str, Settings]
    endpoints: tuple[Endpoint, ...] = ()
    services: tuple[Service, ...] = ()
    policies: Mapping[str, tuple[Object, ...]] = dataclasses.field(default_factory=dict)
    """By cluster: the objects that rules come from, in the order read."""
