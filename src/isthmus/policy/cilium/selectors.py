"""Label selectors of Cilium: checked as the agent checks them, and given the namespace and cluster they mean.

The flat labels of an endpoint have no source (`k8s:`, `any:`), so both are dropped from keys; reserved labels
keep theirs. A source that no endpoint here has (`container:`, `cidr:`) stays in the key and matches nothing.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]
KUBERNETES: Final = "k8s:"
DROPPED: Final = (KUBERNETES, "any:", "node:")
"""Sources whose labels stand flat: of pods, of anything, and of nodes."""
SOURCE: Final = re.compile(r"[A-Za-z0-9]+")
PART: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
PREFIX: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
LONGEST_PREFIX: Final = 253
NAMESPACE_LABELS: Final = (1, 16)
"""Since then a selector with labels of namespaces means any namespace; `getEndpointSelector` of 1.15.6 has
no such case."""
OUTSIDE: Final = ("world", "world-ipv4", "world-ipv6", "unmanaged", "none")
NODES: Final = ("host", "remote-node")
OTHERS: Final = ("health", "ingress", "init")
"""Endpoints of a node's own that are no pods of a namespace."""


def troubles(written: Json | None) -> Iterator[str]:
    """Yield why the agent refuses a selector (`pkg/labels/validation.go`)."""
    if written is None:
        return
    for key, value in (written.get("matchLabels") or {}).items():
        yield from _key(key)
        yield from _value(value)
    for each in written.get("matchExpressions") or ():
        yield from _expression(each)


def read(written: Json | None) -> labels.Selector:
    """Return a selector as it is written; None selects everything."""
    return labels.Selector(frozenset(_requirements(written or {})))


def peer(
    written: Json, *, namespace: str | None, cluster: str | None, is_init: bool, by_labels: bool
) -> labels.Selector:
    """Return what a peer's selector means in a policy of a namespace (None: clusterwide) and cluster.

    `cluster` is None where a selector without one means all (before 1.19); `is_init` says that the policy is
    for endpoints without labels yet; `by_labels` that labels of namespaces mean any (since 1.16).
    """
    found = read(written)
    if any(key.startswith(labels.RESERVED) for key in found.keys):
        return found
    added: list[labels.Requirement] = []
    if labels.NAMESPACE not in found.keys:
        if namespace is None:
            if not is_init:
                added.append(labels.Requirement(labels.NAMESPACE, labels.Operator.EXISTS))
        elif not (by_labels and any(key.startswith(labels.NAMESPACE_LABEL) for key in found.keys)):
            added.append(_is(labels.NAMESPACE, namespace))
    return in_cluster(labels.Selector(found.requirements | frozenset(added)), cluster)


def in_cluster(selector: labels.Selector, cluster: str | None) -> labels.Selector:
    """Return a selector limited to a cluster unless it names one itself."""
    if cluster is None or labels.CLUSTER in selector.keys:
        return selector
    return selector & labels.equal(labels.CLUSTER, cluster)


def subject(written: Json, *, namespace: str | None) -> labels.Selector:
    """Return which endpoints an `endpointSelector` of a namespace (None: clusterwide) guards: never nodes."""
    if namespace is None:
        return read(written) & _without((*OUTSIDE, *NODES))
    kept = {**written, "matchLabels": dict(written.get("matchLabels") or {})}
    # A namespace with the source k8s is overwritten; any other way to name one stays beside
    # (`ParseToCiliumRule`), so that a foreign one selects nothing.
    kept["matchLabels"].pop(f"{KUBERNETES}{labels.NAMESPACE}", None)
    return read(kept) & labels.equal(labels.NAMESPACE, namespace)


def nodes(written: Json) -> labels.Selector:
    """Return which nodes a `nodeSelector` guards; a node is told by the labels that it does not have."""
    absent = labels.Requirement(labels.NAMESPACE, labels.Operator.ABSENT)
    return read(written) & _without((*OUTSIDE, *OTHERS)) & labels.Selector(frozenset({absent}))


@functools.cache
def reserved(name: str) -> labels.Selector:
    """Return the selector of a reserved label."""
    return labels.exists(f"{labels.RESERVED}{name}")


@functools.cache
def _without(names: tuple[str, ...]) -> labels.Selector:
    absent = labels.Operator.ABSENT
    return labels.Selector(
        frozenset(labels.Requirement(f"{labels.RESERVED}{name}", absent) for name in names)
    )


def _requirements(written: Mapping[str, Any]) -> Iterator[labels.Requirement]:
    for key, value in (written.get("matchLabels") or {}).items():
        yield _is(plain(key), value)
    for each in written.get("matchExpressions") or ():
        values = frozenset(each.get("values") or ())
        yield labels.Requirement(plain(each["key"]), labels.Operator(each["operator"]), values)


def _is(key: str, value: str) -> labels.Requirement:
    return labels.Requirement(key, labels.Operator.IN, frozenset({value}))


def plain(key: str) -> str:
    """Return a key of the flat labels for one with a source."""
    for source in DROPPED:
        if key.startswith(source):
            return key.removeprefix(source)
    return key


def _expression(each: Json) -> Iterator[str]:
    operator, values = each.get("operator"), each.get("values") or ()
    if operator not in list(labels.Operator):
        yield f"'{operator}' is no operator: use {', '.join(labels.Operator)}"
    needs_values = operator in {labels.Operator.IN, labels.Operator.NOT_IN}
    if needs_values and not values:
        yield f"{operator} needs values"
    elif values and not needs_values and operator in list(labels.Operator):
        yield f"{operator} takes no values"
    yield from _key(str(each.get("key") or ""))
    for value in values:
        yield from _value(value)


def _key(key: str) -> Iterator[str]:
    source, colon, rest = key.partition(":")
    if ":" in rest or (colon and not SOURCE.fullmatch(source)):
        yield f"'{key}' is no label key: one source of letters and digits may stand before a colon"
        return
    prefix, slash, name = (rest if colon else key).rpartition("/")
    is_good = PART.fullmatch(name) and (
        not slash or (PREFIX.fullmatch(prefix) and len(prefix) <= LONGEST_PREFIX)
    )
    if not is_good:
        yield f"'{key}' is no label key"


def _value(value: object) -> Iterator[str]:
    if not isinstance(value, str) or (value and not PART.fullmatch(value)):
        yield f"'{value}' is no label value"
