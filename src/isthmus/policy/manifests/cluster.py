"""The objects of one cluster to its part of a world: endpoints, services, and what policies are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.model import finding
from isthmus.policy import labels, world
from isthmus.policy.manifests import meshes, owners, pods, services, shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


CLUSTER_WIDE: Final = frozenset(
    {
        "APIService",
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "CiliumBGPPeeringPolicy",
        "CiliumCIDRGroup",
        "CiliumClusterwideEnvoyConfig",
        "CiliumClusterwideNetworkPolicy",
        "CiliumEgressGatewayPolicy",
        "CiliumIdentity",
        "CiliumLoadBalancerIPPool",
        "CiliumNode",
        "ClusterNetworkPolicy",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)
"""Kinds without a namespace; every other has one."""
LEFT_OUT: Final = frozenset({"ConfigMap", "Secret", "CustomResourceDefinition", "Event"})
"""Kinds that no policy is made of, and that may be large or secret."""
DUPLICATE: Final = "manifest-duplicate"
NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""What the API server sets on every namespace."""


def read(
    clusters: Mapping[str, Iterable[world.Object]], settings: Mapping[str, world.Settings]
) -> tuple[world.World, tuple[finding.Finding, ...]]:
    """Return the world of some clusters' objects, and what is wrong with the objects.

    A cluster without settings of its own has the defaults.
    """
    every = {name: settings.get(name) or world.Settings(cluster=name) for name in (*clusters, *settings)}
    endpoints: list[world.Endpoint] = []
    found: list[world.Service] = []
    policies: dict[str, tuple[world.Object, ...]] = {}
    findings: list[finding.Finding] = []
    for name, objects in clusters.items():
        one = Cluster(every[name], findings)
        for each in objects:
            one.add(each)
        endpoints.extend(one.endpoints())
        found.extend(one.services())
        policies[name] = one.policies
    return world.World(every, tuple(endpoints), tuple(found), policies), tuple(findings)


class Identity(NamedTuple):
    """What makes two documents the same object; cluster-wide kinds have no namespace."""

    group: str
    kind: str
    namespace: str | None
    name: str


class Cluster:
    """Gathers the objects of one cluster; what depends on several kinds is made at the end."""

    def __init__(self, settings: world.Settings, findings: list[finding.Finding]) -> None:
        self.name = settings.cluster
        self._settings = settings
        self._policies: dict[Identity, world.Object] = {}
        self._findings = findings
        self._namespaces: dict[str, dict[str, str]] = {}
        self._nodes: dict[str, dict[str, str]] = {}
        self._node_endpoints: dict[str, world.Endpoint] = {}
        self._workloads: dict[owners.Owner, tuple[shape.Reader, Mapping[str, Any]]] = {}
        self._pods: dict[tuple[str, str], shape.Reader] = {}
        self._owners: dict[owners.Owner, owners.Owner] = {}
        self._services: dict[tuple[str, str], shape.Reader] = {}
        self._backends: dict[tuple[str, str], shape.Reader] = {}
        self._seen: dict[Identity, world.Object] = {}
        self._made: tuple[world.Service, ...] | None = None

    def add(self, each: world.Object) -> None:
        """Take one object in."""
        reader = shape.Reader(each, self.name, self._findings)
        kind, metadata = each.kind, each.data.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            if kind in LEFT_OUT or (isinstance(metadata, dict) and metadata.get("generateName")):
                return
            reader.tell(f"this {kind} has no `metadata.name`", "give it a name")
            return
        written = metadata.get("namespace")
        if written is not None and not isinstance(written, str):
            reader.tell("`metadata.namespace` is no text", "put it in quotes")
            written = None
        namespace = written or shape.DEFAULT_NAMESPACE
        key = self._once(reader, None if kind in CLUSTER_WIDE else namespace)
        if each.group in owners.GROUPS and self._known(kind, reader, namespace):
            return
        if kind not in LEFT_OUT:
            self._policies[key] = each if written or kind in CLUSTER_WIDE else _placed(each, metadata)

    @property
    def policies(self) -> tuple[world.Object, ...]:
        """The objects of all kinds but those that are read here."""
        return tuple(self._policies.values())

    def _once(self, reader: shape.Reader, namespace: str | None) -> Identity:
        """Return who an object is; one that is given twice is told: `kubectl apply` would leave the last."""
        each = reader.object
        key = Identity(each.group, each.kind, namespace, each.name)
        first = self._seen.setdefault(key, each)
        if first is not each and each.kind not in LEFT_OUT:
            where = f"{first.file}:{first.line}" if first.file else "another place"
            message = f"the {each.kind} '{each.name}' is in {where} too; the last one counts"
            reader.tell(message, "keep one of the two", DUPLICATE, finding.Severity.WARNING)
        return key

    def _known(self, kind: str, reader: shape.Reader, namespace: str) -> bool:
        each = reader.object
        if kind in owners.TEMPLATES:
            owner = owners.Owner(namespace, kind, each.name)
            self._workloads[owner] = (reader, reader.mapping(each.data, *owners.TEMPLATES[kind]))
            over = owners.above(each.data, namespace)
            if over is not None:
                self._owners[owner] = over
        elif kind == "Pod":
            self._pods[namespace, each.name] = reader
        elif kind == "Namespace":
            self._namespaces[each.name] = reader.labels(reader.mapping(each.data, "metadata"))
        elif kind == "Node":
            self._node(reader)
        elif kind == "Service":
            self._services[namespace, each.name] = reader
        elif kind == "Endpoints":
            self._backends[namespace, each.name] = reader
        else:
            return False
        return True

    def _node(self, reader: shape.Reader) -> None:
        data = reader.object.data
        flat = reader.labels(reader.mapping(data, "metadata"))
        flat |= {pods.REMOTE_NODE: "", labels.CLUSTER: self.name}
        told = reader.items(reader.mapping(data, "status"), "addresses")
        written = [each.get("address") for each in told if str(each.get("type", "")).endswith("IP")]
        self._nodes[reader.object.name] = flat
        self._node_endpoints[reader.object.name] = world.Endpoint(
            cluster=self.name,
            namespace=None,
            name=reader.object.name,
            kind="Node",
            labels=flat,
            addresses=reader.addresses(written),
            is_managed=False,
            source=reader.object,
        )

    def services(self) -> tuple[world.Service, ...]:
        """Return the services, with the addresses of Endpoints and EndpointSlices where those are given."""
        if self._made is None:
            slices = [
                (shape.Reader(each, self.name, self._findings), each.namespace or shape.DEFAULT_NAMESPACE)
                for each in self.policies
                if each.kind == "EndpointSlice"
            ]
            given = ((reader, namespace) for (namespace, _), reader in self._backends.items())
            backends = services.backends([*given, *slices])
            self._made = tuple(
                services.read(reader, namespace, backends)
                for (namespace, _), reader in self._services.items()
            )
        return self._made

    def endpoints(self) -> list[world.Endpoint]:
        """Return the endpoints: pods by the workload they belong to, workloads without pods, nodes."""
        naming = [each for each in self.services() if meshes.WAYPOINT in each.labels]
        maker = pods.Maker(self._settings, _Namespaces(self._namespaces), self._nodes, naming)
        lived: set[owners.Owner] = set()
        for (namespace, _), reader in self._pods.items():
            owner = owners.above(reader.object.data, namespace)
            if owner is not None:
                owner = owners.top(owner, self._owners)
                lived.add(owner)
            maker.pod(reader, owner or owners.Owner(namespace, "Pod", reader.object.name))
        for owner, (reader, template) in self._workloads.items():
            over = owners.top(owner, self._owners)
            is_below = over != owner and (over in self._workloads or _is_idle(reader.object))
            if over not in lived and not is_below and reader.object.data.get("spec") is not None:
                maker.workload(reader, over, template)
        return [*maker.endpoints(), *self._node_endpoints.values()]


class _Namespaces(dict[str, dict[str, str]]):
    """Labels by namespace; one that no manifest defines has its name alone."""

    def __init__(self, known: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__({name: {**held, NAME_LABEL: name} for name, held in known.items()})

    def __missing__(self, name: str) -> dict[str, str]:
        made = self[name] = {NAME_LABEL: name}
        return made


def _placed(each: world.Object, metadata: Mapping[str, Any]) -> world.Object:
    """Return an object without a namespace in the one where the API server would put it."""
    placed = {**metadata, "namespace": shape.DEFAULT_NAMESPACE}
    return world.Object({**each.data, "metadata": placed}, each.file, each.line)


def _is_idle(each: world.Object) -> bool:
    """Say whether it is a ReplicaSet that a Deployment has moved on from."""
    spec = each.data.get("spec")
    return isinstance(spec, dict) and spec.get("replicas") == 0
