"""Turns flags, or a folder with its plan, into what the lab takes; the lab itself knows no Fleet."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli import output
from isthmus.lab import spec as specs
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import fleet, folder
    from isthmus.network.ipam import ranges
    from isthmus.network.paths import underlay


def wanted(
    name: str,
    *,
    profile: str | None,
    clusters: int | None,
    nodes: int | None,
    source: Path | None,
) -> specs.LabSpec:
    """Return what was asked for; a lab that exists is taken as it is when nothing was."""
    from isthmus.lab import labs

    if source is not None and clusters is not None:
        raise errors.InputError("--file and --clusters contradict each other", remedy="give one of them")
    if all(each is None for each in (source, profile, clusters, nodes)):
        known = labs.find(name)
        if known is not None:
            return known.spec
    kind = profile or specs.CONTROL
    if kind not in specs.CLUSTERS:
        return specs.LabSpec(name=name, profile=kind)  # which refuses it
    if source is None:
        chosen = specs.default_clusters(clusters or specs.CLUSTERS[kind], nodes or specs.NODES[kind])
        return specs.LabSpec(name=name, profile=kind, clusters=chosen)
    return _from_folder(name, kind, output.load_folder(source), nodes or specs.NODES[kind])


def ways(source: Path | None) -> tuple[str, ...]:
    """Return the encapsulations and encryptions of a folder that not every kernel has."""
    from isthmus.mesh import settings
    from isthmus.model import datapath

    if source is None:
        return ()
    known = output.load_folder(source).fleet
    if not settings.uses_cilium(known):
        return ()
    asked = set[str]()
    for each in known.clusters:
        path = settings.cilium(known, each).datapath
        if path.routing is datapath.Routing.TUNNEL and path.encapsulation is datapath.Encapsulation.GENEVE:
            asked.add(path.encapsulation.value)
        if path.encryption is not datapath.Encryption.NONE:
            asked.add(path.encryption.value)
    return tuple(sorted(asked))


def _from_folder(name: str, kind: str, source: folder.Folder, nodes: int) -> specs.LabSpec:
    """Return the Fleet's clusters, and its witness as an API server without nodes."""
    known = source.fleet
    chosen = list(_planned(source, nodes) if kind == specs.NETWORK else _named(known, nodes))
    if known.witness is not None and known.witness.context not in {each.context for each in chosen}:
        taken = {each.name for each in chosen}
        free = next(text for text in ("witness", "fleet-witness", "lab-witness") if text not in taken)
        chosen.append(specs.ClusterSpec(name=free, context=known.witness.context, nodes=0))
    paths = tuple(_paths(known)) if kind == specs.NETWORK else ()
    return specs.LabSpec(name=name, profile=kind, clusters=tuple(chosen), paths=paths)


def _named(known: fleet.Fleet, nodes: int) -> Iterator[specs.ClusterSpec]:
    """Yield clusters by their names: fake nodes have no use for addresses."""
    for each in known.clusters:
        yield specs.ClusterSpec(
            name=each.name, region=each.region or "", context=each.context, nodes=min(each.nodes, nodes)
        )


def _planned(source: folder.Folder, nodes: int) -> Iterator[specs.ClusterSpec]:
    """Yield clusters with the ranges that the plan gives them, and what their own network carries."""
    from isthmus.network.ipam import addresses, ranges
    from isthmus.network.paths import underlay

    known = source.fleet
    under = underlay.Underlay(known)
    for own in addresses.plan(source).clusters:
        cluster = own.cluster
        yield specs.ClusterSpec(
            name=cluster.name,
            region=cluster.region or "",
            context=cluster.context,
            nodes=min(cluster.nodes, nodes),
            node_range=_of_ipv4(own, ranges.Role.NODES),
            pod_range=_of_ipv4(own, ranges.Role.PODS),
            service_range=_of_ipv4(own, ranges.Role.SERVICES),
            node_mask=ranges.block(known.spec.addressing, cluster, 32),
            mtu=under.inside(under.end(cluster)).mtu,
            routes_pods=_is_native(known, cluster),
        )


def _is_native(known: fleet.Fleet, cluster: fleet.Cluster) -> bool:
    from isthmus.mesh import settings
    from isthmus.model import datapath

    if not settings.uses_cilium(known):
        return False
    return settings.cilium(known, cluster).datapath.routing is datapath.Routing.NATIVE


def _of_ipv4(own: ranges.Ranges, role: ranges.Role) -> str:
    """Return the IPv4 range of a role, '' where the plan has none at all."""
    given = own.of(role)
    if given and given[0].is_v6:
        raise errors.InputError(
            f"the lab gives {role.value} addresses of IPv4 alone",
            where=own.cluster.name,
            why=f"the plan gives them {given[0]}",
            remedy="add an IPv4 supernet to the Fleet, or use --profile control",
        )
    return str(given[0]) if given else ""


def _paths(known: fleet.Fleet) -> Iterator[specs.PathSpec]:
    """Yield what lies between any two regions: the least that is planned between clusters of both."""
    from isthmus.network.paths import underlay

    under = underlay.Underlay(known)
    least: dict[tuple[str, str], int] = {}
    for one, other in itertools.combinations(known.clusters, 2):
        regions = (one.region or one.name, other.region or other.name)
        if regions[0] != regions[1]:
            between = underlay.key(*regions)
            mtu = _between(under, one, other)
            least[between] = min(mtu, least.get(between, mtu))
    for between, mtu in least.items():
        yield specs.PathSpec(between=between, mtu=mtu)


def _between(under: underlay.Underlay, one: fleet.Cluster, other: fleet.Cluster) -> int:
    return under.between(under.end(one), under.end(other)).mtu
