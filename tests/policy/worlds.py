"""Small worlds for tests of policies: endpoints, rules and isolations in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.address import prefix, space
from isthmus.policy import labels, ports, rule, world

if TYPE_CHECKING:
    from collections.abc import Mapping

TCP = ports.Protocol.TCP
INGRESS, EGRESS = rule.Direction.INGRESS, rule.Direction.EGRESS


def pod(name: str, *, address: str | None = None, cluster: str = "default", **own: str) -> world.Endpoint:
    """Return a pod `namespace/name` with labels of its own."""
    namespace, _, short = name.partition("/")
    place = {labels.NAMESPACE: namespace, labels.CLUSTER: cluster}
    addresses = (prefix.parse(address).first,) if address else ()
    return world.Endpoint(cluster, namespace, short, "Pod", {**own, **place}, addresses)


def outside(address: str) -> world.Endpoint:
    """Return an address outside every cluster."""
    place = prefix.parse(address).first
    return world.Endpoint("", None, address, "Address", {"reserved:world": ""}, (place,), is_managed=False)


def node(name: str = "host") -> world.Endpoint:
    """Return the node that runs the pod asked about."""
    return world.Endpoint("default", None, name, "Node", {"reserved:host": ""}, is_managed=False)


def origin(name: str, kind: str = "NetworkPolicy") -> rule.Origin:
    """Return an object of namespace `a`."""
    return rule.Origin(kind, "a", name, "default")


def among(*texts: str) -> rule.Peers:
    """Return the peers of some prefixes, outside alone."""
    return rule.Peers(addresses=space.of(prefix.parse(text) for text in texts))


def of(selector: labels.Selector) -> rule.Peers:
    """Return the peers of one selector."""
    return rule.Peers(selectors=frozenset({selector}))


def port(first: int, last: int | None = None) -> ports.Wanted:
    """Return TCP ports."""
    return ports.Wanted(ports.interval(TCP, first, last or first))


def given(name: str, action: rule.Action = rule.Action.ALLOW, **fields: Any) -> rule.Rule:
    """Return a rule on ingress of namespace `a`, from anyone on every port unless said."""
    whole: Mapping[str, Any] = {
        "origin": origin(name),
        "place": "spec.ingress[0]",
        "direction": INGRESS,
        "action": action,
        "subject": labels.equal(labels.NAMESPACE, "a"),
        **fields,
    }
    return rule.Rule(**whole)


def isolated(name: str, direction: rule.Direction = INGRESS) -> rule.Isolation:
    """Return the isolation of namespace `a`."""
    return rule.Isolation(origin(name), direction, labels.equal(labels.NAMESPACE, "a"))
