"""Intents as NetworkPolicies, for clusters without Cilium: what is in the own cluster, and ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import access
    from isthmus.policy.intents import parties

Json = dict[str, Any]
API: Final = "networking.k8s.io/v1"
NAME: Final = "kubernetes.io/metadata.name"
DNS: Final = {
    "namespaceSelector": {"matchLabels": {NAME: "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}


def policy(name: str, namespace: str, spec: Json) -> Json:
    """Return one NetworkPolicy."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def selector(party: parties.Party) -> Json:
    """Return the selector of an end within its namespace; an account cannot be selected."""
    return {"matchLabels": dict(party.labels)} if party.labels else {}


def peers(party: parties.Party) -> list[Json]:
    """Return an end as the peers of a rule: pods of the own cluster, or ranges."""
    if party.is_outside:
        return [{"ipBlock": {"cidr": each}} for each in party.addresses]
    return [{"namespaceSelector": {"matchLabels": {NAME: party.namespace}}, "podSelector": selector(party)}]


def ports(rules: Sequence[access.Rule]) -> list[Json]:
    """Return the ports of rules."""
    numbers = dict.fromkeys((rule.protocol.upper(), rule.port) for rule in rules)
    return [{"protocol": protocol, "port": port} for protocol, port in numbers]
