"""AuthorizationPolicies that others make useless or contradict, where that is cheap to see.

Two are compared only where one covers every workload of the other by scope: the root namespace a namespace, a
namespace a selector in it. Conditions are compared as they are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import finding
from isthmus.policy.istio import model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def lint(policies: model.Policies) -> Iterator[finding.Finding]:
    """Yield a finding for each policy that another shadows or contradicts."""
    root = policies.settings.root_namespace
    alive = [each for each in policies.authorizations if not each.is_dry_run and each.rules]
    scopes: dict[str, list[model.Authorization]] = {}
    for each in alive:
        scopes.setdefault(each.origin.namespace or "", []).append(each)
    for policy in alive:
        near = [*scopes.get(root, ()), *(scopes.get(policy.origin.namespace or "", ()))]
        for other in dict.fromkeys(near):
            if other is not policy and _covers(other, policy, root):
                found = _between(other, policy, root)
                if found is not None:
                    yield found
                    break


def _covers(wide: model.Authorization, narrow: model.Authorization, root: str) -> bool:
    if wide.targets or narrow.targets:
        return wide.targets == narrow.targets and wide.origin.namespace == narrow.origin.namespace
    if wide.origin.namespace not in {root, narrow.origin.namespace}:
        return False
    return set(wide.selection or ()) <= set(narrow.selection or ())


def _between(other: model.Authorization, policy: model.Authorization, root: str) -> finding.Finding | None:
    """Return what is wrong with a policy beside another that covers its scope."""
    name = f"{other.origin.kind} {other.origin.namespace}/{other.origin.name}"
    if other.action is model.Action.DENY and _is_total(other):
        if policy.action is model.Action.ALLOW:
            return _said(policy, f"{name} denies everything it allows", "IST-CONTRADICTION")
        if policy.action is model.Action.DENY and not _is_total(policy):
            return _said(policy, f"{name} denies everything already", "IST-SHADOWED")
    is_same = other.action is policy.action and policy.action in {model.Action.ALLOW, model.Action.DENY}
    if is_same and all(any(_implies(one, wide) for wide in other.rules) for one in policy.rules):
        if _is_twin(other, policy, root) and (other.created, other.origin.name) > (
            policy.created,
            policy.origin.name,
        ):
            return None
        return _said(policy, f"every rule of it is within a rule of {name}", "IST-SHADOWED")
    if other.action is model.Action.DENY and policy.action is model.Action.ALLOW:
        stopped = [one for one in policy.rules if any(_implies(one, wide) for wide in other.rules)]
        if stopped:
            rules = ", ".join(f"rules[{one.place}]" for one in stopped)
            return _said(policy, f"{name} denies all that {rules} allows", "IST-CONTRADICTION")
    return None


def _is_twin(one: model.Authorization, other: model.Authorization, root: str) -> bool:
    """Say whether the first is within the second too, so that one of them is enough to tell of."""
    is_within = all(any(_implies(each, wide) for wide in other.rules) for each in one.rules)
    return is_within and _covers(other, one, root)


def _is_total(policy: model.Authorization) -> bool:
    return any(not each.conditions for each in policy.rules)


def _implies(narrow: model.Rule, wide: model.Rule) -> bool:
    """Say whether a rule matches nothing that another does not, as far as the text tells."""
    return (
        _within(narrow.sources, wide.sources)
        and _within(narrow.operations, wide.operations)
        and set(wide.when) <= set(narrow.when)
    )


def _within(narrow: Sequence[model.Conditions], wide: Sequence[model.Conditions]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(_tighter(one, other) for other in wide) for one in narrow)


def _tighter(narrow: model.Conditions, wide: model.Conditions) -> bool:
    """Say whether each condition of the wide entry has one in the narrow with fewer values, more excluded."""
    own = {each.key: each for each in narrow}
    for each in wide:
        found = own.get(each.key)
        if found is None or not set(each.excluded) <= set(found.excluded):
            return False
        if each.values and (not found.values or not set(found.values) <= set(each.values)):
            return False
    return True


def _said(policy: model.Authorization, message: str, code: str) -> finding.Finding:
    origin = policy.origin
    told = f"{origin.kind} {origin.namespace}/{origin.name}: {message}"
    return origin.told(code, finding.Severity.WARNING, told, remedy="take one of them out, or narrow it")
