"""What comes in through Ingress and Route objects: a controller in the cluster opens the connection.

Which pods the controller has no manifest says; it stands for any pod of a namespace that no rule knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.model import finding
from isthmus.policy import labels, ports, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TITLE: Final = "{ingress-controller}"
NAMESPACE: Final = "ingress-controller-ns"
GROUPS: Final = {
    "Ingress": frozenset({"networking.k8s.io", "extensions"}),
    "Route": frozenset({"route.openshift.io", ""}),
}


class Backend(NamedTuple):
    """A service by name in a namespace, and its port by number or name; None for every port."""

    namespace: str
    service: str
    port: int | str | None
    is_target: bool = False


def endpoint(cluster: str) -> world.Endpoint:
    """Return the controller of a cluster as a peer of policies."""
    held = {
        labels.NAMESPACE: NAMESPACE,
        f"{labels.NAMESPACE_LABEL}kubernetes.io/metadata.name": NAMESPACE,
        labels.CLUSTER: cluster,
    }
    return world.Endpoint(cluster, NAMESPACE, TITLE, "Pod", held)


def wanted(
    known: world.World, cluster: str
) -> tuple[dict[world.Endpoint, ports.Ports], tuple[finding.Finding, ...]]:
    """Return the pods behind the services that objects of a cluster name, with the ports asked of each.

    A service that the objects name and nobody gave is a finding.
    """
    findings: list[finding.Finding] = []
    services = {(each.namespace, each.name): each for each in known.services if each.cluster == cluster}
    pods = [each for each in known.endpoints if each.cluster == cluster and each.is_pod]
    found: dict[world.Endpoint, ports.Ports] = {}
    for each in known.policies.get(cluster, ()):
        if each.group not in GROUPS.get(each.kind, ()):
            continue
        backends = _ingress(each) if each.kind == "Ingress" else _route(each)
        for backend in dict.fromkeys(backends):
            service = services.get((backend.namespace, backend.service))
            if service is None:
                findings.append(_missing(each, cluster, backend))
                continue
            for pod in pods:
                if service.selector is not None and service.selector.matches(pod.labels):
                    held = _ports(service, backend, pod)
                    found[pod] = ports.union(found.get(pod, ports.NONE), held)
    return found, tuple(findings)


def _ports(service: world.Service, backend: Backend, pod: world.Endpoint) -> ports.Ports:
    """Return the ports of a pod that a backend means: controllers speak TCP."""
    found = ports.NONE
    for place, (protocol, port, target) in enumerate(service.ports):
        if protocol != ports.Protocol.TCP:
            continue
        name = service.names[place] if place < len(service.names) else ""
        means = {port, name} | ({target} if backend.is_target else set())
        if backend.port is None or backend.port in means:
            known = ports.Protocol(protocol)
            number = target if isinstance(target, int) else pod.names.get(ports.Named(known, target))
            if number is not None:
                found = ports.union(found, ports.interval(known, number, number))
    return found


def _ingress(each: world.Object) -> Iterator[Backend]:
    namespace, spec = each.namespace or "default", _mapping(each.data.get("spec"))
    listed = [spec.get("defaultBackend"), spec.get("backend")]
    for one in _mappings(spec.get("rules")):
        listed.extend(path.get("backend") for path in _mappings(_mapping(one.get("http")).get("paths")))
    for backend in map(_mapping, listed):
        service = _mapping(backend.get("service"))
        if service.get("name"):
            port = _mapping(service.get("port"))
            yield Backend(namespace, str(service["name"]), _port(port.get("number", port.get("name"))))
        elif backend.get("serviceName"):
            yield Backend(namespace, str(backend["serviceName"]), _port(backend.get("servicePort")))


def _route(each: world.Object) -> Iterator[Backend]:
    namespace, spec = each.namespace or "default", _mapping(each.data.get("spec"))
    port = _port(_mapping(spec.get("port")).get("targetPort"))
    for one in (_mapping(spec.get("to")), *_mappings(spec.get("alternateBackends"))):
        if one.get("kind", "Service") == "Service" and one.get("name"):
            yield Backend(namespace, str(one["name"]), port, is_target=True)


def _port(data: Any) -> int | str | None:
    return data if isinstance(data, int | str) and not isinstance(data, bool) else None


def _mapping(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _mappings(data: Any) -> list[Mapping[str, Any]]:
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def _missing(each: world.Object, cluster: str, backend: Backend) -> finding.Finding:
    return finding.Finding(
        code="policy-service-missing",
        severity=finding.Severity.WARNING,
        message=f"the service '{backend.namespace}/{backend.service}' that it names is nowhere",
        remedy="give the manifest of the service too",
        kind=each.kind,
        namespace=each.namespace,
        name=each.name,
        cluster=cluster,
        file=each.file,
        line=each.line,
    )
