"""The tables of the page: each in a box of its own that scrolls, so that a phone keeps its width."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

from isthmus.model import finding
from isthmus.network.ipam import ranges
from isthmus.render.plan import markup, text, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from isthmus.model import fleet
    from isthmus.network.ipam import addresses

tag = markup.tag
ADDRESS, NUMBER, TIGHT = "address", "number", "tight"
FINDINGS, ALIKE = 30, 3
"""Findings that all stand in the open; of more, how many of each kind do."""
SEVERITY: Final = {
    finding.Severity.ERROR: "✖ error",
    finding.Severity.WARNING: "▲ warning",
    finding.Severity.INFO: "● info",
}


def box(label: str, *parts: markup.Safe) -> markup.Safe:
    """Return parts in a box that scrolls by itself, with the keyboard too."""
    return tag("div", *parts, class_="box", role="region", aria_label=label, tabindex=0)


def table(
    caption: str,
    headings: Sequence[tuple[str, str | None]],
    rows: Iterable[Sequence[object]],
    *,
    name: str | None = None,
    kind: str | None = None,
) -> markup.Safe:
    """Return a table in its box; a heading has the class of its column, and a row begins with its own."""
    head = [tag("th", text, scope="col", class_=own) for text, own in headings]
    kinds = [own for _, own in headings]
    body = [
        tag(
            "tr",
            *(
                tag("th", cell, scope="row", class_=own) if number == 0 else tag("td", cell, class_=own)
                for number, (cell, own) in enumerate(zip(row, kinds, strict=True))
            ),
        )
        for row in rows
    ]
    return box(
        caption,
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *head)),
            tag("tbody", *body),
            id=name,
            class_=kind,
        ),
    )


def filtered(name: str, label: str, shown: markup.Safe) -> markup.Safe:
    """Return a table with a field that filters it, which stays away where no script runs."""
    field = tag("input", type="search", autocomplete="off", spellcheck="false")
    told = tag("output", aria_live="polite", class_="soft")
    search = tag("label", label, field, told, class_="filter", data_table=name, hidden="")
    return markup.join((search, shown))


def clusters(plan: addresses.Addresses) -> markup.Safe:
    """Return every cluster with where it stands, what it has and how many nodes still fit."""
    given = plan.clusters
    fits = {each.cluster: each.nodes_fit for each in plan.room}
    optional: dict[str, Callable[[fleet.Cluster], str | None]] = {
        "Account": lambda each: each.account,
        "VPC": lambda each: each.vpc,
        "Owner": lambda each: each.owner,
    }
    extra = {name: read for name, read in optional.items() if any(read(each.cluster) for each in given)}
    headings: list[tuple[str, str | None]] = [
        ("Cluster", TIGHT),
        ("Id", NUMBER),
        ("Region", TIGHT),
        ("Provider", TIGHT),
        *((name, None) for name in extra),
        ("Nodes", NUMBER),
        ("That fit", NUMBER),
        *((name, ADDRESS) for name in ("Pods", "Services", "Node range")),
    ]
    rows = [
        (
            each.cluster.name,
            each.cluster.id,
            each.cluster.region or "-",
            each.cluster.provider.value if each.cluster.provider else "-",
            *(read(each.cluster) or "-" for read in extra.values()),
            text.nodes(each.cluster),
            _fit(fits.get(each.cluster.name)),
            *(_given(each, role) for role in ranges.Role),
        )
        for each in given
    ]
    return table(
        "Every cluster; * is given by this plan and not pinned yet", headings, rows, name="clusters-table"
    )


def _fit(count: int | None) -> str:
    return "-" if count is None else words.amount(count)


def _given(each: ranges.Ranges, role: ranges.Role) -> markup.Safe | str:
    return markup.join(text.given(each, role), "<br/>") or "-"


def findings(found: Sequence[finding.Finding]) -> markup.Safe:
    """Return the findings, worst first."""
    order = list(SEVERITY)
    ranked = sorted(found, key=lambda each: order.index(each.severity))
    headings: list[tuple[str, str | None]] = [
        ("Severity", TIGHT),
        ("Where", None),
        ("What and why", None),
        ("What to do", None),
    ]
    rows = [
        (
            tag("span", SEVERITY[each.severity], class_=each.severity.value),
            _where(each),
            markup.join((markup.prose(each.message), " ", tag("span", f"[{each.code}]", class_="soft"))),
            markup.prose(each.remedy),
        )
        for each in ranked
    ]
    seen: collections.Counter[str] = collections.Counter()
    first: list[tuple[object, ...]] = []
    more: list[tuple[object, ...]] = []
    for each, row in zip(ranked, rows, strict=True):
        seen[each.code] += 1
        (first if len(rows) <= FINDINGS or seen[each.code] <= ALIKE else more).append(row)
    shown = table("Findings, worst first", headings, first, kind="stack")
    if more:
        rest = table("The other findings, worst first", headings, more, kind="stack")
        summary = tag("summary", f"{words.count(len(more), 'finding')} more of these kinds")
        shown = markup.join((shown, tag("details", summary, rest, class_="long")))
    return shown


def _where(each: finding.Finding) -> markup.Safe | str:
    place = f"{each.file}:{each.line}" if each.file and each.line else each.file
    return markup.join((part for part in (each.cluster, place) if part), "<br/>") or "-"
