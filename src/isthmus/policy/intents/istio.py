"""Intents as Istio's AuthorizationPolicies, and mTLS where the mesh does not demand it already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.model import access
    from isthmus.policy.intents import ground, parties

Json = dict[str, Any]
API: Final = "security.istio.io/v1"


def authorization(
    intent: parties.Intent, domains: Mapping[str, ground.Ground], *, reads_http: bool
) -> Json | None:
    """Return the policy that lets an intent through at its destination; None where nothing of it is TCP."""
    rules = [rule for rule in intent.allow if rule.protocol == "tcp"]
    if not rules:
        return None
    to = [{"operation": each} for rule in rules for each in _operations(rule, reads_http=reads_http)]
    spec: Json = {"action": "ALLOW", "rules": [{"from": [{"source": _source(intent, domains)}], "to": to}]}
    return _policy("AuthorizationPolicy", intent, spec)


def strict(intent: parties.Intent) -> Json:
    """Return the policy by which the destination takes mTLS alone: without it nobody has an identity."""
    return _policy("PeerAuthentication", intent, {"mtls": {"mode": "STRICT"}})


def deny(name: str, namespace: str) -> Json:
    """Return the policy that lets nothing into a namespace: an ALLOW without a rule."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": {}}


def _policy(kind: str, intent: parties.Intent, spec: Json) -> Json:
    destination = intent.destination
    chosen = {"selector": {"matchLabels": dict(destination.labels)}} if destination.labels else {}
    metadata = {"name": intent.name_in(destination.namespace), "namespace": destination.namespace}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": {**chosen, **spec}}


def _source(intent: parties.Intent, domains: Mapping[str, ground.Ground]) -> Json:
    """Return who: by account where the intent names one, else by namespace; ranges as they are."""
    source = intent.source
    if source.is_outside:
        return {"ipBlocks": list(source.addresses)}
    if source.account is None:
        return {"namespaces": [source.namespace]}
    named = (
        f"{domains[each].trust_domain}/ns/{source.namespace}/sa/{source.account}" for each in source.clusters
    )
    return {"principals": list(dict.fromkeys(named))}


def _operations(rule: access.Rule, *, reads_http: bool) -> list[Json]:
    port: Json = {"ports": [str(rule.port)]}
    if not (rule.http and reads_http):
        return [port]
    found = []
    for each in rule.http:
        method = {"methods": [each.method]} if each.method else {}
        path = {"paths": [each.path]} if each.path else {}
        found.append({**port, **method, **path})
    return found
