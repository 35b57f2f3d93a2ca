"""Policies of a cluster's administrators to ordered rules.

ClusterNetworkPolicy (`policy.networking.k8s.io/v1alpha2`) and what it replaced, AdminNetworkPolicy and
BaselineAdminNetworkPolicy (v1alpha1). Source: network-policy-api v0.2.0, the API's own documentation: within
a tier the lower priority decides first, within an object the first rule; nothing is isolated by itself.
A peer that cannot be understood fails closed: an accept then matches nothing, deny and pass deny everything.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import space
from isthmus.model import finding
from isthmus.policy import labels, rule, world
from isthmus.policy.kubernetes import blocks, names, notes, portlists, selectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from isthmus.policy import ports

GROUP: Final = "policy.networking.k8s.io"
MOST: Final = 1000
"""The highest priority; rules of one object are numbered below its priority."""
SIDES: Final = {rule.Direction.INGRESS: ("ingress", "from"), rule.Direction.EGRESS: ("egress", "to")}


@dataclasses.dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind writes what all three mean."""

    actions: Mapping[str, rule.Action]
    fields: tuple[str, ...]
    list_of_ports: str
    read_ports: Callable[[notes.Notes, str, Any], ports.Wanted]


OLD: Final = {"Allow": rule.Action.ALLOW, "Deny": rule.Action.DENY}
DIALECTS: Final = {
    "ClusterNetworkPolicy": Dialect(
        {"Accept": rule.Action.ALLOW, "Deny": rule.Action.DENY, "Pass": rule.Action.SKIP},
        ("tier", "priority", "subject", "ingress", "egress"),
        "protocols",
        portlists.cluster,
    ),
    "AdminNetworkPolicy": Dialect(
        {**OLD, "Pass": rule.Action.SKIP},
        ("priority", "subject", "ingress", "egress"),
        "ports",
        portlists.admin,
    ),
    "BaselineAdminNetworkPolicy": Dialect(OLD, ("subject", "ingress", "egress"), "ports", portlists.admin),
}
TIERS: Final = {"Admin": rule.Tier.ADMIN, "Baseline": rule.Tier.BASELINE}


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """One policy with its stage; rules are numbered when all policies are known."""

    told: notes.Notes
    dialect: Dialect
    tier: rule.Tier
    priority: int
    rules: tuple[rule.Rule, ...]


def read(
    objects: Sequence[tuple[world.Object, notes.Notes]],
) -> rule.Rules:
    """Return the rules of all policies of these kinds in a cluster."""
    found: list[Policy] = []
    for each, told in objects:
        if _is_enforced(told):
            try:
                found.append(_policy(told, each))
            except notes.BrokenError:
                continue
    found.sort(key=lambda each: (each.tier, each.priority, each.told.origin.kind, each.told.origin.name))
    _tell_ties(found)
    rules: list[rule.Rule] = []
    order = 0
    for policy in found:
        for one in policy.rules:
            order += 1
            rules.append(dataclasses.replace(one, order=order))
    return rule.Rules(tuple(rules))


def _is_enforced(told: notes.Notes) -> bool:
    """Say whether the cluster enforces the kind at all: Cilium knows only the newest, since 1.20."""
    settings = told.settings
    if settings.enforcer is not world.Enforcer.CILIUM:
        return True
    if told.origin.kind == "ClusterNetworkPolicy" and settings.cilium >= (1, 20):
        return True
    version = ".".join(str(part) for part in settings.cilium)
    told.tell(
        "policy-not-enforced",
        f"Cilium {version} does not enforce {told.origin.kind}: it changes nothing",
        "use ClusterNetworkPolicy with Cilium 1.20 or later, or CiliumClusterwideNetworkPolicy",
        finding.Severity.WARNING,
    )
    return False


def _policy(told: notes.Notes, each: world.Object) -> Policy:
    dialect = DIALECTS[told.origin.kind]
    spec = told.mapping("spec", each.data.get("spec"))
    told.only("spec", spec, dialect.fields)
    tier, priority = _stage(told, spec)
    subject = _subject(told, spec)
    rules = tuple(
        dataclasses.replace(one, tier=tier, priority=priority)
        for direction in SIDES
        for one in _rules(told, dialect, spec, direction, subject)
    )
    return Policy(told, dialect, tier, priority, rules)


def _stage(told: notes.Notes, spec: Mapping[str, Any]) -> tuple[rule.Tier, int]:
    kind = told.origin.kind
    if kind == "BaselineAdminNetworkPolicy":
        if told.origin.name != "default":
            raise told.broken("metadata.name", "the only name it may have is `default`", "name it `default`")
        return rule.Tier.BASELINE, 0
    tier = rule.Tier.ADMIN
    if kind == "ClusterNetworkPolicy":
        written = spec.get("tier")
        if written not in TIERS:
            raise told.broken("spec.tier", f"'{written}' is no tier", f"use one of: {', '.join(TIERS)}")
        tier = TIERS[written]
    priority = spec.get("priority")
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= MOST:
        raise told.broken("spec.priority", f"{priority!r} is no priority", f"give a number from 0 to {MOST}")
    return tier, priority


def _subject(told: notes.Notes, spec: Mapping[str, Any]) -> labels.Selector:
    kind, value = portlists.one(told, "spec.subject", spec.get("subject"), ("namespaces", "pods"))
    here = labels.equal(labels.CLUSTER, told.settings.cluster)
    return here & _pods(told, f"spec.subject.{kind}", kind, value)


def _pods(told: notes.Notes, place: str, kind: str, data: Any) -> labels.Selector:
    if kind == "namespaces":
        return selectors.namespaces(told, place, data)
    found = told.mapping(place, data)
    told.only(place, found, ("namespaceSelector", "podSelector"))
    spaces = selectors.namespaces(told, f"{place}.namespaceSelector", found.get("namespaceSelector"))
    return spaces & selectors.own(told, f"{place}.podSelector", found.get("podSelector"))


def _rules(
    told: notes.Notes,
    dialect: Dialect,
    spec: Mapping[str, Any],
    direction: rule.Direction,
    subject: labels.Selector,
) -> Iterator[rule.Rule]:
    key, side = SIDES[direction]
    for number, each in enumerate(told.items(f"spec.{key}", spec.get(key))):
        place = f"spec.{key}[{number}]"
        found = told.mapping(place, each)
        told.only(place, found, ("name", "action", side, dialect.list_of_ports))
        action = dialect.actions.get(str(found.get("action")))
        if action is None:
            words = ", ".join(dialect.actions)
            message = f"'{found.get('action')}' is no action"
            raise told.broken(f"{place}.action", message, f"use one of: {words}")
        base = rule.Rule(told.origin, place, direction, action, subject)
        try:
            wanted = dialect.read_ports(
                told, f"{place}.{dialect.list_of_ports}", found.get(dialect.list_of_ports)
            )
            peers = list(_peers(told, f"{place}.{side}", found.get(side), direction))
        except notes.BrokenError:
            yield from _closed(base)
        else:
            yield from (dataclasses.replace(base, peers=one, ports=wanted) for one in peers)


def _closed(base: rule.Rule) -> Iterator[rule.Rule]:
    """Yield what a rule comes to that cannot be understood."""
    if base.action is not rule.Action.ALLOW:
        yield dataclasses.replace(base, action=rule.Action.DENY, peers=rule.ANYONE)


def _peers(told: notes.Notes, place: str, data: Any, direction: rule.Direction) -> Iterator[rule.Peers]:
    """Yield the peers of a rule: those by labels together, each range of addresses alone."""
    known: tuple[str, ...] = ("namespaces", "pods")
    if direction is rule.Direction.EGRESS:
        known = (*known, "nodes", "networks", "domainNames")
    chosen: set[labels.Selector] = set()
    listed = told.items(place, data)
    if not listed:
        raise told.broken(place, "the rule names no peer", "name whom it speaks of")
    for number, each in enumerate(listed):
        here = f"{place}[{number}]"
        kind, value = portlists.one(told, here, each, known)
        here = f"{here}.{kind}"
        if kind == "networks":
            for position, text in enumerate(told.items(here, value)):
                block = blocks.cidr(told, f"{here}[{position}]", text)
                yield blocks.peers(told, space.of([block]))
        elif kind == "nodes":
            chosen.update(selectors.local(told, one) for one in selectors.nodes(told, here, value))
        elif kind == "domainNames":
            yield blocks.peers(told, names.addresses(told, here, value))
        else:
            found = _pods(told, here, kind, value)
            # Cilium leaves peers by namespace open to other clusters (`cluster_network_policy.go`).
            is_open = kind == "namespaces" and told.settings.enforcer is world.Enforcer.CILIUM
            chosen.add(found if is_open else selectors.local(told, found))
    if chosen:
        yield rule.Peers(selectors=frozenset(chosen))


def _tell_ties(found: Sequence[Policy]) -> None:
    """Tell of policies of one tier and priority: which comes first is then nowhere defined."""
    groups: dict[tuple[rule.Tier, int], list[Policy]] = {}
    for each in found:
        if each.told.origin.kind != "BaselineAdminNetworkPolicy":
            groups.setdefault((each.tier, each.priority), []).append(each)
    for (_, priority), equals in groups.items():
        for one in equals[1:]:
            others = equals[0].told.origin.name
            one.told.tell(
                "policy-order",
                f"priority {priority} is also that of '{others}': which decides first is not defined",
                "give each policy of a tier a priority of its own",
                finding.Severity.WARNING,
            )
