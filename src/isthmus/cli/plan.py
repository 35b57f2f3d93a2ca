"""`isthmus plan`: the plan of a fleet before its clusters exist; each verb is a module of `planning`."""

from __future__ import annotations

import typer

from isthmus.cli.planning import check, compare, imports, quotas, render, show, sign

app = typer.Typer(no_args_is_help=True, help="Plan the fleet: networks before clusters exist.")
app.command()(check.check)
app.command()(show.show)
app.command()(render.render)
app.command()(sign.sign)
app.command("import")(imports.run)
app.command()(compare.compare)
app.command()(quotas.quotas)
