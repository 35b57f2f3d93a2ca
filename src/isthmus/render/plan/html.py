"""The plan as one page that four teams can read: nothing is loaded, nothing is sent, it prints and it folds.

The page forbids itself everything but its own style and script by their digests, so that a name in a Fleet
can never become code, even if escaping failed.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from isthmus.model import finding, team
from isthmus.network.ipam import ranges
from isthmus.render.plan import (
    blocks,
    costs,
    grids,
    markup,
    shares,
    sites,
    style,
    svg,
    tables,
    text,
    topology,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import folder
    from isthmus.network import plan as plans
    from isthmus.network.consent import agreement

tag = markup.tag
SHEET = style.COLOURS + style.PICTURE + style.PAGE + style.PAPER
PARTS: dict[str, str] = {
    team.Part.ADDRESSING: "addresses",
    team.Part.DATAPATH: "paths",
    team.Part.FIREWALL: "firewall",
    team.Part.CLUSTERS: "clusters",
}
"""Parts that a section of the page shows."""


def html(plan: plans.Plan, source: folder.Folder, *, agreed: agreement.Agreement | None = None) -> str:
    """Return the page, with who agreed to which part where that is known."""
    name = f"Plan of Fleet {source.fleet.name}"
    sections = list(_sections(plan, source, agreed))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy()),
        tag("title", name),
        markup.Safe(f"<style>{SHEET}</style>"),
    )
    body = tag(
        "body",
        tag("svg", blocks.patterns(), class_="hold", aria_hidden="true", focusable="false"),
        _header(plan, source, [(key, title) for key, title, _ in sections]),
        tag("main", *(_section(key, title, parts) for key, title, parts in sections)),
        tag(
            "footer", markup.prose("Made by `isthmus plan show --html`: the same folder gives the same page.")
        ),
        markup.Safe(f"<script>{style.SCRIPT}</script>"),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def _policy() -> str:
    sheet, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (SHEET, style.SCRIPT)
    )
    return f"default-src 'none'; style-src 'sha256-{sheet}'; script-src 'sha256-{script}'"


def _header(plan: plans.Plan, source: folder.Folder, sections: Sequence[tuple[str, str]]) -> markup.Safe:
    known = source.fleet
    contents = [tag("li", tag("a", title, href=f"#{key}")) for key, title in sections]
    return tag(
        "header",
        tag("h1", f"Plan of Fleet {known.name}"),
        tag("p", svg.headline(plan, source), class_="soft"),
        tag("dl", *_facts(plan, source), class_="facts"),
        tag("nav", tag("ul", *contents), aria_label="Sections"),
    )


def _facts(plan: plans.Plan, source: folder.Folder) -> Iterator[markup.Safe]:
    clusters = source.fleet.clusters
    counts = {
        "region": len({each.region for each in clusters if each.region}),
        "provider": len({each.provider for each in clusters if each.provider}),
    }
    places = ", ".join(words.count(count, word) for word, count in counts.items() if count)
    yield _fact("Clusters", str(len(clusters)), places)
    today = sum(each.nodes for each in clusters)
    planned = sum(ranges.planned_nodes(each) for each in clusters)
    yield _fact("Nodes", f"{today:,}", f"{planned:,} after growth")
    for role, more in sorted(plan.addresses.headroom.items()):
        yield _fact(f"Room for {role.value}", f"{more:,}", "more clusters like the largest")
    paths = plan.paths
    if paths.fleet_mtu:
        yield _fact(
            "MTU of the fleet", str(paths.fleet_mtu), words.count(len(paths.pairs), "pair") + " of clusters"
        )
    if plan.firewall:
        yield _fact("Firewall", f"{len(plan.firewall):,}", "rows")
    severities = dict.fromkeys(finding.Severity, 0)
    for found in plan.findings:
        severities[found.severity] += 1
    errors = severities[finding.Severity.ERROR]
    warnings = words.count(severities[finding.Severity.WARNING], "warning")
    yield _fact("Errors", str(errors), f"{warnings}, {severities[finding.Severity.INFO]} info")


def _fact(name: str, value: str, small: str) -> markup.Safe:
    return tag("div", tag("dt", name), tag("dd", value, tag("small", small)))


def _section(key: str, title: str, parts: Sequence[markup.Safe]) -> markup.Safe:
    leaf = "leaf" if key in {"addresses", "firewall"} else None
    return tag(
        "section",
        tag("h2", title, id=f"{key}-title"),
        *parts,
        id=key,
        class_=leaf,
        aria_labelledby=f"{key}-title",
    )


def _sections(
    plan: plans.Plan, source: folder.Folder, agreed: agreement.Agreement | None
) -> Iterator[tuple[str, str, list[markup.Safe]]]:
    if plan.findings:
        yield "findings", "Findings", [tables.findings(plan.findings)]
    yield "topology", "Topology", _topology(plan, source)
    yield "addresses", "Addresses", list(_addresses(plan, source))
    yield (
        "clusters",
        "Clusters",
        [tables.filtered("clusters-table", "Filter clusters", tables.clusters(plan.addresses))],
    )
    found = plan.paths.pairs
    if found:
        yield "paths", "MTU per path", _paths(plan, source)
    matrix = plan.firewall
    if matrix:
        yield "firewall", "Firewall", [grids.rules(matrix)]
    if source.fleet.spec.teams:
        yield "teams", "Teams", _teams(source, agreed)


def _topology(plan: plans.Plan, source: folder.Folder) -> list[markup.Safe]:
    grouped, links = svg.places(plan, source)
    drawn = topology.scene(grouped)
    size = (topology.WIDTH + 8, drawn.height + 16)
    picture = tag("g", topology.picture(drawn, links), transform="translate(4 8)")
    title = (
        f"Clusters of Fleet {source.fleet.name} by {'region' if len(grouped[0].regions) == 1 else 'cloud'}"
    )
    parts = [tables.box("Topology", svg.frame(size, title, [picture]))]
    if links and drawn.has_links:
        told = "A thin line is 1500 bytes, a dashed one less, a thick one more"
        if len(links) > topology.LABELLED:
            told += "; the figures are below, and at each line when you point at it"
        parts.append(tag("p", f"{told}.", class_="soft"))
    return parts


def _addresses(plan: plans.Plan, source: folder.Folder) -> Iterator[markup.Safe]:
    maps = shares.supernets(source.fleet, plan.addresses.clusters)
    if not maps:
        yield tag("p", "The Fleet states neither supernets nor ranges.")
        return
    yield tag(
        "p",
        "The upper bar of each supernet is true to scale. Below it every row is a stretch of the same "
        "length, and rows that hold one thing only are drawn once.",
    )
    keys = [
        tag("li", tag("svg", tag("rect", width=26, height=14, class_=kind), aria_hidden="true"), text)
        for kind, text in svg.LEGEND
    ]
    yield tag("ul", *keys, class_="legend")
    for each in maps:
        title = f"{blocks.name(each)} {each.where}: {blocks.summary(each)}"
        size = (blocks.WIDTH + 8, blocks.height(each))
        picture = tag("g", blocks.picture(each), transform="translate(4 0)")
        yield tables.box(title, svg.frame(size, title, [picture]))


def _paths(plan: plans.Plan, source: folder.Folder) -> list[markup.Safe]:
    clusters = source.fleet.clusters
    few = len(clusters) <= sites.FEW
    home = {each.name: each.name if few else sites.region(each) for each in clusters}
    found = sites.links(source.fleet, plan.paths.pairs, home)
    mtu = plan.paths.fleet_mtu
    parts = [grids.links(found, list(dict.fromkeys(home.values())))]
    if mtu:
        parts.insert(0, tag("p", markup.prose(f"Set Cilium's Helm value `MTU` to {mtu} in every cluster.")))
    parts += [tag("p", each, class_="soft") for each in costs.told(plan.paths)]
    return parts


def _teams(source: folder.Folder, agreed: agreement.Agreement | None) -> list[markup.Safe]:
    cards = []
    for each in source.fleet.spec.teams:
        owned = [tag("li", _part(part), state) for part, state in text.owned(each, agreed)]
        told = words.count(len(each.keys), "key") if each.keys else "no key yet: it cannot sign"
        cards.append(
            tag("div", tag("h3", each.name), tag("ul", *owned), tag("p", told, class_="soft"), class_="card")
        )
    return [tag("div", *cards, class_="cards")]


def _part(part: str) -> markup.Safe:
    section = PARTS.get(part)
    return tag("a", part, href=f"#{section}") if section else markup.escape(part)
