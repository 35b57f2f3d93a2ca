"""`isthmus plan compare`: two folders side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network import compare as compares

One = Annotated[Path, typer.Argument(metavar="A", help="A folder, or one file.", show_default=False)]
Other = Annotated[Path, typer.Argument(metavar="B", help="The other one.", show_default=False)]


def compare(
    a: One,
    b: Other,
    form: reading.Form = output.Output.TEXT,
    _verbose: reading.Verbose = False,
) -> None:
    """Compare two plans: one large cluster or many small ones.

    Shows addresses, identities, mesh pairs, firewall rows, MTU, what a lost cluster takes away, and findings.
    Exits 0 whatever they are; 2 when a folder cannot be read.

    Examples:
        isthmus plan compare one-large many-small
        isthmus plan compare one-large many-small -o json
    """
    from isthmus.network import compare as compares

    plans = [reading.read(each, None, form).plan for each in (a, b)]
    lines = compares.compare(*plans)
    if form is output.Output.TEXT:
        _table(str(a), str(b), lines)
        return
    sides = [
        {"folder": str(path), "fleet": plan.addresses.fleet.name}
        for path, plan in zip((a, b), plans, strict=True)
    ]
    output.emit({"sides": sides, "measures": [each.to_json() for each in lines]}, form)


def _table(a: str, b: str, lines: Sequence[compares.Line]) -> None:
    rows = [("", a, b, "DIFFERENCE")]
    rows += [
        (
            f"{each.label} ({each.unit})" if each.unit else each.label,
            _text(each.a),
            _text(each.b),
            _signed(each.difference),
        )
        for each in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for number, row in enumerate(rows):
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        text = "  ".join((row[0].ljust(widths[0]), *cells)).rstrip()
        typer.secho(text, bold=True if number == 0 else None)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _signed(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:+,}" if value else "="
