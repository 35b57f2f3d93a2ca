"""Aligned columns as plain text: what a pipe, a log and a test can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Return lines with aligned columns; a repeated first column is left blank, trailing space is cut."""
    table = [tuple(header), *rows] if header else list(rows)
    if not table:
        return []
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]


def shorten(text: str, width: int) -> str:
    """Cut a text to so many characters, saying that it was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
