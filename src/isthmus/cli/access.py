"""`isthmus access`: who may talk to whom, known before it is applied.

What judges is in `judging`, one module a verb; how the verbs that change clusters run is in `enforcing`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli import enforcing, output, running
from isthmus.cli.judging import changes, matrix, reading, recorded, verdict
from isthmus.model import errors

app = typer.Typer(no_args_is_help=True, help="Know and say who may talk to whom.")

Folder = Annotated[Path, typer.Option("--file", "-f", help="Folder or file with Fleet, Apps and Accesses.")]
Only = Annotated[str | None, typer.Option("--only", help="Only these clusters, comma-separated.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for a lock that somebody else holds.")]
Context = Annotated[
    list[str] | None, typer.Option("--context", help="Work on these contexts alone, without a folder.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Where nothing is fenced: the process that was at work is known to be gone."
    ),
]
Accept = Annotated[
    bool, typer.Option("--accept-not-holding", help="Apply the rest where parts of intents hold nowhere.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")]

app.command()(verdict.verdict)
app.command()(verdict.explain)
app.command()(matrix.matrix)
app.command()(recorded.simulate)
app.command()(recorded.recommend)


@app.command()
def render(
    folder: Folder = Path(),
    only: Only = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Write one file a cluster here, instead of printing.")
    ] = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Print the objects that the intents come to in each cluster; what holds nowhere is told beside them.

    Examples:
        isthmus access render -f shop
        isthmus access render -f shop --only west | kubectl --context west apply --dry-run=server -f -
        isthmus access render -f shop --dir gitops/policies
    """
    found = enforcing.find(folder, form)
    enforcing.show_objects(found, output.pick(found.about.clusters, only), directory, form)


@app.command()
def diff(
    old: Annotated[
        Path | None, typer.Argument(metavar="[OLD", help="Manifests before.", show_default=False)
    ] = None,
    new: Annotated[
        Path | None, typer.Argument(metavar="NEW]", help="Manifests after.", show_default=False)
    ] = None,
    folder: Folder = Path(),
    only: Only = None,
    cilium: reading.Cilium = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when something would change.")
    ] = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Show what `up` would change in each cluster; with OLD and NEW, which connections open and close.

    Examples:
        isthmus access diff -f shop
        isthmus access diff manifests-of-main manifests --exit-code
    """
    if old is not None:
        if new is None:
            raise errors.InputError("there is nothing to compare with", remedy="isthmus access diff OLD NEW")
        is_changed = changes.show(old, new, cilium, form)
        raise typer.Exit(1 if exit_code and is_changed else 0)
    with running.told("access"):
        found = enforcing.find(folder, form)
        draft = asyncio.run(running.diff(found.about, only, None))
    enforcing.show_plan(found, draft.plan, form)
    running.leave_on_errors(draft.plan)
    raise typer.Exit(1 if exit_code and not draft.plan.is_empty else 0)


@app.command()
def up(
    folder: Folder = Path(),
    only: Only = None,
    accept: Accept = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Bring every cluster to what the intents come to, wave by wave, or all of them back.

    Examples:
        isthmus access up -f shop
        isthmus access up -f shop --only west --yes
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    with running.told("access"):
        found = enforcing.find(folder, form)
        enforcing.refuse_unheld(found, form, is_accepted=accept)
        ran = enforcing.up(found, ways, only=only, before=enforcing.show_consequences)
        running.finish(asyncio.run(ran), form)


@app.command()
def drift(
    folder: Folder = Path(),
    only: Only = None,
    form: Form = output.Output.TEXT,
    fail_on: Annotated[
        output.FailOn, typer.Option("--fail-on", help="The least severity that exits 1.")
    ] = output.FailOn.ERROR,
    _verbose: Verbose = False,
) -> None:
    """Find what was changed by hand: objects taken away, rules that differ, policies that no intent made.

    Exits 0 without such, 1 with some, 3 when a cluster is silent.

    Examples:
        isthmus access drift -f shop
        isthmus access drift -f shop --only west -o json
    """
    found = enforcing.find(folder, form)
    said, silent = asyncio.run(enforcing.drift(found, only))
    if form is output.Output.TEXT:
        for name, why in silent.items():
            typer.echo(f"{name}: {why}", err=True)
        output.print_findings(said, err=False)
        if not said and not silent:
            typer.echo("every cluster has what the intents come to, and nothing beside it")
    else:
        output.emit({"findings": [each.to_json() for each in said], "silent": silent}, form)
    raise typer.Exit(int(errors.Exit.UNREACHABLE if silent else output.exit_code(said, fail_on)))


@app.command()
def down(
    folder: Folder = Path(),
    only: Only = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take the objects of the intents out, last wave first: what they shut is open again.

    Examples:
        isthmus access down -f shop --dry-run
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    with running.told("access"):
        found = enforcing.find(folder, form)
        running.finish(asyncio.run(running.run(found.about, "down", ways, only=only)), form)


@app.command()
def rollback(
    folder: Folder = Path(),
    to: Annotated[
        str | None,
        typer.Option("--to", help="Back to before this operation; default: the last that succeeded."),
    ] = None,
    only: Only = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take every cluster back to the objects before an operation.

    Examples:
        isthmus access rollback -f shop
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    with running.told("access"):
        found = enforcing.find(folder, form)
        running.finish(asyncio.run(running.run(found.about, "rollback", ways, only=only, to=to)), form)


@app.command()
def resume(
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 60.0,
    force: Force = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Go on with the unfinished operation, from what it pinned.

    Examples:
        isthmus access resume -f shop
    """
    ways = running.Ways(wait=wait, force=force, form=form)
    with running.told("access"):
        place = enforcing.place_of(folder, context)
        running.finish(asyncio.run(running.take_over(place, ways)), form)


@app.command()
def abort(
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 60.0,
    force: Force = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take the unfinished operation back in every cluster that it touched.

    Examples:
        isthmus access abort -f shop
    """
    ways = running.Ways(wait=wait, force=force, form=form)
    with running.told("access"):
        place = enforcing.place_of(folder, context)
        running.finish(asyncio.run(running.take_over(place, ways, abort=True)), form, good="rolled-back")


@app.command()
def history(
    folder: Folder = Path(),
    context: Context = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """List the operations on intents.

    Examples:
        isthmus access history -f shop
    """
    from isthmus.render import deploy as drawing

    with running.told("access"):
        found = asyncio.run(running.history(enforcing.place_of(folder, context)))
    if form is not output.Output.TEXT:
        output.emit({"operations": [one.to_json() for one in found]}, form)
    else:
        typer.echo(drawing.history_text(found, width=running.width()))
    raise typer.Exit(int(errors.Exit.DONE))
