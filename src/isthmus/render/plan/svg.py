"""The plan as one picture on its own: where clusters are, what links them, who has which range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.network.ipam import ranges
from isthmus.render.plan import blocks, markup, shares, sites, style, topology, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.model import folder
    from isthmus.network import plan as plans

MARGIN: Final = 20
LEGEND: Final = (
    ("used", "in use today"),
    ("grown", "after growth"),
    ("spare", "left over in a range"),
    ("free", "free"),
    ("shut", "kept out"),
)


def svg(plan: plans.Plan, source: folder.Folder) -> str:
    """Return the picture of a plan."""
    known = source.fleet
    grouped, links = places(plan, source)
    drawn = topology.scene(grouped)
    maps = shares.supernets(known, plan.addresses.clusters)
    top = 64.0
    parts = [
        markup.tag("text", f"Fleet {known.name}", x=0, y=22, class_="big"),
        markup.tag("text", headline(plan, source), x=0, y=42, class_="soft"),
        topology.picture(drawn, links, top),
    ]
    top += drawn.height + 34
    parts.append(_legend(top))
    top += 26
    for each in maps:
        parts.append(blocks.picture(each, top))
        top += blocks.height(each) + 14
    title = f"The plan of Fleet {known.name}"
    body = markup.tag("g", *parts, transform=f"translate({MARGIN} {MARGIN / 2:g})")
    sheet = markup.Safe(f"<style>{style.COLOURS}{style.PICTURE}</style>")
    width, height = blocks.WIDTH + 2 * MARGIN, top + MARGIN
    paper = markup.tag("rect", width=width, height=height, class_="paper")
    return frame((width, height), title, [sheet, blocks.patterns(), paper, body], alone=True) + "\n"


def frame(
    size: tuple[float, float], title: str, parts: Iterable[markup.Safe], *, alone: bool = False
) -> markup.Safe:
    """Return an SVG element; one that stands alone says what it is and how large."""
    width, height = (float(each) for each in size)
    own = {"xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height} if alone else {}
    return markup.tag(
        "svg",
        markup.tag("title", title),
        *parts,
        viewBox=markup.Safe(f"0 0 {width:g} {height:g}"),
        role="img",
        aria_label=title,
        **own,
    )


def places(plan: plans.Plan, source: folder.Folder) -> tuple[tuple[sites.Group, ...], tuple[sites.Link, ...]]:
    """Return the groups of clusters that a picture shows, and the links between them."""
    grouped = sites.groups(source.fleet.clusters)
    home = {each.name: group.name for group in grouped for each in group.clusters}
    return grouped, sites.links(source.fleet, plan.paths.pairs, home)


def headline(plan: plans.Plan, source: folder.Folder) -> str:
    """Return the fleet in one line."""
    clusters = source.fleet.clusters
    regions = {each.region for each in clusters if each.region}
    told = [words.count(len(clusters), "cluster")]
    if regions:
        told.append(words.count(len(regions), "region"))
    today = sum(each.nodes for each in clusters)
    planned = sum(ranges.planned_nodes(each) for each in clusters)
    told.append(f"{today:,} nodes" if today == planned else f"{today:,} nodes, {planned:,} after growth")
    mtu = plan.paths.fleet_mtu
    if mtu:
        told.append(f"MTU {mtu} for the fleet")
    return ", ".join(told)


def _legend(top: float) -> markup.Safe:
    parts, place = [], 0.0
    for kind, text in LEGEND:
        parts.append(markup.tag("rect", x=place, y=top, width=22, height=12, class_=kind))
        parts.append(markup.tag("text", text, x=place + 28, y=top + 11))
        place += 28 + len(text) * 6.6 + 24
    return markup.tag("g", *parts)
