"""Label selectors of Kubernetes to selectors over flat labels.

A selector of pods speaks of their own labels; one of namespaces of labels below `labels.NAMESPACE_LABEL`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.policy import labels, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.policy.kubernetes import notes

PODS = labels.exists(labels.NAMESPACE)
"""Every pod, and nothing outside the cluster."""
OPERATORS = {each.value: each for each in labels.Operator}


def own(told: notes.Notes, place: str, data: Any) -> labels.Selector:
    """Return the selector over the labels of pods, or of nodes, themselves."""
    return _read(told, place, data, "")


def namespaces(told: notes.Notes, place: str, data: Any) -> labels.Selector:
    """Return the selector of all pods of the namespaces that a selector matches."""
    return _read(told, place, data, labels.NAMESPACE_LABEL) & PODS


def local(told: notes.Notes, selector: labels.Selector) -> labels.Selector:
    """Keep a peer to the own cluster where the implementation does.

    Only Cilium knows other clusters; up to 1.18 it means all of them, since 1.19 the own one unless the
    selector asks for the cluster itself (`parseNetworkPolicyPeer`).
    """
    settings = told.settings
    is_alone = settings.enforcer is world.Enforcer.KUBERNETES
    if is_alone or (settings.selects_own_cluster and labels.CLUSTER not in selector.keys):
        return selector & labels.equal(labels.CLUSTER, settings.cluster)
    return selector


def _read(told: notes.Notes, place: str, data: Any, prefix: str) -> labels.Selector:
    found = told.mapping(place, data)
    told.only(place, found, ("matchLabels", "matchExpressions"))
    return labels.Selector(
        frozenset((*_exact(told, place, found, prefix), *_expressions(told, place, found, prefix)))
    )


def _exact(told: notes.Notes, place: str, data: Any, prefix: str) -> Iterator[labels.Requirement]:
    for key, value in told.mapping(f"{place}.matchLabels", data.get("matchLabels")).items():
        if not isinstance(value, str):
            raise told.broken(f"{place}.matchLabels.{key}", f"{value!r} is no text", "put it in quotes")
        yield labels.Requirement(prefix + key, labels.Operator.IN, frozenset({value}))


def _expressions(told: notes.Notes, place: str, data: Any, prefix: str) -> Iterator[labels.Requirement]:
    listed = told.items(f"{place}.matchExpressions", data.get("matchExpressions"))
    for number, each in enumerate(listed):
        here = f"{place}.matchExpressions[{number}]"
        written = told.mapping(here, each)
        key, operator = written.get("key"), OPERATORS.get(str(written.get("operator")))
        values = told.items(f"{here}.values", written.get("values"))
        if not isinstance(key, str) or not key:
            raise told.broken(here, "it has no `key`", "name the label")
        if operator is None:
            word = f"'{written.get('operator')}' is no operator"
            raise told.broken(here, word, f"use one of: {', '.join(OPERATORS)}")
        if not all(isinstance(value, str) for value in values):
            raise told.broken(here, "a value is no text", "put it in quotes")
        needs_values = operator in {labels.Operator.IN, labels.Operator.NOT_IN}
        if needs_values is not bool(values):
            must = "needs values" if needs_values else "takes no values"
            raise told.broken(here, f"{operator.value} {must}", "see the API of label selectors")
        yield labels.Requirement(prefix + key, operator, frozenset(values))


def nodes(told: notes.Notes, place: str, data: Any) -> tuple[labels.Selector, ...]:
    """Return the selectors of nodes that a selector over their labels matches: the own one and others."""
    found = own(told, place, data)
    return tuple(found & labels.exists(key) for key in sorted(world.NODE))
