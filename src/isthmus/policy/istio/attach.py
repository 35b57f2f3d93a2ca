"""Who enforces at an endpoint, and which policies attach to it there.

Source: `pilot/pkg/model/policyattachment.go`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from isthmus.policy import world
from isthmus.policy.istio import model

if TYPE_CHECKING:
    from collections.abc import Iterable

GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
MANAGED: Final = "gateway.istio.io/managed"
WAYPOINT_CONTROLLER: Final = "istio.io-mesh-controller"
WAYPOINT_CLASS: Final = "istio-waypoint"
GATEWAY_GROUP: Final = "gateway.networking.k8s.io"
NETWORKING_GROUP: Final = "networking.istio.io"


HTTP: Final = frozenset({"http", "http2", "http_proxy", "grpc"})
STREAM: Final = frozenset({"tcp", "udp", "tls", "https", "mongo", "redis", "mysql"})
STANDARD: Final = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}
WELL_KNOWN: Final = frozenset({25, 53, 3306, 27017})
"""Ports of SMTP, DNS, MySQL and MongoDB: TCP where nothing names them otherwise."""


class Point(StrEnum):
    """Who enforces."""

    SIDECAR = "sidecar"
    ZTUNNEL = "ztunnel"
    WAYPOINT = "waypoint"
    GATEWAY = "gateway"


class Served(NamedTuple):
    """The Service or ServiceEntry that a call goes to."""

    namespace: str
    name: str
    kind: str = "Service"


def point(each: world.Endpoint, policies: model.Policies) -> Point | None:
    """Return who enforces on what reaches an endpoint; None outside the mesh."""
    if each.labels.get(MANAGED) == WAYPOINT_CONTROLLER:
        return Point.WAYPOINT
    if is_gateway(each, policies):
        return Point.GATEWAY
    known = {world.Mesh.SIDECAR: Point.SIDECAR, world.Mesh.AMBIENT: Point.ZTUNNEL}
    return known.get(each.mesh)


def speaks_http(port: int, name: str = "", app_protocol: str | None = None) -> bool | None:
    """Say what a port of a Service speaks; None where the proxy finds out by looking.

    `appProtocol` decides, else the port's name up to its first dash (ConvertProtocol in
    `pkg/config/kube/conversion.go`).
    """
    text = (STANDARD.get(app_protocol, app_protocol) if app_protocol else name).lower()
    word = text.partition("-")[0]
    if text.startswith("grpc-web") or word in HTTP:
        return True
    return False if word in STREAM or port in WELL_KNOWN else None


def is_gateway(each: world.Endpoint, policies: model.Policies) -> bool:
    """Say whether an endpoint is a gateway: by its label, or by a Gateway that selects it."""
    return GATEWAY_NAME in each.labels or any(
        model.selects(gateway.selection, each.labels) for gateway in policies.gateways
    )


def waypoint(each: world.Endpoint) -> world.Endpoint | None:
    """Return what is known of the waypoint that an endpoint names as `namespace/name`."""
    if not each.waypoint:
        return None
    namespace, slash, name = each.waypoint.partition("/")
    if not slash:
        namespace, name = each.namespace or "default", namespace
    own = {GATEWAY_NAME: name, MANAGED: WAYPOINT_CONTROLLER}
    # The account of a waypoint that Istio deploys has the name of its Gateway (templates/waypoint.yaml).
    return world.Endpoint(
        each.cluster, namespace, name, "Gateway", own, account=name, mesh=world.Mesh.AMBIENT
    )


_T = TypeVar("_T", model.Authorization, model.Authentication)


def attached(
    found: Iterable[_T], each: world.Endpoint, where: Point, root: str, served: Iterable[Served] = ()
) -> tuple[_T, ...]:
    """Return the policies that attach to an endpoint at a point, oldest first."""
    services: tuple[Served, ...] = tuple(served)
    spaces = {root, each.namespace, *(one.namespace for one in services if where is Point.WAYPOINT)}
    return tuple(
        policy
        for policy in found
        if policy.origin.namespace in spaces and _attaches(policy, each, where, root, services)
    )


def _attaches(
    policy: model.Authorization | model.Authentication,
    each: world.Endpoint,
    where: Point,
    root: str,
    services: tuple[Served, ...],
) -> bool:
    gateway = each.labels.get(GATEWAY_NAME)
    if where is Point.ZTUNNEL or gateway is None:
        # Not a gateway of the Gateway API: policies with targetRefs are ignored altogether.
        return not policy.targets and model.selects(policy.selection, each.labels)
    if not policy.targets:
        return where is not Point.WAYPOINT and model.selects(policy.selection, each.labels)
    return any(_targets(target, policy, each, where, root, services) for target in policy.targets)


def _targets(
    target: model.Target,
    policy: model.Authorization | model.Authentication,
    each: world.Endpoint,
    where: Point,
    root: str,
    services: tuple[Served, ...],
) -> bool:
    namespace = policy.origin.namespace
    if where is Point.WAYPOINT:
        kinds = {("", "Service"), (NETWORKING_GROUP, "ServiceEntry")}
        if (target.group, target.kind) in kinds and namespace is not None:
            return Served(namespace, target.name, target.kind) in services
        if (target.group, target.kind) == (GATEWAY_GROUP, "GatewayClass"):
            return namespace == root and target.name == WAYPOINT_CLASS
    is_own = (target.group, target.kind) == (GATEWAY_GROUP, "Gateway") and namespace == each.namespace
    return is_own and target.name == each.labels[GATEWAY_NAME]
