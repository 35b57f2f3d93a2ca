"""Policies from text, endpoints from facts, and one question asked of both sides of a connection."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from isthmus.address import prefix
from isthmus.policy import decide, labels, layer7, ports, rule, world
from isthmus.policy.cilium import entities, proxy, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOCAL = "local"
LATEST = (1, 20)
VERSIONS = ((1, 15), (1, 16), (1, 17), (1, 18), (1, 19), (1, 20))


class Asked(NamedTuple):
    """What both sides say: 'allow', or which side denies and how."""

    verdict: str
    denied_at: str | None = None
    kind: str | None = None
    unknown: tuple[str, ...] = ()


def objects(text: str, *, file: str | None = None) -> tuple[world.Object, ...]:
    """Read all documents of a YAML text."""
    return tuple(world.Object(each, file=file) for each in yaml.safe_load_all(text) if each)


def policy(
    spec: str, *, kind: str = "CiliumNetworkPolicy", name: str = "p", namespace: str = "shop"
) -> world.Object:
    """Return a policy with a `spec` written as YAML."""
    metadata = {"name": name} if kind == translate.CLUSTERWIDE else {"name": name, "namespace": namespace}
    return world.Object(
        {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": yaml.safe_load(spec)}
    )


def pod(
    name: str,
    own: Mapping[str, str] | None = None,
    *,
    namespace: str = "shop",
    cluster: str = LOCAL,
    account: str | None = None,
    names: Mapping[ports.Named, int] | None = None,
    address: str | None = None,
    namespace_labels: Mapping[str, str] | None = None,
) -> world.Endpoint:
    """Return a pod as Cilium labels it."""
    flat = {
        **(own or {}),
        labels.NAMESPACE: namespace,
        labels.CLUSTER: cluster,
        labels.ACCOUNT: account or "default",
        **{f"{labels.NAMESPACE_LABEL}{key}": value for key, value in (namespace_labels or {}).items()},
    }
    places = (place(address),) if address else ()
    return world.Endpoint(cluster, namespace, name, "Pod", flat, addresses=places, names=names or {})


def place(text: str) -> int:
    """Return an address as a place on the line."""
    return prefix.parse(text).first


def outside(text: str, *, cluster: str = LOCAL) -> world.Endpoint:
    """Return an address outside."""
    return entities.address(place(text), cluster=cluster)


def settings(version: tuple[int, int] = LATEST, **more: Any) -> world.Settings:
    """Return settings of a cluster with Cilium."""
    return world.Settings(**{"cluster": LOCAL, "enforcer": world.Enforcer.CILIUM, "cilium": version, **more})


def ask(
    found: rule.Rules,
    ends: tuple[world.Endpoint, world.Endpoint],
    port: int,
    *,
    using: world.Settings,
    protocol: ports.Protocol = ports.Protocol.TCP,
    request: layer7.Request | None = None,
) -> Asked:
    """Ask both sides, the way out first; a side without an endpoint of Cilium's own says nothing."""
    book = decide.Book(using, found)
    asked = decide.Ask(*ends, protocol, port)
    unknown: tuple[str, ...] = ()
    for direction, subject in zip((rule.Direction.EGRESS, rule.Direction.INGRESS), ends, strict=True):
        if not (subject.is_managed or subject.is_node) or subject.cluster != using.cluster:
            continue
        decision = book.decide(direction, asked)
        if not decision.is_allowed:
            kind = "policy-deny" if decision.cause is decide.Cause.RULE else "default-deny"
            return Asked("deny", direction.value, kind)
        is_isolated = bool(book.side(direction, subject).isolations)
        said = proxy.answer(decision, asked, request, settings=using, is_isolated=is_isolated)
        if not said.is_allowed and said.kind is proxy.Kind.AUTHENTICATION:
            return Asked("deny", direction.value, "auth-required")
        if not said.is_allowed:
            return Asked("deny", "l7", "sni" if said.kind is proxy.Kind.NAME else "l7")
        unknown += said.unknown
    return Asked("allow", unknown=unknown)


def verdict(
    policies: Sequence[world.Object],
    source: world.Endpoint,
    destination: world.Endpoint,
    port: int = 80,
    *,
    version: tuple[int, int] = LATEST,
    **more: Any,
) -> str:
    """Return 'allow' or 'deny' for one connection under some policies."""
    services: Iterable[world.Service] = more.pop("services", ())
    asking = {key: more.pop(key) for key in ("protocol", "request") if key in more}
    using = settings(version, **more)
    found = translate.translate(policies, settings=using, services=tuple(services))
    return ask(found, (source, destination), port, using=using, **asking).verdict


def is_v6(text: str) -> bool:
    """Say whether an address is of IPv6."""
    return ipaddress.ip_address(text).version == 6
