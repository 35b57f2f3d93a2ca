"""Shows an operation as it goes: one live view on a terminal, plain lines in a pipe, documents on request."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from isthmus.cli import output
from isthmus.render import board
from isthmus.render import deploy as render

if TYPE_CHECKING:
    from rich import console as consoles
    from rich import table

    from isthmus.model import operation, plan

AROUND = 4
"""Lines of the view beside its rows: headline, header, what is left out, and the cursor's."""
STYLE = {board.Mark.GOOD: "green", board.Mark.BAD: "red", board.Mark.WORKING: "", board.Mark.WAITING: "dim"}


class View(Protocol):
    """What hears the events of an operation."""

    def __call__(self, event: operation.Event) -> None:
        """Show one event."""


def plain(event: operation.Event) -> None:
    """Print an event as a line."""
    sys.stdout.write(render.event_text(event) + "\n")
    sys.stdout.flush()


def emit(value: Any, form: output.Output) -> None:
    """Print a value as one JSON line, or as one document of a YAML stream."""
    if form is output.Output.YAML:
        sys.stdout.write("---\n")
        output.emit(value, form)
    else:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Live:
    """One table, wave by cluster: the last step, what is waited for, and for how long."""

    def __init__(self, planned: plan.Plan, *, now: Callable[[], float] = time.monotonic) -> None:
        self.board = board.begin(planned)
        self.now = now
        self.is_over = False

    def __call__(self, event: operation.Event) -> None:
        """Take an event in; the next refresh shows it."""
        self.board = self.board.heard(event, self.now())

    def __rich_console__(
        self, console: consoles.Console, options: consoles.ConsoleOptions
    ) -> consoles.RenderResult:
        """Draw the table as it stands now, never higher than the terminal while it moves, nor wider."""
        from rich import text

        height = len(self.board.rows) if self.is_over else max(1, console.size.height - AROUND)
        rows, more = self.board.visible(height)
        yield text.Text(self.board.headline, style="bold", no_wrap=True, overflow="ellipsis")
        yield self._table(rows)
        if more:
            yield text.Text(f"  and {more} more", style="dim")

    def _table(self, rows: tuple[board.Row, ...]) -> table.Table:
        from rich import table
        from rich.text import Text

        drawn = table.Table(box=None, expand=True, padding=(0, 2, 0, 0), header_style="bold")
        drawn.add_column("WAVE", no_wrap=True, min_width=4)
        drawn.add_column("CLUSTER", no_wrap=True, overflow="ellipsis", max_width=20, min_width=8)
        drawn.add_column("TIME", no_wrap=True, justify="right", min_width=6)
        drawn.add_column("LAST STEP", no_wrap=True, overflow="ellipsis", max_width=22, min_width=18)
        drawn.add_column("WAITS FOR", no_wrap=True, overflow="ellipsis", ratio=1)
        now = self.now()
        for row in rows:
            cells = (str(row.wave), row.cluster, row.elapsed(now), row.state, row.waits)
            drawn.add_row(*(Text(cell) for cell in cells), style=STYLE[row.mark])
        return drawn


@contextlib.contextmanager
def shown(form: output.Output, planned: plan.Plan) -> Iterator[View]:
    """Yield the ears that fit: documents, a live table on a terminal, plain lines elsewhere."""
    if form is not output.Output.TEXT:
        yield lambda event: emit({"event": event.to_json()}, form)
    elif not output.is_terminal():
        yield plain
    else:
        from rich import live

        view = Live(planned)
        with live.Live(view, refresh_per_second=4):
            try:
                yield view
            finally:
                view.is_over = True
