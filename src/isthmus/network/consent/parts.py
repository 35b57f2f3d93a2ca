"""The text of each part of a plan, which is what a team signs: all that the part holds, and nothing else.

The head binds fleet, part and format, so that no signature serves for another. Every field of a Fleet is in
exactly one part: what no other part claims is in `clusters`. Order in the file, comments and defaults that
are spelled out change no text. What follows from another part stands where it takes effect: a way of routing
makes flows, so it changes the text of the firewall too, whose owner is to open them. Words that only explain,
such as the purpose of a flow, are left out: a better word in a new version voids no signature.
"""

from __future__ import annotations

import collections
import json
import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import team
from isthmus.network.consent import shorthand, teams
from isthmus.network.needs import quotas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from isthmus.model import folder
    from isthmus.network import plan as plans

PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@+*=>-]+")
"""Words that stand as they are; all others are quoted as JSON, so that no text can pass for another."""

IN_ADDRESSING: Final = frozenset({"pods", "services", "nodeRange"})
IN_DATAPATH: Final = frozenset({"mtu", "network"})
IN_MESH: Final = frozenset({"istio"})
SPEC_PARTS: Final = frozenset({"addressing", "network", "paths", "mesh", "teams", "clusters"})
"""Fields of a Fleet's spec that parts name; any other is in `clusters`."""


def content(part: team.Part, source: folder.Folder, plan: plans.Plan, *, previous: str | None = None) -> str:
    """Return what a part of the plan holds; `previous` is the text of teams before this one, if any."""
    if part is team.Part.TEAMS:
        return teams.write(teams.of(source.fleet, previous))
    lines = list(_WRITERS[part](source, plan)) or ["nothing"]
    return "\n".join([*teams.head(source.fleet.name, part), "", *lines]) + "\n"


def _addressing(source: folder.Folder, plan: plans.Plan) -> Iterator[str]:
    stated = source.fleet.spec.addressing
    yield from _flat("", stated.model_dump(mode="json", by_alias=True) if stated else {})
    for each in sorted(plan.addresses.clusters, key=lambda one: one.cluster.name):
        given = each.to_json()
        yield _row(
            f"cluster {each.cluster.name}", {role: given[role] for role in ("pods", "services", "nodes")}
        )


def _datapath(source: folder.Folder, plan: plans.Plan) -> Iterator[str]:
    spec = source.fleet.spec
    yield from _flat("network", spec.network.model_dump(mode="json", by_alias=True) if spec.network else {})
    yield from _overrides(source, IN_DATAPATH)
    stated = [each.model_dump(mode="json", by_alias=True) for each in spec.paths]
    yield from sorted(_row("path", {**each, "between": sorted(each["between"])}) for each in stated)
    if plan.paths.fleet_mtu is not None:
        yield f"mtu: {plan.paths.fleet_mtu}"
    pairs: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for (one, other), underlay, pod, _ in plan.paths.pairs:
        pairs[f"path mtu {underlay}, pods {pod}"] += [(one, other), (other, one)]
    yield from _grouped(pairs)


def _firewall(_source: folder.Folder, plan: plans.Plan) -> Iterator[str]:
    """Yield flows by the names of their ends: ranges are agreed to in `addressing`, owners in `teams`."""
    flows: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for row in plan.firewall:
        for target in row.targets:
            found = (target, row.sources) if target.cluster is None else row.into(target.cluster)
            for end in found[1] if found else ():
                head = f"allow {row.protocol} {row.port} from {end.place.value} to {target.place.value}"
                head += f" inside {row.inside}" if row.inside else ""
                flows[head].append((end.cluster or shorthand.OUTSIDE, target.cluster or shorthand.OUTSIDE))
    yield from _grouped(flows)


def _grouped(found: Mapping[str, list[tuple[str, str]]]) -> Iterator[str]:
    for head in sorted(found):
        yield from (f"{head}: {line}" for line in shorthand.lines(found[head]))


def _mesh(source: folder.Folder, _plan: plans.Plan) -> Iterator[str]:
    mesh = source.fleet.spec.mesh
    yield from _flat("", mesh.model_dump(mode="json", by_alias=True) if mesh else {})
    yield from _overrides(source, IN_MESH)


def _clusters(source: folder.Folder, _plan: plans.Plan) -> Iterator[str]:
    rest = source.fleet.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    yield from _flat("", {key: rest[key] for key in rest if key not in SPEC_PARTS})
    elsewhere = IN_ADDRESSING | IN_DATAPATH | IN_MESH | {"name"}
    for each in sorted(source.fleet.clusters, key=lambda one: one.name):
        fields = each.model_dump(mode="json", by_alias=True)
        yield _row(f"cluster {each.name}", {key: fields[key] for key in fields if key not in elsewhere})


def _quotas(source: folder.Folder, plan: plans.Plan) -> Iterator[str]:
    asked = quotas.quotas(source, plan.addresses.clusters, plan.firewall).asks
    words = ("provider", "account", "region", "vpc", "count")
    rows = [(each.what, {word: getattr(each, word) for word in words}) for each in asked]
    yield from sorted(_row(f"ask {_word(what)}", fields) for what, fields in rows)


_WRITERS: Final[Mapping[team.Part, Callable[[folder.Folder, plans.Plan], Iterator[str]]]] = {
    team.Part.ADDRESSING: _addressing,
    team.Part.DATAPATH: _datapath,
    team.Part.FIREWALL: _firewall,
    team.Part.MESH: _mesh,
    team.Part.QUOTAS: _quotas,
    team.Part.CLUSTERS: _clusters,
}


def _overrides(source: folder.Folder, fields: frozenset[str]) -> Iterator[str]:
    """Yield what clusters state differently from the Fleet."""
    for each in sorted(source.fleet.clusters, key=lambda one: one.name):
        stated = each.model_dump(mode="json", by_alias=True, exclude_none=True)
        own = {key: stated[key] for key in sorted(fields) if stated.get(key)}
        if own:
            yield _row(f"cluster {each.name}", own)


def _flat(path: str, value: Any) -> Iterator[str]:
    """Yield `path: words` for each leaf of plain data; absent leaves and empty lists say nothing."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _flat(f"{path}.{key}" if path else key, value[key])
    elif isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value):
        for each in value:
            yield _row(path, each)
    elif value not in (None, []):
        yield f"{path}: {_word(value)}"


def _row(head: str, fields: Mapping[str, Any]) -> str:
    """Return one line of named words."""
    cells = [line.replace(":", "", 1) for key in fields for line in _flat(key, fields[key])]
    return f"{head}: {'; '.join(cells)}" if cells else f"{head}: -"


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_word, value))
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else json.dumps(value)
    return json.dumps(value)
