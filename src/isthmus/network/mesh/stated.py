"""Where a setting of a cluster stands that a finding is about: with the cluster, or with the Fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import alias_generators

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.model import fleet
    from isthmus.network import place


def place_of(known: fleet.Fleet, index: int, field: str, places: place.Places) -> place.Path:
    """Return where a setting of a cluster stands: with the cluster, or with the Fleet."""
    cluster, name = known.clusters[index], alias_generators.to_camel(field)
    if cluster.network is not None and getattr(cluster.network, field) is not None:
        return (*places.of(cluster, "network"), name)
    return ("spec", "network", name)


def grouped(
    known: fleet.Fleet, field: str, places: place.Places, indexes: Iterable[int]
) -> Iterator[tuple[place.Path, list[int]]]:
    """Yield clusters by the place where a setting of theirs stands."""
    groups: dict[place.Path, list[int]] = {}
    for index in indexes:
        groups.setdefault(place_of(known, index, field, places), []).append(index)
    yield from groups.items()


def only(known: fleet.Fleet, indexes: Sequence[int]) -> str | None:
    """Return the name of a cluster that stands alone."""
    return known.clusters[indexes[0]].name if len(indexes) == 1 else None
