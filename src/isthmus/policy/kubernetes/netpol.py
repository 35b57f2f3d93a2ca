"""`networking.k8s.io/v1` NetworkPolicy to rules.

Source: the API's documentation of the kind and kubernetes/kubernetes `pkg/apis/networking/validation`. What
an API server would refuse is told, and the part that cannot be read lets nothing through.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding
from isthmus.policy import labels, ports, rule
from isthmus.policy.kubernetes import blocks, notes, portlists, selectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.policy import world

SPEC: Final = ("podSelector", "policyTypes", "ingress", "egress")
SIDES: Final = {
    rule.Direction.INGRESS: ("Ingress", "ingress", "from"),
    rule.Direction.EGRESS: ("Egress", "egress", "to"),
}


def read(each: world.Object, told: notes.Notes) -> rule.Rules:
    """Return the rules and isolations of one policy."""
    try:
        spec = told.mapping("spec", each.data.get("spec"))
        told.only("spec", spec, SPEC)
        subject = _subject(told, spec)
        types = _types(told, spec)
    except notes.BrokenError:
        return rule.Rules()
    rules: list[rule.Rule] = []
    isolations: list[rule.Isolation] = []
    for direction, (word, key, _) in SIDES.items():
        if word in types:
            isolations.append(rule.Isolation(told.origin, direction, subject))
            rules.extend(_rules(told, spec, direction, subject))
        elif spec.get(key):
            told.tell(
                "policy-ignored",
                f"spec.{key}: its rules do nothing, as policyTypes has no {word}",
                f"add {word} to policyTypes or take the rules out",
                finding.Severity.WARNING,
            )
    return rule.Rules(tuple(rules), tuple(isolations))


def _subject(told: notes.Notes, spec: Any) -> labels.Selector:
    wanted = spec.get("podSelector")
    own = told.once("own", wanted, lambda: selectors.own(told, "spec.podSelector", wanted))
    namespace = told.origin.namespace or ""
    return told.once("inside", namespace, lambda: _inside(told, namespace)) & own


def _inside(told: notes.Notes, namespace: str) -> labels.Selector:
    return labels.equal(labels.NAMESPACE, namespace) & labels.equal(labels.CLUSTER, told.settings.cluster)


def _types(told: notes.Notes, spec: Any) -> frozenset[str]:
    """Return the directions that are isolated: by default ingress, and egress where it has rules."""
    listed = told.items("spec.policyTypes", spec.get("policyTypes"))
    if not listed:
        return frozenset({"Ingress", "Egress"} if spec.get("egress") else {"Ingress"})
    for each in listed:
        if each not in {"Ingress", "Egress"}:
            raise told.broken("spec.policyTypes", f"'{each}' is no type", "use Ingress or Egress")
    return frozenset(listed)


def _rules(
    told: notes.Notes, spec: Any, direction: rule.Direction, subject: labels.Selector
) -> Iterator[rule.Rule]:
    _, key, side = SIDES[direction]
    try:
        listed = told.items(f"spec.{key}", spec.get(key))
    except notes.BrokenError:
        return
    for number, each in enumerate(listed):
        place = f"spec.{key}[{number}]"
        try:
            found = told.mapping(place, each)
            told.only(place, found, (side, "ports"))
            wanted = _ports(told, f"{place}.ports", found.get("ports"))
            for peers in _peers(told, f"{place}.{side}", found.get(side)):
                yield rule.Rule(
                    told.origin, place, direction, rule.Action.ALLOW, subject, peers=peers, ports=wanted
                )
        except notes.BrokenError:
            continue


def _ports(told: notes.Notes, place: str, data: Any) -> ports.Wanted:
    return told.once("ports", data, lambda: portlists.network(told, place, data)) if data else ports.EVERY


def _peers(told: notes.Notes, place: str, data: Any) -> Iterator[rule.Peers]:
    """Yield the peers of a rule: those by labels together, each range of addresses alone."""
    listed = told.items(place, data)
    if not listed:
        yield rule.ANYONE
        return
    chosen: set[labels.Selector] = set()
    for number, each in enumerate(listed):
        try:
            read = functools.partial(_peer, told, f"{place}[{number}]", each)
            found = told.once(f"peer of {told.origin.namespace}", each, read)
        except notes.BrokenError:
            continue
        if isinstance(found, rule.Peers):
            yield found
        else:
            chosen.add(found)
    if chosen:
        yield rule.Peers(selectors=frozenset(chosen))


def _peer(told: notes.Notes, place: str, data: Any) -> rule.Peers | labels.Selector:
    found = told.mapping(place, data)
    told.only(place, found, ("podSelector", "namespaceSelector", "ipBlock"))
    if found.get("ipBlock") is None:
        return _chosen(told, place, found)
    if len(found) > 1:
        raise told.broken(place, "ipBlock stands beside a selector", "write two peers")
    return blocks.peers(told, blocks.block(told, f"{place}.ipBlock", found["ipBlock"]))


def _chosen(told: notes.Notes, place: str, data: Any) -> labels.Selector:
    pods, spaces = data.get("podSelector"), data.get("namespaceSelector")
    if pods is None and spaces is None:
        raise told.broken(
            place, "the peer says nothing", "give it a podSelector, namespaceSelector or ipBlock"
        )
    found = selectors.own(told, f"{place}.podSelector", pods)
    if spaces is None:
        found &= labels.equal(labels.NAMESPACE, told.origin.namespace or "")
    else:
        found &= selectors.namespaces(told, f"{place}.namespaceSelector", spaces)
    return selectors.local(told, found)
