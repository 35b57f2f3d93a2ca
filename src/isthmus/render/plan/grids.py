"""MTU and firewall as tables: a matrix while it can be read, else what rows have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.render.plan import flows, markup, sites, tables, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network.needs import firewall

tag = markup.tag
NUMBER, TIGHT = tables.NUMBER, tables.TIGHT
MATRIX: Final = 24
"""Places on a side of a matrix; more are told as a list."""
LIST: Final = 300
"""Links in that list, the narrowest first."""
PRINTED: Final = 600
"""Rows of the firewall matrix that go to paper."""


def links(found: Sequence[sites.Link], homes: Sequence[str]) -> markup.Safe:
    """Return the MTU between places: a matrix while it can be read, else a list with the narrowest first."""
    if len(homes) <= MATRIX:
        return _matrix(found, homes)
    headings: list[tuple[str, str | None]] = [
        ("Between", None),
        ("Pods", NUMBER),
        ("Network", NUMBER),
        ("Latency", TIGHT),
        ("Pairs", NUMBER),
        ("Why", None),
    ]
    bundles = sites.bundles(found)
    short = [
        (
            each.name,
            words.span(*each.links[0].pod),
            words.span(*each.links[0].underlay),
            words.latency(each.latency) or "-",
            f"{each.pairs:,}",
            "; ".join(each.links[0].why[:3]),
        )
        for each in bundles[:LIST]
    ]
    ranked = sorted(found, key=lambda link: (link.pod[0], -link.pairs))
    long = [
        (
            " – ".join(dict.fromkeys(link.between)),
            words.span(*link.pod),
            words.span(*link.underlay),
            words.latency(link.latency) or "-",
            f"{link.pairs:,}",
            "; ".join(link.why[:3]),
        )
        for link in ranked[:LIST]
    ]
    told = words.count(len(found), "path")
    brief = tables.table(f"{told} between regions by what they have in common; MTU in bytes", headings, short)
    whole = tables.table("The narrowest paths between regions", headings, long, name="paths-table")
    shown = tables.filtered("paths-table", "Filter paths", whole)
    return markup.join(
        (brief, tag("details", tag("summary", f"The narrowest {len(long)}"), shown, class_="long"))
    )


def _matrix(found: Sequence[sites.Link], homes: Sequence[str]) -> markup.Safe:
    by_ends = {frozenset(link.between): link for link in found}
    least = min((link.pod[0] for link in found), default=0)
    most = max((link.pod[1] for link in found), default=0)
    head = tag("tr", tag("td"), *(tag("th", name, scope="col") for name in homes))
    if 2 * sum(link.pod[0] == least for link in found) > len(found):
        least = most  # marks nothing: most are as small
    caption = "The largest packet of a pod in bytes; below it the MTU of the network, and the latency"
    if least < most:
        caption += f"; the smallest, {least}, is marked"
    body = []
    for one in homes:
        cells = [_cell(by_ends.get(frozenset((one, other))), least if least < most else 0) for other in homes]
        body.append(tag("tr", tag("th", one, scope="row", class_=TIGHT), *cells))
    return tables.box(
        caption,
        tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_="matrix"),
    )


def _cell(link: sites.Link | None, least: int) -> markup.Safe:
    if link is None:
        return tag("td", "·")
    late = words.latency(link.latency)
    small = f"{words.span(*link.underlay)}{f', {late}' if late else ''}"
    title = f"{link.between[0]} – {link.between[1]}: {'; '.join(link.why[:3])}"
    mark = "least" if link.pod[0] == least else None
    return tag("td", words.span(*link.pod), tag("small", small), title=title, class_=mark)


def rules(matrix: Sequence[firewall.Row]) -> markup.Safe:
    """Return the matrix in short, and whole where that can be read."""
    headings: list[tuple[str, str | None]] = [
        ("Purpose", None),
        ("Protocol", TIGHT),
        ("Port", TIGHT),
        ("From", None),
        ("To", None),
        ("When", None),
        ("Team", TIGHT),
        ("Rows", NUMBER),
    ]
    rows = [
        (
            each.purpose,
            each.protocol,
            each.port,
            each.source,
            each.target,
            each.when,
            each.team,
            f"{each.rows:,}",
        )
        for each in flows.flows(matrix)
    ]
    short = tables.table(f"{words.count(len(matrix), 'row')} in short", headings, rows)
    if len(matrix) > flows.MOST:
        told = markup.prose(
            f"The {len(matrix):,} rows, one for each pair, are too many for a page: "
            "`isthmus plan show -o json` has them all."
        )
        return markup.join((short, tag("p", told)))
    whole = tables.table(
        "Every row",
        [
            ("From", TIGHT),
            ("To", TIGHT),
            ("Protocol", TIGHT),
            ("Port", TIGHT),
            ("Purpose", None),
            ("When", None),
            ("Team", TIGHT),
        ],
        [(row.source, row.target, row.protocol, row.port, row.purpose, row.when, row.team) for row in matrix],
        name="firewall-table",
    )
    shown = tables.filtered("firewall-table", "Filter rows, for example by cluster, port or team", whole)
    summary = tag("summary", f"All {words.count(len(matrix), 'row')}")
    long = "long" if len(matrix) > PRINTED else None
    return markup.join((short, tag("details", summary, shown, class_=long)))
