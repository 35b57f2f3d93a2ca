"""Entities as selectors, and the labels of what is no pod: the world, nodes, and what questions name.

Selectors are `EntitySelectorMapping` of `pkg/policy/api/entity.go`; labels those of `pkg/labels/labels.go`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.policy import labels, world
from isthmus.policy.cilium import selectors

if TYPE_CHECKING:
    from collections.abc import Mapping

WORLD: Final = ("world", "world-ipv4", "world-ipv6")
SOMEWHERE: Final = {"world": (0,), "world-ipv4": (0,), "world-ipv6": (prefix.V6,)}
"""Where the world as such is: at the first address of a family, which ranges of the whole family cover."""
CLUSTER: Final = ("host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver")
"""Of `cluster` beside the pods of the own cluster; nodes of every cluster of a mesh are `remote-node`."""


@functools.cache
def select(name: str, cluster: str) -> frozenset[labels.Selector]:
    """Return what an entity of a policy of a cluster stands for; a name that is none stands for nothing."""
    if name == "all":
        return frozenset({labels.EVERY})
    if name == "world":
        return frozenset(map(selectors.reserved, WORLD))
    if name == "cluster":
        return frozenset({labels.equal(labels.CLUSTER, cluster), *map(selectors.reserved, CLUSTER)})
    if name == "cluster-mesh":
        return frozenset({labels.exists(labels.CLUSTER), *map(selectors.reserved, CLUSTER)})
    return frozenset({selectors.reserved(name)})


def address_labels(place: int) -> Mapping[str, str]:
    """Return the labels of an address outside, a place on the line of `address.prefix`.

    Cilium gives `world` where one family is on and `world-ipv4` or `-ipv6` where both are; both are given
    here, for policies of either setting. CIDRs are matched by the address itself.
    """
    family = "world-ipv6" if place >= prefix.V6 else "world-ipv4"
    return _reserved("world", family)


def node_labels(
    own: Mapping[str, str], *, cluster: str, is_local: bool, has_api: bool = False
) -> Mapping[str, str]:
    """Return the labels of a node: its own ones (for node selectors), the cluster, and the reserved ones.

    `is_local` says that the pod asked about runs on it: then it is the host, else a remote node. The own
    labels and the cluster are there where node selectors are on (`pkg/node/manager/manager.go`).
    """
    named = _reserved("host" if is_local else "remote-node", *(["kube-apiserver"] if has_api else []))
    return {**own, labels.CLUSTER: cluster, **named}


def address(place: int, *, cluster: str, name: str | None = None) -> world.Endpoint:
    """Return the endpoint of an address outside the clusters; `name` is what it was asked by."""
    shown = str(prefix.Prefix(place, 1)).partition("/")[0]
    return world.Endpoint(
        cluster=cluster,
        namespace=None,
        name=name or shown,
        kind="Address",
        labels=address_labels(place),
        addresses=(place,),
        is_managed=False,
    )


def named(
    name: str, *, cluster: str, addresses: tuple[int, ...] = (), is_outside: bool = False
) -> world.Endpoint:
    """Return the endpoint that an entity of a question stands for.

    `kube-apiserver` is a node of the cluster, or an address outside where `is_outside` (a managed control
    plane). `cluster` and `cluster-mesh` stand for a pod of which nothing but the cluster is known, `all` and
    `none` for something without any label: what only rules for everyone (or no rule) reach.
    """
    return world.Endpoint(
        cluster=cluster,
        namespace=None,
        name=name,
        kind="Entity",
        labels=_entity_labels(name, cluster, is_outside=is_outside),
        addresses=addresses or SOMEWHERE.get(name, ()),
        is_managed=name in {"health", "ingress", "init", "cluster", "cluster-mesh"},
    )


def _entity_labels(name: str, cluster: str, *, is_outside: bool) -> Mapping[str, str]:
    if name == "all":
        return {}
    if name in {"cluster", "cluster-mesh"}:
        return {labels.CLUSTER: cluster}
    if name == "kube-apiserver":
        return _reserved(name, *(("world", "world-ipv4") if is_outside else ("remote-node",)))
    if name in {"world-ipv4", "world-ipv6"}:
        return _reserved(name, "world")
    if name in {"host", "remote-node"}:
        return node_labels({}, cluster=cluster, is_local=name == "host")
    return _reserved(name)


def _reserved(*names: str) -> dict[str, str]:
    return {f"{labels.RESERVED}{name}": "" for name in names}
