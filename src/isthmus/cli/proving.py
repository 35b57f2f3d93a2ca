"""Shows `connect verify` as it goes: a live view on a terminal, plain lines in a pipe, nothing in documents.

All of it goes to standard error, and the view is gone at the end: what was found is printed after it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from typing import TYPE_CHECKING

import typer

from isthmus.cli import output
from isthmus.render import board, proving
from isthmus.rollout.connect.proof import judge, news

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich import console as consoles
    from rich import table

    from isthmus.rollout.connect.proof import questions

AROUND = 5
"""Lines of the view beside its rows: headline, what is asked, header, what is left out, and the cursor's."""
STYLE = {judge.State.OK: "green", judge.State.NOT_PROVED: "yellow", judge.State.FAILED: "red", None: "dim"}
CELL = 12
"""Characters of a cell, at least: `FAILED 10/12`."""
NAMES = 20
"""Characters of a cluster's name, at most."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ears:
    """What hears a run: words about a cluster, and news of questions."""

    say: Callable[[str, str], None]
    hear: Callable[[news.News], None]


class Live:
    """The matrix as it fills: how long it takes, what is asked, and each way so far."""

    def __init__(self, seen: proving.Board, *, now: Callable[[], float] = time.monotonic) -> None:
        """Begin to count the time."""
        self.board = seen
        self.now = now
        self._began = now()

    def __rich_console__(
        self, console: consoles.Console, options: consoles.ConsoleOptions
    ) -> consoles.RenderResult:
        """Draw it as it stands, never higher than the terminal, nor wider."""
        from rich import text

        rows, columns = self.board.visible(
            console.size.height - AROUND, _fitting(self.board, options.max_width)
        )
        known, all_of_them = self.board.progress
        elapsed = board.elapsed(self.now() - self._began)
        head = f"{self.board.phase.value}  {elapsed}  {known} of {all_of_them} legs known"
        yield text.Text(head, style="bold", no_wrap=True, overflow="ellipsis")
        yield text.Text(self.board.asking() or " ", style="dim", no_wrap=True, overflow="ellipsis")
        yield self._table(rows, columns)
        more = len(self.board.clusters) - min(len(rows), len(columns))
        if more:
            yield text.Text(f"  and {more} more clusters", style="dim")

    def _table(self, rows: Sequence[str], columns: Sequence[str]) -> table.Table:
        from rich import table
        from rich.text import Text

        drawn = table.Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        drawn.add_column("FROM \\ TO", no_wrap=True, overflow="ellipsis", max_width=NAMES)
        for name in columns:
            drawn.add_column(name, no_wrap=True, overflow="ellipsis", max_width=NAMES, min_width=CELL)
        for source in rows:
            cells = (self.board.cell(source, target) for target in columns)
            drawn.add_row(source, *(Text(words, style=STYLE[state]) for words, state in cells))
        return drawn


def _fitting(seen: proving.Board, width: int) -> int:
    """Return how many columns fit beside the names; all are as wide as the widest."""
    longest = min(NAMES, max(map(len, seen.clusters), default=0))
    return max(1, (width - max(longest, len("FROM \\ TO")) - 2) // (max(longest, CELL) + 2))


@contextlib.contextmanager
def shown(
    form: output.Output, clusters: Sequence[str], asked: Sequence[questions.Question]
) -> Iterator[Ears]:
    """Yield the ears that fit: none for documents, a live view on a terminal, plain lines elsewhere."""
    if form is not output.Output.TEXT:
        yield Ears(say=_nothing, hear=news.ignore)
    elif not (output.is_terminal() and sys.stderr.isatty()):
        yield Ears(say=_line, hear=news.ignore)
    else:
        from rich import console, live

        view = Live(proving.Board(clusters, asked))
        screen = console.Console(stderr=True)

        def say(cluster: str, words: str) -> None:
            screen.print(f"{cluster}: {words}", markup=False, highlight=False, soft_wrap=True)

        with live.Live(view, console=screen, refresh_per_second=4, transient=True):
            yield Ears(say=say, hear=view.board.heard)


def _line(cluster: str, words: str) -> None:
    typer.echo(f"{cluster}: {words}", err=True)


def _nothing(_cluster: str, _words: str) -> None:
    """Say nothing."""
