"""Draws shares of an address range as one line of a terminal."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from isthmus.render.plan import strips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.address import prefix
    from isthmus.render.plan import shares

LEAST: Final = 8
"""Characters of the shortest bar."""


class Tone(StrEnum):
    """What a piece of text is, so that a terminal can colour it; nothing is told by the colour alone."""

    PLAIN = "plain"
    STRONG = "strong"
    SOFT = "soft"
    USED = "used"
    GROWN = "grown"
    SPARE = "spare"
    FREE = "free"
    SHUT = "shut"


Span = tuple[str, Tone]
Line = tuple[Span, ...]

GLYPH: Final = {Tone.USED: "█", Tone.GROWN: "▒", Tone.SPARE: "░", Tone.FREE: "·", Tone.SHUT: "x"}
ASCII: Final = str.maketrans(
    {"█": "#", "▒": "+", "░": "-", "·": ".", "→": "->", "–": "-", "…": "...", "×": "x"}
)
"""What stands for them where a terminal has no more than ASCII; the glyphs of bars keep their width."""


def bar(within: prefix.Prefix, supernet: shares.Supernet, width: int) -> Line:
    """Return a part of a supernet from end to end; a character shows the most that lies in it."""
    cells = [Tone.FREE] * max(width, LEAST)
    for first, end, tone in _stretches(supernet):
        low, high = max(first, within.first), min(end, within.end)
        if low < high:
            _paint(cells, (low - within.first) / within.size, (high - within.first) / within.size, tone)
    return _line(cells)


def block(each: shares.Block, width: int) -> Line:
    """Return one range from its first address to its last."""
    cells = [Tone.SPARE] * max(width, LEAST)
    if each.grown:
        _paint(cells, 0, each.grown / each.where.size, Tone.GROWN)
    if each.used:
        _paint(cells, 0, each.used / each.where.size, Tone.USED)
    return _line(cells)


_RANK: Final = {Tone.FREE: 0, Tone.SHUT: 1, Tone.SPARE: 2, Tone.GROWN: 3, Tone.USED: 4}


def _stretches(supernet: shares.Supernet) -> Iterator[tuple[int, int, Tone]]:
    for run in strips.runs(supernet):
        if run.block is not None:
            used, grown = run.first + run.block.used, run.first + run.block.grown
            yield run.first, used, Tone.USED
            yield used, grown, Tone.GROWN
            yield grown, run.end, Tone.SPARE
        elif run.is_closed:
            yield run.first, run.end, Tone.SHUT


def _paint(cells: list[Tone], start: float, end: float, tone: Tone) -> None:
    """Paint a stretch, at least one character; what ranks higher is never painted over."""
    first = min(int(start * len(cells)), len(cells) - 1)
    last = max(first + 1, round(end * len(cells)))
    for place in range(first, min(last, len(cells))):
        if _RANK[tone] > _RANK[cells[place]]:
            cells[place] = tone


def _line(cells: list[Tone]) -> Line:
    spans: list[Span] = []
    for tone in cells:
        if spans and spans[-1][1] is tone:
            spans[-1] = (spans[-1][0] + GLYPH[tone], tone)
        else:
            spans.append((GLYPH[tone], tone))
    return tuple(spans)
