"""A matrix of connections as a grid: a row for each source, a column for each destination; SVG or a page."""

from __future__ import annotations

import html as escaping
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.policy import ports
from isthmus.render import connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.policy.reach import matrix

CELL: Final = 14
LETTER: Final = 6.2
"""Width of a letter of the labels in units of the picture."""
MOST: Final = 150
"""Names on a side; beyond it a grid is no picture any more, and namespaces stand for their workloads."""
STYLE: Final = """
svg{font:11px system-ui,sans-serif;background:#fff;color:#1b1f24}
.all{fill:#1f6feb}.some{fill:#79b8ff}.self{fill:#eaeef2}.none{fill:#fff}rect{stroke:#d0d7de;stroke-width:.5}
@media (prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.none{fill:#0d1117}
.self{fill:#21262d}rect{stroke:#30363d}}
"""


class Grid(NamedTuple):
    """Names of both sides, what is allowed by (source, destination), and whether names are groups."""

    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    cells: dict[tuple[str, str], ports.Ports]
    is_joined: bool


def of(made: matrix.Matrix) -> Grid:
    """Return the grid of a matrix, of namespaces where there are too many workloads."""
    rows = list(made.rows())
    names = {each.source for each in rows} | {each.destination for each in rows}
    is_joined = len(names) > MOST
    cells: dict[tuple[str, str], ports.Ports] = {}
    for source, destination, held in rows:
        ends = (_group(source), _group(destination)) if is_joined else (source, destination)
        cells[ends] = ports.union(cells.get(ends, ports.NONE), held)
    own = [each.title for each in made.endpoints]
    known = sorted({_group(each) if is_joined else each for each in own})
    sources = [*known, *sorted({one for one, _ in cells} - set(known))]
    destinations = [*known, *sorted({other for _, other in cells} - set(known))]
    return Grid(tuple(sources), tuple(destinations), cells, is_joined)


def _group(name: str) -> str:
    return "outside" if name.endswith("[External]") else name.partition("/")[0]


def svg(grid: Grid) -> str:
    """Return the picture: each cell says its two ends and ports when it is pointed at."""
    left = 12 + LETTER * max((len(each) for each in grid.sources), default=1)
    top = 30 + LETTER * 0.75 * max((len(each) for each in grid.destinations), default=1)
    width, height = left + CELL * len(grid.destinations) + 90, top + CELL * len(grid.sources) + 34
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>Allowed connections</title><style>{STYLE}</style>",
        *_labels(grid, left, top),
        *_cells(grid, left, top),
        *_legend(left, height - 14, grid),
        "</svg>\n",
    ]
    return "\n".join(parts)


def html(grid: Grid) -> str:
    """Return a page with the picture, which a browser can scroll and search."""
    what = "namespaces" if grid.is_joined else "workloads"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Allowed connections</title>'
        "<style>body{font:14px system-ui,sans-serif;margin:24px}div{overflow:auto}</style>"
        f"<h1>Allowed connections</h1><p>{len(grid.sources)} sources and {len(grid.destinations)} "
        f"destinations, by {what}. Point at a cell for its ports; an empty one is denied.</p>"
        f"<div>{svg(grid)}</div></html>\n"
    )


def _labels(grid: Grid, left: float, top: float) -> Iterator[str]:
    for place, name in enumerate(grid.sources):
        y = top + CELL * place + CELL - 4
        yield f'<text x="{left - 6:.1f}" y="{y:.1f}" text-anchor="end">{escaping.escape(name)}</text>'
    for place, name in enumerate(grid.destinations):
        x = left + CELL * place + CELL / 2 + 3
        turn = f"rotate(-50 {x:.1f} {top - 6:.1f})"
        yield f'<text x="{x:.1f}" y="{top - 6:.1f}" transform="{turn}">{escaping.escape(name)}</text>'


def _cells(grid: Grid, left: float, top: float) -> Iterator[str]:
    for row, source in enumerate(grid.sources):
        for column, destination in enumerate(grid.destinations):
            held = grid.cells.get((source, destination), ports.NONE)
            kind = "self" if source == destination and not held.intervals else _kind(held)
            told = escaping.escape(f"{source} → {destination}: {connections.brief(held)}")
            yield (
                f'<rect class="{kind}" x="{left + CELL * column:.1f}" y="{top + CELL * row:.1f}" '
                f'width="{CELL}" height="{CELL}"><title>{told}</title></rect>'
            )


def _kind(held: ports.Ports) -> str:
    if held == ports.ALL:
        return "all"
    return "some" if held.intervals else "none"


def _legend(left: float, y: float, grid: Grid) -> Iterator[str]:
    words = (("all", "everything"), ("some", "some ports"), ("none", "denied"), ("self", "itself"))
    for place, (kind, text) in enumerate(words):
        x = left + 95 * place
        yield f'<rect class="{kind}" x="{x:.1f}" y="{y - 10:.1f}" width="{CELL}" height="{CELL}"/>'
        yield f'<text x="{x + CELL + 5:.1f}" y="{y + 1:.1f}">{text}</text>'
    if grid.is_joined:
        yield f'<text x="{left:.1f}" y="{y + 14:.1f}">by namespace: anything between any two of them</text>'
