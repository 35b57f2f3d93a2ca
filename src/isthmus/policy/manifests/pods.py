"""Pods and the templates of workloads to endpoints.

Pods of one owner are one workload; those that no policy can tell apart are one endpoint. Pods of one owner
with different labels, ports, accounts or addresses are endpoints of their own under the one name.

A pod on its node's network is to Cilium the node. Kubernetes leaves open whether its policies apply to such a
pod (the API's documentation of NetworkPolicy, 'hostNetwork pods'); here they do, as they are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels, ports, world
from isthmus.policy.manifests import meshes, shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from isthmus.policy.manifests import owners

REMOTE_NODE: Final = f"{labels.RESERVED}remote-node"
ENDED: Final = frozenset({"Succeeded", "Failed"})
"""Phases in which a pod has given its address back."""
PROTOCOLS: Final = {each.value.upper(): each for each in ports.TRANSPORT}

Key = tuple[Any, ...]


class Maker:
    """Makes the endpoints of one cluster; equal labels and names are kept once."""

    def __init__(
        self,
        settings: world.Settings,
        namespaces: Mapping[str, Mapping[str, str]],
        nodes: Mapping[str, Mapping[str, str]],
        services: Sequence[world.Service],
    ) -> None:
        self._cluster = settings.cluster
        self._are_nodes = settings.enforcer is world.Enforcer.CILIUM
        self._namespaces = namespaces
        self._nodes = nodes
        self._services = services
        self._flat: dict[tuple[Key, str, str], dict[str, str]] = {}
        self._named: dict[Key, dict[ports.Named, int]] = {}
        self._made: dict[Key, dict[str, Any]] = {}

    def pod(self, reader: shape.Reader, owner: owners.Owner) -> None:
        """Take in one pod."""
        data = reader.object.data
        metadata, spec = reader.mapping(data, "metadata"), reader.mapping(data, "spec")
        status = data.get("status")
        addresses: tuple[int, ...] = ()
        if isinstance(status, dict) and status.get("phase") not in ENDED:
            told = [each.get("ip") for each in reader.items(status, "podIPs")]
            addresses = reader.addresses([each for each in (status.get("podIP"), *told) if each])
        self._add(reader, owner, (metadata, spec), addresses, reader.object.name)

    def workload(self, reader: shape.Reader, owner: owners.Owner, template: Mapping[str, Any]) -> None:
        """Take in a workload by its template."""
        parts = reader.mapping(template, "metadata"), reader.mapping(template, "spec")
        self._add(reader, owner, parts, (), None)

    def endpoints(self) -> list[world.Endpoint]:
        """Return what was taken in, in that order."""
        return [
            world.Endpoint(**{**made, "pods": tuple(made["pods"]), "replicas": max(1, len(made["pods"]))})
            for made in self._made.values()
        ]

    def _add(
        self,
        reader: shape.Reader,
        owner: owners.Owner,
        parts: tuple[Mapping[str, Any], Mapping[str, Any]],
        addresses: tuple[int, ...],
        pod: str | None,
    ) -> None:
        metadata, spec = parts
        held, annotations = reader.labels(metadata), reader.labels(metadata, "annotations")
        own, names = self._labels(reader, held, spec, owner.namespace), self._names(reader, spec)
        on_node = self._are_nodes and spec.get("hostNetwork") is True
        space = self._namespaces[owner.namespace]
        mesh = meshes.mesh(held, annotations, space, spec)
        flat = self._on_node(spec) if on_node else own
        waypoint = self._waypoint(held, flat, owner.namespace) if mesh is world.Mesh.AMBIENT else None
        key = (owner, id(flat), id(names), addresses, mesh, waypoint, on_node)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = {
                "cluster": self._cluster,
                "namespace": owner.namespace,
                "name": owner.name,
                "kind": owner.kind,
                "labels": flat,
                "addresses": addresses,
                "names": names,
                "account": own[labels.ACCOUNT],
                "is_managed": not on_node,
                "mesh": mesh,
                "waypoint": waypoint,
                "pods": [],
                "source": reader.object,
            }
        if pod is not None:
            made["pods"].append(pod)

    def _labels(
        self, reader: shape.Reader, own: Mapping[str, str], spec: Mapping[str, Any], namespace: str
    ) -> dict[str, str]:
        account = reader.text(spec, "serviceAccountName") or reader.text(spec, "serviceAccount") or "default"
        key = (tuple(sorted(own.items())), namespace, account)
        known = self._flat.get(key)
        if known is None:
            above = self._namespaces[namespace]
            known = self._flat[key] = {
                **own,
                **{labels.NAMESPACE_LABEL + name: value for name, value in above.items()},
                labels.NAMESPACE: namespace,
                labels.CLUSTER: self._cluster,
                labels.ACCOUNT: account,
            }
        return known

    def _on_node(self, spec: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels of a pod on its node's network, which no policy tells from the node."""
        node = self._nodes.get(str(spec.get("nodeName")))
        if node is not None:
            return dict(node)
        key = ((), REMOTE_NODE, "")
        return self._flat.setdefault(key, {REMOTE_NODE: "", labels.CLUSTER: self._cluster})

    def _names(self, reader: shape.Reader, spec: Mapping[str, Any]) -> dict[ports.Named, int]:
        found: dict[ports.Named, int] = {}
        for container in _running(reader, spec):
            for each in reader.items(container, "ports"):
                name, number = each.get("name"), each.get("containerPort")
                protocol = PROTOCOLS.get(str(each.get("protocol") or "TCP"))
                if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < ports.STRETCH:
                    reader.tell(f"`containerPort: {number!r}` is no port", "give a number from 1 to 65535")
                elif protocol is None:
                    reader.tell(f"'{each.get('protocol')}' is no protocol of a port", "TCP, UDP or SCTP")
                elif isinstance(name, str) and name:
                    found.setdefault(ports.Named(protocol, name), number)
        return self._named.setdefault(tuple(sorted(found.items())), found)

    def _waypoint(self, held: Mapping[str, str], flat: Mapping[str, str], namespace: str) -> str | None:
        serving = [
            each.labels
            for each in self._services
            if each.namespace == namespace and each.selector is not None and each.selector.matches(flat)
        ]
        return meshes.waypoint(namespace, held, *serving, self._namespaces[namespace])


def _running(reader: shape.Reader, spec: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield the containers that run beside one another: native sidecars are init containers that stay."""
    yield from reader.items(spec, "containers")
    for each in reader.items(spec, "initContainers"):
        if each.get("restartPolicy") == "Always":
            yield each
