"""The plan on a terminal: clusters, a bar for each supernet, what fits, paths, firewall and teams.

Lines are pieces of text with a tone; whether a terminal shows colours, and how wide it is, `cli` knows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.network.ipam import ranges
from isthmus.render import table
from isthmus.render.plan import bars, blocks, costs, flows, shares, sites, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from isthmus.model import fleet, folder, team
    from isthmus.network import plan as plans
    from isthmus.network.consent import agreement

HEADINGS: Final = ("CLUSTER", "ID", "REGION", "NODES", "PODS", "SERVICES", "NODE RANGE")
TIED: Final = "\xa0"
"""Stands for a space at which no line ends."""
MOST: Final = 16
"""Clusters, or links between regions, that have a line of their own."""
Tone = bars.Tone
Lines = list[bars.Line]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """How the text is to look."""

    width: int = table.WIDTH
    is_ascii: bool = False
    """Whether the terminal has no more than ASCII."""
    firewall: bool = False
    """Whether every row of the firewall is wanted."""

    def say(self, text: str) -> str:
        """Return the text in the characters that the terminal has."""
        return text.translate(bars.ASCII) if self.is_ascii else text


def text(
    plan: plans.Plan,
    source: folder.Folder,
    kept: Collection[str],
    look: Look,
    agreed: agreement.Agreement | None = None,
) -> Lines:
    """Return the plan of the clusters kept, and who agreed to which part of it where that is known."""
    lines = clusters(plan, kept, look)
    for part in (
        _addresses(plan, source, kept, look),
        _paths(plan, source, kept, look),
        _firewall(plan, kept, look),
        _teams(source, look, agreed),
    ):
        found = list(part)
        if found:
            lines += [(), *found]
    return lines


def clusters(plan: plans.Plan, kept: Collection[str], look: Look) -> Lines:
    """Return one line a cluster. A cut range is worthless, so no column is ever narrowed to the terminal."""
    rows = [_cells(each) for each in plan.addresses.clusters if each.cluster.name in kept]
    lines = _table(HEADINGS, rows, look)
    room = ", ".join(f"{role.value}{TIED}{count:,}" for role, count in plan.addresses.headroom.items())
    if room:
        told = f"* given by this plan; room for more clusters as large as the largest: {room}"
        wrapped = table.wrapped(told, width=look.width)
        lines += [((look.say(line.replace(TIED, " ")), Tone.PLAIN),) for line in wrapped]
    return lines


def nodes(cluster: fleet.Cluster) -> str:
    """Return the nodes of today, and those after growth."""
    planned = ranges.planned_nodes(cluster)
    return str(cluster.nodes) if planned == cluster.nodes else f"{cluster.nodes} → {planned}"


def given(each: ranges.Ranges, role: ranges.Role) -> list[str]:
    """Return the ranges of a role; those that the Fleet does not pin have a star."""
    pins = ranges.pinned(each.cluster, role)
    return [f"{one}" if one in pins else f"{one}*" for one in each.of(role)]


def _cells(each: ranges.Ranges) -> tuple[str, ...]:
    cluster = each.cluster
    given_by_role = (",".join(given(each, role)) or "-" for role in ranges.Role)
    return (cluster.name, str(cluster.id), cluster.region or "-", nodes(cluster), *given_by_role)


def owned(each: team.Team, agreed: agreement.Agreement | None) -> list[tuple[str, str]]:
    """Return the parts of a team, each with where it stands on it where that is known."""
    if agreed is None:
        return [(part.value, "") for part in each.owns]
    states = {one.part: one for one in agreed.standings if one.team == each.name}
    told = []
    for part in dict.fromkeys((*each.owns, *states)):
        state = states.get(part)
        word = "nobody asked" if state is None else state.why if state.trouble else "agreed"
        told.append((part.value, f" ({word})"))
    return told


def _addresses(
    plan: plans.Plan, source: folder.Folder, kept: Collection[str], look: Look
) -> Iterator[bars.Line]:
    maps = shares.supernets(source.fleet, plan.addresses.clusters)
    if not maps:
        return
    yield from _title("Addresses", look)
    yield _legend(look)
    for each in maps:
        told = f"{blocks.name(each)} {each.where}"
        yield (
            (look.say(told), Tone.STRONG),
            (look.say(f"  {blocks.summary(each)}"), Tone.PLAIN),
        )
        yield _barred("  ", bars.bar(each.where, each, look.width - 4), "", look)
        yield from _enlarged(each, look)
        if each.role is ranges.Role.PODS:
            yield from _each_cluster(plan, each, kept, look)


def _enlarged(each: shares.Supernet, look: Look) -> Iterator[bars.Line]:
    """Yield the part that has blocks once more where it is too small to be seen."""
    part = each.occupied
    if part is not None and part.size * 8 <= each.where.size:
        head = f"  enlarged, {part} "
        yield _barred(head, bars.bar(part, each, look.width - len(head) - 2), "", look)


def _each_cluster(
    plan: plans.Plan, supernet: shares.Supernet, kept: Collection[str], look: Look
) -> Iterator[bars.Line]:
    found = [each for each in supernet.blocks if any(name in kept for name in each.owners)]
    shown = sorted(found, key=lambda each: (-each.where.size, each.where.first))[:MOST]
    fits = {each.cluster: each.nodes_fit for each in plan.addresses.room}
    by_name = {each.cluster.name: each.cluster for each in plan.addresses.clusters}
    heads = [(f"  {each.label}", str(each.where), _fit(each, by_name, fits)) for each in shown]
    widths = [max(len(head[column]) for head in heads) for column in range(3)] if heads else []
    for each, head in zip(shown, heads, strict=True):
        start = "  ".join(cell.ljust(width) for cell, width in zip(head[:2], widths, strict=False)) + " "
        room = min(40, look.width - len(start) - widths[2] - 4)
        yield _barred(start, bars.block(each, room), f"  {head[2]}", look)
    if len(found) > len(shown):
        yield ((f"  and {len(found) - len(shown)} smaller ones: `--only A,B` shows them", Tone.SOFT),)


def _fit(each: shares.Block, by_name: Mapping[str, fleet.Cluster], fits: Mapping[str, int | None]) -> str:
    cluster, fit = by_name[each.owners[0]], fits.get(each.owners[0])
    if len(each.owners) > 1 or fit is None:
        return ""
    planned = ranges.planned_nodes(cluster)
    grown = f", {planned:,} after growth" if planned != cluster.nodes else ""
    return f"{cluster.nodes:,} nodes{grown}, {words.amount(fit)} fit"


def _paths(plan: plans.Plan, source: folder.Folder, kept: Collection[str], look: Look) -> Iterator[bars.Line]:
    few = len(kept) <= sites.FEW
    known = [each for each in source.fleet.clusters if each.name in kept]
    home = {each.name: each.name if few else sites.region(each) for each in known}
    links = sites.links(source.fleet, plan.paths.pairs, home)
    if not links:
        return
    mtu = plan.paths.fleet_mtu
    told = f"MTU per path: Cilium's `MTU` is {mtu} in every cluster" if mtu else "MTU per path"
    yield from _title(told, look)
    found = sites.bundles(links)
    rows = [
        (
            each.name,
            words.span(*each.links[0].pod),
            words.span(*each.links[0].underlay),
            words.latency(each.latency) or "-",
            f"{each.pairs:,}",
            "; ".join(each.links[0].why[:2]),
        )
        for each in found[:MOST]
    ]
    yield from _table(("BETWEEN", "PODS", "NETWORK", "LATENCY", "PAIRS", "WHY"), rows, look)
    if len(found) > MOST:
        yield ((f"and {len(found) - MOST} others: `-o json` has every pair", Tone.SOFT),)
    for each in costs.told(plan.paths):
        yield from (((look.say(line), Tone.SOFT),) for line in table.wrapped(each, width=look.width))


def _firewall(plan: plans.Plan, kept: Collection[str], look: Look) -> Iterator[bars.Line]:
    matrix = [
        row
        for row in plan.firewall
        if any(end.cluster is None or end.cluster in kept for end in (*row.sources, *row.targets))
    ]
    if not matrix:
        return
    hint = "" if look.firewall else "; `--firewall` shows each"
    yield from _title(f"Firewall: {words.count(len(matrix), 'row')}{hint}", look)
    if look.firewall:
        rows = [
            (
                f"{row.protocol} {row.port}",
                row.team,
                f"{row.source} → {row.target}: {row.purpose} ({row.when})",
            )
            for row in matrix
        ]
        yield from _table(("PORT", "TEAM", "FLOW"), rows, look)
        return
    rows = [
        (str(each.rows), f"{each.protocol} {each.port}", f"{each.source} → {each.target}: {each.purpose}")
        for each in flows.flows(matrix)
    ]
    yield from _table(("ROWS", "PORT", "FLOW"), rows, look)


def _teams(source: folder.Folder, look: Look, agreed: agreement.Agreement | None) -> Iterator[bars.Line]:
    teams = source.fleet.spec.teams
    if not teams:
        return
    yield from _title("Teams", look)
    rows = [
        (each.name, str(len(each.keys)), ", ".join(f"{part}{state}" for part, state in owned(each, agreed)))
        for each in teams
    ]
    yield from _table(("TEAM", "KEYS", "OWNS"), rows, look)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], look: Look) -> Lines:
    """Return aligned columns, the last of which wraps to the terminal."""
    cells = [tuple(look.say(cell) for cell in row) for row in rows]
    first, *rest = table.columns(cells, headings, width=look.width)
    return [((first, Tone.STRONG),), *(((line, Tone.PLAIN),) for line in rest)]


def _title(told: str, look: Look) -> Iterator[bars.Line]:
    yield ((look.say(told), Tone.STRONG),)


def _legend(look: Look) -> bars.Line:
    named = zip(bars.GLYPH.items(), ("in use", "after growth", "left over", "free", "kept out"), strict=True)
    spans: list[bars.Span] = []
    for number, ((tone, glyph), name) in enumerate(named):
        spans += [("  " if number else "", Tone.PLAIN), (look.say(glyph), tone), (f" {name}", Tone.SOFT)]
    return tuple(spans)


def _barred(head: str, line: bars.Line, tail: str, look: Look) -> bars.Line:
    drawn = ((look.say(glyphs), tone) for glyphs, tone in line)
    return ((look.say(head) + "[", Tone.PLAIN), *drawn, ("]" + look.say(tail), Tone.PLAIN))
