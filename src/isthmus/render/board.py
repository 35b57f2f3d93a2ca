"""The live view of an operation as a value: one row per cluster, and what every event makes of it.

Drawing it, and the time, are left to `cli`.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isthmus.model import operation, plan


class Mark(StrEnum):
    """What colour a row has."""

    WAITING = "waiting"
    WORKING = "working"
    GOOD = "good"
    BAD = "bad"


def elapsed(seconds: float) -> str:
    """Return a time in seconds as text."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02}s"


_ENDS = {"done": Mark.GOOD, "failed": Mark.BAD, "skipped": Mark.BAD}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One cluster: its last step, what it waits for, and its time in monotonic seconds."""

    wave: int
    cluster: str
    state: str = "planned"
    waits: str = ""
    since: float | None = None
    until: float | None = None
    mark: Mark = Mark.WAITING

    @property
    def is_over(self) -> bool:
        """Say whether nothing happens in it any more."""
        return self.mark in {Mark.GOOD, Mark.BAD}

    def elapsed(self, now: float) -> str:
        """Return how long the cluster has been at work, as text."""
        if self.since is None:
            return ""
        return elapsed((self.until if self.until is not None else now) - self.since)

    def heard(self, event: operation.Event, now: float) -> Row:
        """Return the row after an event of its cluster; a new step after an end starts the time anew."""
        if event.code == "wait":
            return dataclasses.replace(self, waits=event.text)
        since = now if self.since is None or self.is_over else self.since
        end = _ENDS.get(event.code)
        if end is None:
            return dataclasses.replace(
                self, state=event.text, waits="", since=since, until=None, mark=Mark.WORKING
            )
        state, _, why = event.text.partition(": ") if end is Mark.BAD else (event.text, "", "")
        return dataclasses.replace(
            self,
            state=state,
            waits=why,
            since=self.since if self.since is not None else now,
            until=now,
            mark=end,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Board:
    """All rows in the order of the waves, and the last word about the whole."""

    rows: tuple[Row, ...]
    headline: str = ""

    def heard(self, event: operation.Event, now: float) -> Board:
        """Return the board after an event."""
        if not any(row.cluster == event.cluster for row in self.rows):
            return dataclasses.replace(self, headline=event.text)
        rows = tuple(row.heard(event, now) if row.cluster == event.cluster else row for row in self.rows)
        return dataclasses.replace(self, rows=rows)

    def visible(self, height: int) -> tuple[tuple[Row, ...], int]:
        """Return the rows that fit into so many lines, those at work first, and how many are left out."""
        if len(self.rows) <= height:
            return self.rows, 0
        order = {Mark.WORKING: 0, Mark.BAD: 1, Mark.WAITING: 2, Mark.GOOD: 3}
        ranked = sorted(enumerate(self.rows), key=lambda pair: (order[pair[1].mark], pair[0]))
        kept = sorted(number for number, _ in ranked[: max(1, height - 1)])
        return tuple(self.rows[number] for number in kept), len(self.rows) - len(kept)


def begin(planned: plan.Plan) -> Board:
    """Return the board of a plan of which nothing has happened yet."""
    return Board(
        rows=tuple(
            Row(wave=number, cluster=step.cluster)
            for number, wave in enumerate(planned.waves, start=1)
            for step in wave
        )
    )
