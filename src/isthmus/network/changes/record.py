"""What was applied of a plan and cannot be changed in place, so that the next plan is held against it.

It is kept as JSON beside the documents, one cluster a line, so that a review shows which cluster changed. A
live cluster tells the same of itself, as far as it can be read.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix
from isthmus.mesh import settings
from isthmus.model import datapath
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.model import fleet
    from isthmus.network import imported
    from isthmus.network.ipam import addresses

FILE: Final = "plan.lock.json"
FORMAT: Final = 1

RANGES: Final = {role.value: role for role in ranges.Role}
CILIUM: Final = ("cni", "ipam", "routing", "encapsulation", "underlay", "maxConnectedClusters")
ISTIO: Final = {"trustDomain": "trustDomain", "meshId": "meshId", "meshNetwork": "network"}
"""Fields of the record to those of a cluster's `istio`."""

FIELDS: Final = ("provider", "region", *RANGES, "nodeMask", *CILIUM, *ISTIO)
"""What a cluster is recorded with beside name and id, in the order of the file."""

Value = str | int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One cluster; None where nothing is stated or known."""

    name: str
    id: int | None
    fields: Mapping[str, Value]
    inferred: frozenset[str] = frozenset()
    """Ranges that are only the least that they can be."""

    def family(self, field: str) -> ranges.Family:
        """Return the ranges of a field."""
        return tuple(map(prefix.parse, str(text).split(","))) if (text := self.fields[field]) else ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The clusters of a fleet as they were applied."""

    fleet: str
    rows: tuple[Row, ...]


def of(known: fleet.Fleet, given: addresses.Addresses) -> Record:
    """Return what a plan would apply."""
    rows = [_row(known, each) for each in given.clusters]
    return Record(fleet=known.name, rows=tuple(sorted(rows, key=lambda each: each.name)))


def _row(known: fleet.Fleet, given: ranges.Ranges) -> Row:
    each = given.cluster
    fields: dict[str, Value] = {name: given.text(role) for name, role in RANGES.items()}
    masks = [ranges.block(known.spec.addressing, each, one.bits) for one in given.pods]
    fields["nodeMask"] = ",".join(map(str, masks)) or None
    fields.update(provider=each.provider and each.provider.value, region=each.region)
    network = known.spec.network
    fields["cni"] = (network.cni if network else datapath.Cni.CILIUM).value
    if settings.uses_cilium(known):
        cilium = settings.cilium(known, each)
        path = cilium.datapath
        fields.update(
            ipam=cilium.ipam.value,
            routing=path.routing.value,
            encapsulation=path.encapsulation.value if path.is_tunnel else None,
            underlay=path.underlay.value,
            maxConnectedClusters=cilium.max_connected_clusters,
        )
    istio = settings.istio(known, each)
    if istio is not None:
        fields.update(trustDomain=istio.trust_domain, meshId=istio.mesh_id, meshNetwork=istio.network)
    return Row(name=each.name, id=each.id, fields={name: fields.get(name) for name in FIELDS})


def of_live(fleet_name: str, lives: Iterable[tuple[str, imported.Live]]) -> Record:
    """Return what live clusters say of themselves, under the names that the Fleet has for them."""
    return Record(fleet=fleet_name, rows=tuple(_live(name, each) for name, each in lives))


def _live(name: str, live: imported.Live) -> Row:
    fields: dict[str, Value] = {
        field: ",".join(map(str, live.of(role))) or None for field, role in RANGES.items()
    }
    fields.update(provider=live.provider and live.provider.value, region=live.region)
    for value, names in ((live.network, dict(zip(CILIUM, CILIUM, strict=True))), (live.istio, ISTIO)):
        stated: dict[str, Any] = value.model_dump(mode="json", by_alias=True) if value else {}
        fields.update({field: stated.get(name) for field, name in names.items()})
    fields["cni"] = datapath.Cni.CILIUM.value if live.network else None
    if fields["routing"] == "native":
        fields["encapsulation"] = None
    inferred = frozenset(field for field, role in RANGES.items() if live.is_inferred(role))
    return Row(
        name=name, id=live.id, fields={field: fields.get(field) for field in FIELDS}, inferred=inferred
    )


def write(record: Record) -> str:
    """Return the text of a record."""
    head = f'{{"format": {FORMAT}, "fleet": {json.dumps(record.fleet)}, "clusters": [\n'
    lines = [json.dumps({"name": each.name, "id": each.id, **each.fields}) for each in record.rows]
    return head + ",\n".join(lines) + "\n]}\n"


def read(text: str) -> Record:
    """Return the record of a text; ValueError when it is none."""
    body = json.loads(text)
    fleet, clusters = (body.get("fleet"), body.get("clusters")) if isinstance(body, dict) else (None, None)
    if type(fleet) is not str or type(clusters) is not list or body.get("format") != FORMAT:
        raise ValueError(f"it is no record of format {FORMAT}")
    return Record(fleet=fleet, rows=tuple(_read_row(each) for each in clusters))


def _read_row(body: Any) -> Row:
    name, number = (body.get("name"), body.get("id")) if isinstance(body, dict) else (None, None)
    if type(name) is not str:
        raise ValueError("a cluster has no name")
    strange = sorted(set(body) - {"name", "id", *FIELDS})
    if type(number) is not int or strange:
        raise ValueError(f"cluster '{name}' has {f'a field {strange[0]!r}' if strange else 'no id'}")
    fields = {field: body.get(field) for field in FIELDS}
    if any(type(each) not in {str, int, type(None)} for each in fields.values()):
        raise ValueError(f"a field of cluster '{name}' is neither text nor number")
    row = Row(name=name, id=number, fields=fields)
    for field in RANGES:
        row.family(field)  # says so when it is none
    return row
