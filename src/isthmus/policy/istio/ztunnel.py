"""Authorization by ztunnel: what istiod translates for it, and how it matches.

`pilot/pkg/serviceregistry/ambient/authorization.go` keeps ALLOW and DENY alone, leaves out an ALLOW rule
with an attribute of HTTP, and strips a DENY rule of it; ztunnel's `src/rbac.rs` never matches an entry that
is left empty so. Hence a DENY with HTTP attributes alone stops nothing here, and all TCP at a sidecar.
Trust domain aliases mean nothing here, and `trustDomains` is neither kept nor reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.policy.istio import facts, identity, model

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEN: Final = frozenset({model.ADDRESS, model.NAMESPACE, model.PRINCIPAL, model.TARGET, model.PORT})
"""l4WhenAttributes; `source.serviceAccount` counts as HTTP here, and as TCP at a sidecar."""
KEPT: Final = frozenset({model.ADDRESS, model.NAMESPACE, model.ACCOUNT, model.PRINCIPAL, model.PORT})
"""What handleRule keeps of `from` and `to`."""
REPORTED: Final = frozenset({model.REMOTE, model.SUBJECT, model.HOST, model.METHOD, model.PATH})


def unsupported(rule: model.Rule) -> tuple[str, ...]:
    """Return the keys of a rule that ztunnel reports as attributes of HTTP."""
    parts = (each for part in (*rule.sources, *rule.operations) for each in part if each.key in REPORTED)
    beyond = (each for each in rule.when if each.key not in WHEN)
    return tuple(dict.fromkeys(each.key for each in (*parts, *beyond)))


def matches(policy: model.Authorization, rule: model.Rule, known: facts.Facts) -> bool:
    """Say whether a rule of a policy matches."""
    if policy.action is model.Action.ALLOW and unsupported(rule):
        return False
    namespace = policy.origin.namespace or ""
    return all(any(_entry(each, known, namespace) for each in clause) for clause in _clauses(rule))


def is_void(rule: model.Rule) -> bool:
    """Say whether a rule can never match, because a part of it is left empty."""
    return any(not any(clause) for clause in _clauses(rule))


def _clauses(rule: model.Rule) -> Iterator[tuple[model.Conditions, ...]]:
    for part in (rule.operations, rule.sources):
        if part:
            yield tuple(tuple(each for each in entry if each.key in KEPT) for entry in part)
    for condition in rule.when:
        yield ((condition,) if condition.key in WHEN else (),)


def _entry(conditions: model.Conditions, known: facts.Facts, namespace: str) -> bool:
    return bool(conditions) and all(_meets(each, known, namespace) for each in conditions)


def _meets(condition: model.Condition, known: facts.Facts, namespace: str) -> bool:
    wanted = any(_has(condition.key, value, known, namespace) for value in condition.values)
    unwanted = any(_has(condition.key, value, known, namespace) for value in condition.excluded)
    return (wanted or not condition.values) and not unwanted


def _has(key: str, value: str, known: facts.Facts, namespace: str) -> bool:
    if key == model.PORT:
        return int(value) == known.port
    if key in {model.ADDRESS, model.TARGET}:
        return facts.within(value, known.peers if key == model.ADDRESS else known.addresses)
    if known.principal is None:
        return False
    if key == model.PRINCIPAL:
        return identity.has_principal(value, known.principal)
    # An identity here is exactly <domain>/ns/<namespace>/sa/<account> (ztunnel `src/identity`).
    parts = known.principal.split("/")
    if key == model.NAMESPACE:
        return facts.like(value, parts[2])
    place, slash, name = value.partition("/")
    return (parts[2], parts[4]) == ((place, name) if slash else (namespace, value))
