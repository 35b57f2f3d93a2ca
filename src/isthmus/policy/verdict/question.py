"""A question as it is asked: two spots, a port and what is asked above it; parsed from text and from JSON."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix
from isthmus.model import errors
from isthmus.policy import layer7, ports, world

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTITIES: Final = (
    "all",
    "cluster",
    "cluster-mesh",
    "health",
    "host",
    "ingress",
    "init",
    "kube-apiserver",
    "none",
    "remote-node",
    "unmanaged",
    "world",
    "world-ipv4",
    "world-ipv6",
)
"""The entities of Cilium 1.20 (`pkg/policy/api/entity.go`)."""

SPOT: Final = re.compile(
    r"(?:(?P<cluster>[a-z0-9][a-z0-9.-]*):)?"
    r"(?P<namespace>[a-z0-9][a-z0-9-]*)/(?P<name>[a-z0-9][a-z0-9.-]*)(?:\[(?P<kind>[A-Za-z]+)\])?"
)
MODES: Final = tuple(each.value for each in world.Mesh)
EXAMPLE: Final = "for example: --from shop/orders --to west:data/cassandra[StatefulSet] --port 9042"


@dataclasses.dataclass(frozen=True, slots=True)
class Workload:
    """A pod or workload by name; cluster and kind where the question gives them."""

    namespace: str
    name: str
    cluster: str | None = None
    kind: str | None = None

    def __str__(self) -> str:
        cluster = f"{self.cluster}:" if self.cluster else ""
        kind = f"[{self.kind}]" if self.kind else ""
        return f"{cluster}{self.namespace}/{self.name}{kind}"


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """An IP address, as an integer on the line of `address.prefix`, and the DNS name it was asked by."""

    place: int
    name: str | None = None

    def __str__(self) -> str:
        return str(prefix.Prefix(self.place, 1)).partition("/")[0]


@dataclasses.dataclass(frozen=True, slots=True)
class Entity:
    """A group that Cilium knows by name, such as `world` or `host`."""

    name: str

    def __str__(self) -> str:
        return self.name


Spot = Workload | Address | Entity


@dataclasses.dataclass(frozen=True, slots=True)
class Mesh:
    """How Istio carries each end, and facts of MeshConfig, where a question says so."""

    source: world.Mesh | None = None
    destination: world.Mesh | None = None
    root_namespace: str | None = None
    trust_domain: str | None = None


NOTHING: Final = Mesh()


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """May this spot open that connection, and make that request over it?

    `port` is that of the pod (a Service's target port); for ICMP it is the type. `mesh` says what the
    manifests do not tell of Istio.
    """

    source: Spot
    destination: Spot
    port: int
    protocol: ports.Protocol = ports.Protocol.TCP
    request: layer7.Request | None = None
    cql: str | None = None
    mesh: Mesh = NOTHING


def spot(text: str) -> Spot:
    """Return what a text names; InputError when it is neither workload, address nor entity."""
    if text in ENTITIES:
        return Entity(text)
    try:
        return Address(prefix.parse(text).first)
    except ValueError:
        found = SPOT.fullmatch(text)
    if found is None:
        raise errors.InputError(
            f"'{text}' names no endpoint",
            why="an endpoint is [cluster:]namespace/name[Kind], an IP address, or an entity",
            remedy=f"{EXAMPLE}; entities: {', '.join(ENTITIES)}",
        )
    return Workload(found["namespace"], found["name"], found["cluster"], found["kind"])


def protocol(text: str) -> ports.Protocol:
    """Return a protocol of a question; InputError for another word."""
    known = {each.value: each for each in ports.Protocol if each is not ports.Protocol.OTHER}
    try:
        return known[text.lower()]
    except KeyError:
        remedy = f"use one of: {', '.join(known)}"
        raise errors.InputError(f"'{text}' is no protocol to ask about", remedy=remedy) from None


def request(text: str) -> layer7.Request:
    """Return the request that `--http "GET /path"` means."""
    method, _, path = text.strip().partition(" ")
    if not method.isalpha() or not path.startswith("/"):
        raise errors.InputError(
            f"'{text}' is no HTTP request", remedy='write a method and a path: --http "GET /orders"'
        )
    return layer7.Request(method=method.upper(), path=path)


def read(data: Mapping[str, Any]) -> Question:
    """Return the question of one JSON object of a batch; InputError when something is missing or odd."""
    for key in ("from", "to"):
        if key not in data:
            raise errors.InputError(f"the question has no '{key}'", remedy="give it `from`, `to` and `port`")
    asked = protocol(_text(data, "protocol") or "tcp")
    return Question(
        source=_spot(data["from"]),
        destination=_spot(data["to"]),
        port=_port(data.get("port"), asked),
        protocol=asked,
        request=_request(data),
        cql=_text(data, "cql"),
        mesh=_mesh(data),
    )


def _spot(data: object) -> Spot:
    if isinstance(data, str):
        return spot(data)
    if isinstance(data, dict):
        if data.get("ip"):
            return _address(data)
        if data.get("entity"):
            return spot(str(data["entity"]))
        if data.get("namespace") and data.get("name"):
            cluster, kind = _text(data, "cluster"), _text(data, "kind")
            return Workload(str(data["namespace"]), str(data["name"]), cluster, kind)
    remedy = 'give {"namespace", "name"}, {"ip"} or the text of an endpoint'
    raise errors.InputError("an endpoint of the question cannot be read", why=repr(data)[:80], remedy=remedy)


def _address(data: Mapping[str, Any]) -> Address:
    found = spot(str(data["ip"]))
    if not isinstance(found, Address):
        raise errors.InputError(f"'{data['ip']}' is no IP address", remedy='write {"ip": "192.0.2.1"}')
    return dataclasses.replace(found, name=_text(data, "fqdn"))


def _port(data: object, asked: ports.Protocol) -> int:
    if data is None and asked not in ports.TRANSPORT:
        return 8 if asked is ports.Protocol.ICMP else 128  # what ping sends: an echo request
    if isinstance(data, bool) or not isinstance(data, int) or not 0 <= data < ports.STRETCH:
        raise errors.InputError(f"{data!r} is no port", remedy="give a number from 0 to 65535")
    return data


def _request(data: Mapping[str, Any]) -> layer7.Request | None:
    http, name = data.get("http"), _text(data, "sni")
    if http is None and name is None:
        return None
    if http is not None and not isinstance(http, dict):
        raise errors.InputError("`http` is no object", remedy='write {"method": "GET", "path": "/orders"}')
    asked: Mapping[str, Any] = http or {}
    headers = asked.get("headers") or {}
    if not isinstance(headers, dict):
        raise errors.InputError("`http.headers` is no object", remedy='write {"x-name": "value"}')
    return layer7.Request(
        method=_text(asked, "method"),
        path=_text(asked, "path"),
        host=_text(asked, "host"),
        headers=tuple((str(key).lower(), str(value)) for key, value in headers.items()),
        server_name=name,
        **_token(asked),
    )


def _token(asked: Mapping[str, Any]) -> dict[str, Any]:
    token = asked.get("jwt")
    if not isinstance(token, dict):
        return {}
    is_good = bool(token.get("valid", True)) and not token.get("expired")
    claims = token.get("claims")
    return {
        "token": "valid" if is_good else "invalid",
        "claims": tuple(claims.items()) if isinstance(claims, dict) and is_good else (),
    }


def _mesh(data: Mapping[str, Any]) -> Mesh:
    """Return what `mesh` says: a mode of both ends, or an object with `from`, `to`, facts of MeshConfig."""
    found = data.get("mesh")
    if found is None:
        return NOTHING
    if isinstance(found, str):
        return Mesh(_mode(found), _mode(found))
    if not isinstance(found, dict):
        raise errors.InputError("`mesh` is no mode of Istio", remedy=f"use one of: {', '.join(MODES)}")
    both = found.get("mode")
    return Mesh(
        source=_mode(found.get("from", both)),
        destination=_mode(found.get("to", both)),
        root_namespace=_text(found, "rootNamespace") or _text(found, "root_namespace"),
        trust_domain=_text(found, "trustDomain") or _text(found, "trust_domain"),
    )


def _mode(text: object) -> world.Mesh | None:
    if text is None:
        return None
    if text not in MODES:
        raise errors.InputError(f"'{text}' is no mode of Istio", remedy=f"use one of: {', '.join(MODES)}")
    return world.Mesh(str(text))


def _text(data: Mapping[str, Any], key: str) -> str | None:
    found = data.get(key)
    if found is None or isinstance(found, str):
        return found or None
    raise errors.InputError(f"'{key}' is no text", why=repr(found)[:80], remedy="write it in quotes")
