"""What clusters have in common goes to the Fleet; what one has differently stays with it."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from isthmus.model import datapath, mesh

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from isthmus.model import types
    from isthmus.network import imported

Json = dict[str, Any]


def network(lives: Sequence[imported.Live]) -> tuple[Json | None, dict[str, Json]]:
    """Return the Fleet's network and what each cluster states beside it; None where no Cilium was seen."""
    found = {each.name: each.network for each in lives if each.network is not None}
    has_cilium = any(each.routing or each.version for each in found.values())
    shared, own = _split(found, datapath.Network.model_fields)
    return ({"cni": "cilium", **shared} if has_cilium else None), own


def istio(lives: Sequence[imported.Live]) -> tuple[Json | None, dict[str, Json]]:
    """Return the Fleet's Istio and what each cluster states beside it; None where none was seen."""
    found = {each.name: each.istio for each in lives if each.istio is not None}
    shared, own = _split(found, mesh.Istio.model_fields)
    return (shared or None), own


def _split(found: Mapping[str, types.Value], shareable: Iterable[str]) -> tuple[Json, dict[str, Json]]:
    dumped = {
        name: each.model_dump(mode="json", exclude_none=True, by_alias=False) for name, each in found.items()
    }
    shared: Json = {}
    for field in shareable:
        values = collections.Counter(each[field] for each in dumped.values() if field in each)
        if values:
            shared[field] = values.most_common(1)[0][0]  # of equally many the first
    own = {
        name: {key: value for key, value in each.items() if key not in shared or shared[key] != value}
        for name, each in dumped.items()
    }
    return camel(found, shared), {name: camel(found, each) for name, each in own.items() if each}


def camel(found: Mapping[str, types.Value], values: Json) -> Json:
    """Return the values under the names that documents have."""
    model = next(iter(found.values()), None)
    fields = type(model).model_fields if model is not None else {}
    return {str(fields[key].alias or key): value for key, value in values.items()}
