"""`isthmus access`: who may talk to whom, known before it is applied; each verb is a module of `judging`."""

from __future__ import annotations

import typer

from isthmus.cli.judging import verdict

app = typer.Typer(no_args_is_help=True, help="Know and say who may talk to whom.")
app.command()(verdict.verdict)
app.command()(verdict.explain)
