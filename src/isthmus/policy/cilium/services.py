"""`toServices`: what a Service stands for is put in place of it, before namespace and cluster are filled in.

A Service with a selector stands for the pods it selects since 1.17, one without for the addresses of its
endpoints (`pkg/policy/k8s/service.go`); 1.15 and 1.16 know the latter alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix, space
from isthmus.policy import labels
from isthmus.policy.cilium import selectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.policy import world

Json = dict[str, Any]
PODS: Final = (1, 17)


def named(written: Iterable[Json], known: Iterable[world.Service]) -> list[world.Service]:
    """Return the services of a list that a policy names or selects, each once."""
    wanted = tuple(written)
    return [service for service in known if any(_is_named(each, service) for each in wanted)]


def addresses(found: Iterable[world.Service]) -> space.Space:
    """Return the addresses behind services without a selector."""
    return space.of(
        prefix.Prefix(place, 1)
        for service in found
        if service.selector is None
        for place in service.addresses
    )


def pods(
    found: Iterable[world.Service], *, cluster: str | None, version: tuple[int, int]
) -> frozenset[labels.Selector]:
    """Return the selectors of the pods behind services with a selector; `cluster` None means any."""
    if version < PODS:
        return frozenset()
    return frozenset(
        selectors.in_cluster(service.selector & labels.equal(labels.NAMESPACE, service.namespace), cluster)
        for service in found
        if service.selector is not None
    )


def _is_named(each: Json, service: world.Service) -> bool:
    chosen = each.get("k8sServiceSelector")
    if chosen is not None:
        is_here = chosen.get("namespace") in {None, "", service.namespace}
        return is_here and selectors.read(chosen.get("selector") or {}).matches(service.labels)
    one = each.get("k8sService") or {}
    return one.get("serviceName") == service.name and one.get("namespace") in {None, "", service.namespace}
