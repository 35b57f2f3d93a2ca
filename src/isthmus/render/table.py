"""Aligned columns as plain text: what a pipe, a log and a test can read."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "
WIDTH = 100
"""Characters in a line where nobody says how wide the terminal is."""
LEAST = 24
"""Characters that the last column always gets, even where the line then is longer than asked."""


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] = (), *, width: int = WIDTH) -> list[str]:
    """Return lines with aligned columns; the last column wraps where a line would be longer than `width`."""
    table = [tuple(header), *rows] if header else list(rows)
    if not table:
        return []
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    left = width - sum(one + len(GAP) for one in widths[:-1])
    return [line for row in table for line in _lines(row, widths, max(left, LEAST))]


def wrapped(text: str, *, indent: str = "", width: int = WIDTH) -> list[str]:
    """Return a sentence as lines of at most `width`, further lines under the first word."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [indent]


def shorten(text: str, width: int) -> str:
    """Cut a text to so many characters, saying that it was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _lines(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    first, *more = wrapped(row[-1], width=left)
    cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
    blank = [" " * width for width in widths[:-1]]
    return [GAP.join((*cells, first)).rstrip(), *(GAP.join((*blank, line)).rstrip() for line in more)]
