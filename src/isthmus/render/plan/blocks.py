"""Draws the address map of a supernet: the whole to scale, then row by row with every block named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.address import prefix, space
from isthmus.network.ipam import ranges
from isthmus.render.plan import markup, shares, strips, words

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH: Final = 960
LETTER, DIGIT = 7.4, 6.8
"""How wide a letter of a label and a character of an address are, at most, in the units of the picture."""
SCALE, ROW, THIN = 14, 34, 20
"""Heights of the bar to scale, of a row, and of a row that holds nothing."""
HEAD: Final = 30
LEAST: Final = 2.0
"""The width of the smallest thing drawn."""


def patterns() -> markup.Safe:
    """Return the patterns that tell growth and what is kept out apart without colour."""
    hatch = markup.tag(
        "pattern",
        markup.tag("rect", width=6, height=6, class_="tint"),
        markup.tag("path", d="M0 6 6 0M-1 1 1-1M5 7 7 5", class_="hatch"),
        id="grown",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
    )
    cross = markup.tag(
        "pattern",
        markup.tag("path", d="M0 0 5 5M5 0 0 5", class_="cross"),
        id="shut",
        width=5,
        height=5,
        patternUnits="userSpaceOnUse",
    )
    return markup.tag("defs", hatch, cross)


def height(supernet: shares.Supernet) -> int:
    """Return how high the map of a supernet is."""
    found = strips.rows(supernet)
    return HEAD + SCALE + 12 + sum(map(_height, found)) + 6


def picture(supernet: shares.Supernet, top: float = 0) -> markup.Safe:
    """Return the map of a supernet, its upper edge at `top`."""
    found = strips.rows(supernet)
    gutter = max((len(_start(row)) for row in found), default=0) * DIGIT + 14
    parts = [*_head(supernet, top), *_whole(supernet, top + HEAD)]
    place = top + HEAD + SCALE + 12
    for row in found:
        parts += _row(row, gutter, place)
        place += _height(row)
    return markup.tag("g", *parts)


def summary(supernet: shares.Supernet) -> str:
    """Return what a supernet holds in one line."""
    owners = {name for block in supernet.blocks for name in block.owners}
    told = f"{words.count(len(owners), 'cluster')}, {words.percent(supernet.used)} in use"
    if supernet.role is not ranges.Role.SERVICES:
        told += f", {words.percent(supernet.grown)} after growth"
    return f"{told}, {words.percent(supernet.free)} free" if supernet.stated else told


def name(supernet: shares.Supernet) -> str:
    """Return what a supernet is called."""
    role = {"pods": "Pods", "services": "Services", "nodes": "Nodes"}[supernet.role.value]
    return role if supernet.stated else f"{role}, in no supernet"


def hint(run: strips.Run) -> str:
    """Return all there is to say of a stretch, for whoever points at it or listens."""
    if run.block is None:
        what = "kept out: avoided, reserved or in use for something else" if run.is_closed else "free"
        return f"{_edges(run.first, run.end)}: {what}"
    block = run.block
    how = "pinned" if block.pinned else "given by the plan"
    left = block.where.size - block.grown
    return (
        f"{', '.join(block.owners)}: {block.where} ({how}), {words.amount(block.where.size)} addresses: "
        f"{words.amount(block.used)} in use, {words.amount(block.grown)} after growth, "
        f"{words.amount(left)} left over"
    )


def _head(supernet: shares.Supernet, top: float) -> Iterator[markup.Safe]:
    title = f"{name(supernet)} "
    yield markup.tag(
        "text",
        markup.tag("tspan", title, class_="strong"),
        markup.tag("tspan", str(supernet.where), class_="address strong"),
        x=0,
        y=top + 18,
    )
    yield markup.tag("text", summary(supernet), class_="soft right", x=WIDTH, y=top + 18)


def _whole(supernet: shares.Supernet, top: float) -> Iterator[markup.Safe]:
    """Yield the bar that is true to scale."""
    scale = WIDTH / supernet.where.size
    yield markup.tag("rect", x=0.5, y=top, width=WIDTH - 1, height=SCALE, class_="free")
    for run in strips.runs(supernet):
        start, width = (run.first - supernet.where.first) * scale, (run.end - run.first) * scale
        if run.is_closed:
            yield _rect("shut", start, top, max(width, LEAST), SCALE)
        elif run.block is not None:
            yield from _filled(run.block, start, top, max(width, LEAST), SCALE)


def _row(row: strips.Row, gutter: float, top: float) -> Iterator[markup.Safe]:
    tall = _height(row) - 6
    yield markup.tag("text", _start(row), class_="address soft right", x=gutter - 8, y=top + tall / 2 + 4)
    wide = WIDTH - gutter - 1
    for piece in row.pieces:
        start, width = gutter + piece.start * wide, max((piece.end - piece.start) * wide - 1, LEAST)
        parts = (
            _block(row, piece, start, top, width) if piece.run.block else _gap(row, piece, start, top, width)
        )
        yield markup.tag("g", markup.tag("title", hint(piece.run)), *parts)


def _block(
    row: strips.Row, piece: strips.Piece, start: float, top: float, width: float
) -> Iterator[markup.Safe]:
    block = piece.run.block
    assert block is not None
    shared = " shared" if len(block.owners) > 1 else ""
    yield _rect(f"block{shared}", start, top, width, ROW - 6)
    yield from _filled(block, start, top + ROW - 15, width, 9)  # blocks are aligned: none is cut by a row
    yield from _label(block, row.alike, start, top + 13, width)


def _filled(
    block: shares.Block, start: float, top: float, width: float, tall: float
) -> Iterator[markup.Safe]:
    """Yield the three parts of a block: in use, after growth, left over."""
    used, grown = (width * share / block.where.size for share in (block.used, block.grown))
    yield _rect("spare", start, top, width, tall)
    yield _rect("grown", start, top, grown, tall)
    yield _rect("used", start, top, used, tall)


def _label(block: shares.Block, alike: int, start: float, base: float, width: float) -> Iterator[markup.Safe]:
    letters = int((width - 8) / LETTER)
    name = _fitting(block, letters)
    if not name:
        return
    yield markup.tag("text", name, class_="strong", x=start + 4, y=base)
    left = width - 18 - len(name) * LETTER
    more = f" ({alike} rows)" if alike > 1 else ""
    for text in (f"{block.where}{more}", str(block.where), f"/{block.where.length}"):
        if len(text) * DIGIT <= left:
            yield markup.tag("text", text, class_="address soft right", x=start + width - 4, y=base)
            return


def _fitting(block: shares.Block, letters: int) -> str:
    """Return the name of a block, with the cluster's id where it must be cut, or the id alone."""
    if len(block.label) <= letters:
        return block.label
    if len(block.owners) > 1:
        told = f"{len(block.owners)} clusters"
        return told if len(told) <= letters else ""
    number = f"#{block.number}"
    if len(number) > letters:
        return ""
    left = letters - len(number) - 1
    return f"{number} {words.cut(block.label, left)}" if left >= 5 else number


def _gap(
    row: strips.Row, piece: strips.Piece, start: float, top: float, width: float
) -> Iterator[markup.Safe]:
    tall = _height(row) - 6
    yield _rect("shut" if piece.run.is_closed else "free", start, top, width, tall)
    kind = "kept out" if piece.run.is_closed else "free"
    whole = len(row.pieces) == 1
    text = f"{kind}  {_edges(piece.run.first, piece.run.end)}" if whole else kind
    if len(text) * DIGIT + 8 <= width:
        yield markup.tag("text", text, class_="address soft halo", x=start + 6, y=top + tall / 2 + 4)


def _height(row: strips.Row) -> int:
    return ROW if any(piece.run.block is not None for piece in row.pieces) else THIN


def _start(row: strips.Row) -> str:
    return str(row.where).partition("/")[0]


def _edges(first: int, end: int) -> str:
    """Return a stretch as prefixes while they are few, else as its first and last address."""
    found = list(space.Space(((first, end),)).prefixes())
    if len(found) <= 3:
        return ", ".join(map(str, found))
    low, high = (str(prefix.Prefix(place, 1)).partition("/")[0] for place in (first, end - 1))
    return f"{low} to {high}"


def _rect(kind: str, x: float, y: float, width: float, height: float) -> markup.Safe:
    return markup.tag(
        "rect", x=float(x), y=float(y), width=float(max(width, 0)), height=float(height), class_=kind
    )
