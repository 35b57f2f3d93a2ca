"""The ranges of a lab: those that are stated, else free ones; and a block of the host's for API servers."""

from __future__ import annotations

import ipaddress
import itertools
from typing import TYPE_CHECKING, Final

from isthmus.address import pool, prefix
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.lab import spec as specs

BLOCKS: Final = ("198.19.0.0/16", "198.18.0.0/16", "192.168.0.0/16")
"""Where the block of a lab may lie: space for tests (RFC 2544) first, then private space."""
_BLOCK: Final = 256  # addresses of a lab's own, a /24: 126 API servers and 126 regions

_NODES: Final = ("10.64.0.0/12", 256)
_SERVICES: Final = ("10.96.0.0/12", 65536)
_PODS: Final = ("10.0.0.0/10", 65536)
"""Where ranges come from that nobody states, as in the profile `control`, and how large they are."""


def give(spec: specs.LabSpec) -> dict[str, dict[str, str]]:
    """Return the ranges of each cluster: those stated, else free ones of the usual places."""
    taken = [
        prefix.parse(text)
        for each in spec.clusters
        for text in (each.node_range, each.pod_range, each.service_range)
        if text
    ]
    _refuse_overlaps(spec)
    found: dict[str, dict[str, str]] = {}
    for cluster in spec.clusters:
        found[cluster.name] = {}
        for field, (within, size) in (
            ("node_range", _NODES),
            ("pod_range", _PODS),
            ("service_range", _SERVICES),
        ):
            text = getattr(cluster, field) or _free(cluster.name, within, size, taken)
            taken.append(prefix.parse(text))
            found[cluster.name][field] = text
    return found


def _refuse_overlaps(spec: specs.LabSpec) -> None:
    stated = [(each.name, each.node_range) for each in spec.clusters if each.node_range]
    for (one, first), (other, second) in itertools.combinations(stated, 2):
        if prefix.overlap(prefix.parse(first), prefix.parse(second)):
            raise errors.InputError(
                f"the nodes of '{one}' ({first}) and '{other}' ({second}) overlap",
                why="no router of the lab could tell them apart, as none of a cloud can",
                remedy="see isthmus plan check, and give each cluster a node range of its own",
            )


def _free(cluster: str, within: str, size: int, taken: list[prefix.Prefix]) -> str:
    given = pool.first_free(prefix.parse(within), size, taken)
    if given is None:
        raise errors.InputError(
            f"no range of {size} addresses is left in {within}",
            where=cluster,
            remedy="state the ranges of all clusters in the Fleet, or take fewer clusters",
        )
    return str(given)


def block(taken: Iterable[str], key: str) -> ipaddress.IPv4Network:
    """Return a free block; where the search begins depends on the lab, as two may search at once."""
    used = [prefix.parse(text) for text in taken]
    for each in BLOCKS:
        outer = prefix.parse(each)
        count = outer.size // _BLOCK
        for number in range(count):
            block = prefix.block(outer, 24, (int(key, 16) + number) % count)
            if not any(prefix.overlap(block, other) for other in used):
                return ipaddress.IPv4Network(str(block))
    raise errors.ConflictError(
        f"no block of {_BLOCK} addresses is free for the lab's API servers",
        why=f"routes of this host and other labs take all of {', '.join(BLOCKS)}",
        remedy="remove labs that are not needed: isthmus lab status",
    )
