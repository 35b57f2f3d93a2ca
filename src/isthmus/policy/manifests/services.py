"""Services, and the addresses behind those without a selector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels, ports, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.policy.manifests import shape

SERVICE_NAME: Final = "kubernetes.io/service-name"
"""The label by which an EndpointSlice belongs to its Service."""
PROTOCOLS: Final = frozenset(each.value for each in ports.TRANSPORT)


def read(
    reader: shape.Reader, namespace: str, backends: Mapping[tuple[str, str], tuple[int, ...]]
) -> world.Service:
    """Return the service of an object."""
    data, name = reader.object.data, reader.object.name
    metadata, spec = reader.mapping(data, "metadata"), reader.mapping(data, "spec")
    wanted = reader.labels(spec, "selector")
    found = _ports(reader, spec)
    return world.Service(
        cluster=reader.cluster,
        namespace=namespace,
        name=name,
        selector=_selector(wanted, namespace, reader.cluster) if wanted else None,
        labels=reader.labels(metadata),
        ports=tuple((protocol, port, target) for _, protocol, port, target in found),
        annotations=reader.labels(metadata, "annotations"),
        addresses=backends.get((namespace, name), ()),
        names=tuple(name for name, *_ in found),
    )


def backends(readers: Iterable[tuple[shape.Reader, str]]) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return the addresses of Endpoints and EndpointSlice objects by namespace and name of the service."""
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for reader, namespace in readers:
        data = reader.object.data
        if reader.object.kind == "Endpoints":
            name: str | None = reader.object.name
            parts = [reader.items(each, "addresses") for each in reader.items(data, "subsets")]
            written: list[Any] = [each.get("ip") for part in parts for each in part]
        else:
            name = reader.labels(reader.mapping(data, "metadata")).get(SERVICE_NAME)
            lists = [each.get("addresses") for each in reader.items(data, "endpoints")]
            written = [each for part in lists if isinstance(part, list) for each in part]
            if data.get("addressType") == "FQDN":
                continue
        if name:
            held = found.get((namespace, name), ())
            found[namespace, name] = tuple(dict.fromkeys((*held, *reader.addresses(written))))
    return found


def _selector(wanted: Mapping[str, str], namespace: str, cluster: str) -> labels.Selector:
    selector = labels.equal(labels.NAMESPACE, namespace) & labels.equal(labels.CLUSTER, cluster)
    for key, value in wanted.items():
        selector &= labels.equal(key, value)
    return selector


def _ports(reader: shape.Reader, spec: Mapping[str, Any]) -> list[tuple[str, str, int, int | str]]:
    """Return name, protocol, port and target port of each."""
    found: list[tuple[str, str, int, int | str]] = []
    for each in reader.items(spec, "ports"):
        port, target = each.get("port"), each.get("targetPort")
        protocol = str(each.get("protocol") or "TCP").lower()
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < ports.STRETCH:
            reader.tell(f"`port: {port!r}` of the service is no port", "give a number from 1 to 65535")
        elif protocol not in PROTOCOLS:
            reader.tell(f"'{each.get('protocol')}' is no protocol of a port", "write TCP, UDP or SCTP")
        elif target is not None and (isinstance(target, bool) or not isinstance(target, int | str)):
            reader.tell("`targetPort` is neither number nor name", "give the port of the container")
        else:
            found.append((str(each.get("name") or ""), protocol, port, _target(port, target)))
    return found


def _target(port: int, target: int | str | None) -> int | str:
    if target is None or target in {"", 0}:
        return port
    return int(target) if isinstance(target, str) and target.isdecimal() else target
