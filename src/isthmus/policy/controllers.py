"""What comes in through Ingress and Route objects: a controller in the cluster opens the connection.

Which pods the controller has no manifest says; it stands for any pod of a namespace that no rule knows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.model import finding
from isthmus.policy import labels, matrix, ports, rule, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TITLE: Final = "{ingress-controller}"
NAMESPACE: Final = "ingress-controller-ns"
GROUPS: Final = {
    "Ingress": frozenset({"networking.k8s.io", "extensions"}),
    "Route": frozenset({"route.openshift.io", ""}),
}


class Row(NamedTuple):
    """What a controller reaches, and the ports."""

    source: str
    destination: str
    ports: ports.Ports


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


def rows(
    known: world.World, rules: Mapping[str, rule.Rules]
) -> tuple[tuple[Row, ...], tuple[finding.Finding, ...]]:
    """Return what controllers reach through the objects of all clusters, and what those objects lack."""
    found: dict[tuple[str, str], ports.Ports] = {}
    findings: list[finding.Finding] = []
    for cluster, objects in known.policies.items():
        wanted = _wanted(known, cluster, objects, findings)
        if not wanted:
            continue
        source = endpoint(cluster)
        some = dataclasses.replace(known, endpoints=(source, *wanted))
        judged = matrix.Matrix(some, {cluster: rules.get(cluster, rule.Rules())})
        accepted = judged.accepted(source)
        prefix = f"{cluster}:" if len(known.settings) > 1 else ""
        for destination, asked in wanted.items():
            held = ports.intersection(asked, accepted.get(destination, ports.NONE))
            if held.intervals:
                ends = prefix + TITLE, prefix + destination.title
                found[ends] = ports.union(found.get(ends, ports.NONE), held)
    return tuple(Row(*ends, held) for ends, held in found.items()), tuple(findings)


def _wanted(
    known: world.World, cluster: str, objects: Iterable[world.Object], findings: list[finding.Finding]
) -> dict[world.Endpoint, ports.Ports]:
    """Return the pods behind the services that objects name, and the ports that are asked of each."""
    services = {(each.namespace, each.name): each for each in known.services if each.cluster == cluster}
    pods = [each for each in known.endpoints if each.cluster == cluster and each.is_pod]
    found: dict[world.Endpoint, ports.Ports] = {}
    for each in objects:
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
    return found


def _ports(service: world.Service, backend: Backend, pod: world.Endpoint) -> ports.Ports:
    """Return the ports of a pod that a backend means."""
    found = ports.NONE
    for place, (protocol, port, target) in enumerate(service.ports):
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
