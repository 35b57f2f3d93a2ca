"""What the AuthorizationPolicies of one point say together: CUSTOM, then DENY, then ALLOW.

`pilot/pkg/security/authz/builder/builder.go`: policies in dry run are shadow rules, AUDIT decides nothing,
and a policy without rules is there but matches nothing, so that an ALLOW without rules lets nothing
through.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from isthmus.policy.istio import attach, envoy, facts, model, ztunnel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isthmus.policy import rule

Point = attach.Point


class Verdict(StrEnum):
    """The answer; `ask` where an external provider decides."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What authorization says, who decided, and why; `is_partial` where the answer differs by request."""

    verdict: Verdict
    because: tuple[rule.Origin, ...]
    why: str
    change: str | None = None
    is_partial: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matches, or may."""

    policy: model.Authorization
    place: int
    truth: facts.Truth


NOTHING: Final = "no AuthorizationPolicy applies, so everything passes"


def authorize(policies: Sequence[model.Authorization], known: facts.Facts, where: attach.Point) -> Outcome:
    """Return what policies that attach to a point say of a connection or request."""
    enforced = [each for each in policies if _is_enforced(each, where)]
    stages = {action: [each for each in enforced if each.action is action] for action in model.Action}
    denied = _hits(stages[model.Action.DENY], known, where)
    sure = [hit for hit in denied if hit.truth]
    if sure:
        change = "change that rule, or exclude this peer or request from it"
        return Outcome(Verdict.DENY, _origins(sure), f"{_rules(sure)} matches (DENY)", change)
    asked = _ask(stages[model.Action.CUSTOM], known, where)
    if asked is not None and asked.verdict is Verdict.DENY:
        return asked
    found = _allow(stages[model.Action.ALLOW], known, where)
    if found.verdict is Verdict.DENY:
        return found
    if asked is not None:
        return dataclasses.replace(asked, is_partial=asked.is_partial or found.is_partial or bool(denied))
    if denied:
        why = f"{found.why}; {_rules(denied)} may deny, depending on the request"
        return Outcome(found.verdict, found.because or _origins(denied), why, is_partial=True)
    return found


def _is_enforced(policy: model.Authorization, where: attach.Point) -> bool:
    if policy.is_dry_run or policy.action is model.Action.AUDIT:
        return False
    return where is not Point.ZTUNNEL or policy.action is not model.Action.CUSTOM


def _hits(policies: Iterable[model.Authorization], known: facts.Facts, where: attach.Point) -> list[Hit]:
    match = ztunnel.matches if where is Point.ZTUNNEL else envoy.matches
    found = (Hit(each, rule.place, match(each, rule, known)) for each in policies for rule in each.rules)
    return [hit for hit in found if hit.truth is not False]


def _allow(policies: Sequence[model.Authorization], known: facts.Facts, where: attach.Point) -> Outcome:
    if not policies:
        return Outcome(Verdict.ALLOW, (), NOTHING)
    hits = _hits(policies, known, where)
    sure = [hit for hit in hits if hit.truth]
    if sure:
        return Outcome(Verdict.ALLOW, _origins(sure), f"{_rules(sure)} matches (ALLOW)")
    if hits:
        why = f"{_rules(hits)} may allow, depending on the request"
        return Outcome(Verdict.ALLOW, _origins(hits), why, is_partial=True)
    names = ", ".join(_name(each) for each in policies)
    why = f"no rule of the ALLOW policies that apply matches: {names}"
    if not known.is_http:
        lost = [each for each in policies if _is_lost(each, where)]
        if lost:
            rules = ", ".join(map(_name, lost))
            why += f"; rules of {rules} ask for HTTP, which {where.value} does not see here"
    change = f"a rule of {_name(policies[0])} that matches this peer and port"
    return Outcome(Verdict.DENY, tuple(each.origin for each in policies), why, change)


def _is_lost(policy: model.Authorization, where: attach.Point) -> bool:
    if where is Point.ZTUNNEL:
        return any(ztunnel.unsupported(rule) for rule in policy.rules)
    return any(each.is_http for rule in policy.rules for each in rule.conditions)


def _ask(policies: Sequence[model.Authorization], known: facts.Facts, where: attach.Point) -> Outcome | None:
    """Return what CUSTOM policies say; None where none matches.

    A provider nobody knows, or several without istiod's flag, make rules that match deny
    (getBadCustomDenyRules); one that speaks HTTP alone is not asked about TCP.
    """
    hits = _hits(policies, known, where)
    bad, reason = _unknown(policies, hits, known)
    if sure := [hit for hit in bad if hit.truth]:
        why = f"{_rules(sure)} matches (CUSTOM), and istiod knows {reason}: it denies what would be asked"
        return Outcome(Verdict.DENY, _origins(sure), why, "one provider that MeshConfig defines")
    if known.settings.providers is not None and not known.is_http:
        hits = [hit for hit in hits if known.settings.providers.get(hit.policy.provider) != "http"]
    if not hits:
        return None
    is_sure = any(hit.truth for hit in hits)
    providers = ", ".join(sorted({hit.policy.provider for hit in hits}))
    why = f"{_rules(hits)} matches (CUSTOM): the provider {providers} decides"
    return Outcome(Verdict.ASK, _origins(hits), why, is_partial=not is_sure)


def _unknown(
    policies: Sequence[model.Authorization], hits: list[Hit], known: facts.Facts
) -> tuple[list[Hit], str]:
    """Return the hits that istiod turns into denials, and what it finds wrong."""
    names = sorted({each.provider for each in policies})
    if len(names) > 1 and not known.settings.has_many_providers:
        return hits, f"more than one provider ({', '.join(names)})"
    providers = known.settings.providers
    bad = [hit for hit in hits if providers is not None and hit.policy.provider not in providers]
    return bad, f"no extension provider {', '.join(sorted({hit.policy.provider for hit in bad}))}"


def _origins(hits: Iterable[Hit]) -> tuple[rule.Origin, ...]:
    return tuple(dict.fromkeys(hit.policy.origin for hit in hits))


def _rules(hits: Iterable[Hit]) -> str:
    return ", ".join(f"rules[{hit.place}] of {_name(hit.policy)}" for hit in hits)


def _name(policy: model.Authorization) -> str:
    return f"{policy.origin.namespace}/{policy.origin.name}"
