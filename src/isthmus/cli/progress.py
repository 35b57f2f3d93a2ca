"""Shows an operation as it goes: a live view on a terminal, plain lines in a pipe, JSON lines on request."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from isthmus.cli import output
from isthmus.render import deploy as render

if TYPE_CHECKING:
    from rich import table

    from isthmus.model import operation, plan


class View(Protocol):
    """What hears the events of an operation."""

    def __call__(self, event: operation.Event) -> None:
        """Show one event."""


def plain(event: operation.Event) -> None:
    """Print an event as a line."""
    sys.stdout.write(render.event_text(event) + "\n")
    sys.stdout.flush()


def as_json(event: operation.Event) -> None:
    """Print an event as a JSON line."""
    sys.stdout.write(json.dumps({"event": event.to_json()}) + "\n")
    sys.stdout.flush()


class Live:
    """One table, wave by cluster: what is waited for, for how long, and the last transition."""

    def __init__(self, planned: plan.Plan) -> None:
        self.planned = planned
        self.rows: dict[str, dict[str, Any]] = {
            step.cluster: {"wave": number + 1, "state": "planned", "waits": "", "since": None, "last": ""}
            for number, wave in enumerate(planned.waves)
            for step in wave
        }
        self.headline = ""

    def __call__(self, event: operation.Event) -> None:
        """Take an event in; the next refresh shows it."""
        row = self.rows.get(event.cluster)
        if row is None:
            self.headline = event.text
            return
        if row["since"] is None:
            row["since"] = time.monotonic()
        if event.code == "wait":
            row["waits"] = event.text
        else:
            row.update(state=event.text, waits="", last=event.at[11:19])
            if event.text in ("ready", "back and ready", "nothing to change") or event.text.startswith(
                "uninstalled"
            ):
                row["spent"] = time.monotonic() - row["since"]

    def __rich__(self) -> table.Table:
        """Draw the table as it stands now."""
        from rich import table

        drawn = table.Table(
            title=self.headline or None, title_justify="left", title_style="bold", expand=False
        )
        for name in ("wave", "cluster", "state", "waits for", "elapsed", "last change"):
            drawn.add_column(name, overflow="fold")
        for cluster, row in self.rows.items():
            spent = row.get("spent") or (time.monotonic() - row["since"] if row["since"] else None)
            elapsed = f"{spent:.0f}s" if spent is not None else ""
            drawn.add_row(
                str(row["wave"]), cluster, _coloured(row["state"]), row["waits"] or "-", elapsed, row["last"]
            )
        return drawn


def _coloured(state: str) -> str:
    from rich import markup

    text = markup.escape(state)
    if state in ("ready", "back and ready"):
        return f"[green]{text}[/]"
    if state.startswith(("failed", "could not")):
        return f"[red]{text}[/]"
    return text


@contextlib.contextmanager
def shown(form: output.Output, planned: plan.Plan) -> Iterator[View]:
    """Yield the ears that fit: JSON lines, a live table on a terminal, plain lines elsewhere."""
    if form is not output.Output.TEXT:
        yield as_json
    elif not output.is_terminal():
        yield plain
    else:
        from rich import live

        view = Live(planned)
        with live.Live(view, refresh_per_second=4):
            yield view
