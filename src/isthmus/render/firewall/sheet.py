"""The matrix for spreadsheets (CSV) and for readers (Markdown)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from isthmus.render.files import emit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isthmus.address import prefix
    from isthmus.model import folder
    from isthmus.network.needs import firewall

COLUMNS: Final = (
    "from",
    "to",
    "protocol",
    "port",
    "purpose",
    "when",
    "need",
    "team",
    "from_ranges",
    "to_ranges",
    "inside",
    "source",
)

FEW: Final = 4
"""Ranges that a cell of a page shows; a spreadsheet has them all."""


def csv_files(rows: Sequence[firewall.Row], _source: folder.Folder) -> dict[str, str]:
    """Return the matrix as one CSV file (RFC 4180); ranges of a cell have a space between."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = (
            row.source,
            row.target,
            row.protocol,
            row.port,
            row.purpose,
            row.when,
            row.entry.need.value,
            row.team,
            " ".join(map(str, row.source_ranges)),
            " ".join(map(str, row.target_ranges)),
            row.inside,
            row.fact,
        )
        writer.writerow(map(_inert, cells))
    return {"firewall.csv": text.getvalue()}


def markdown_files(rows: Sequence[firewall.Row], source: folder.Folder) -> dict[str, str]:
    """Return the matrix as one page."""
    title = f"# Firewall matrix of {source.fleet.name}\n\n"
    head = f"<!-- {emit.header('firewall-markdown', mark='').strip()} -->\n\n"
    return {"firewall.md": head + title + table(rows)}


def table(rows: Iterable[firewall.Row]) -> str:
    """Return rows as a table of Markdown."""
    lines = ["| from | to | protocol | port | purpose | when | team |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ends = (_end(row.source, row.source_ranges), _end(row.target, row.target_ranges))
        cells = (*ends, row.protocol, row.port, row.purpose, row.when, row.team)
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return a text that does not end its cell of a table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _end(name: str, ranges: Sequence[prefix.Prefix]) -> str:
    if not ranges:
        return name
    told = ", ".join(map(str, ranges)) if len(ranges) <= FEW else f"{len(ranges)} ranges"
    return f"{name} ({told})"


def _inert(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
