"""`isthmus deploy`: one App over all its clusters as one transaction.

Thin: every verb reads the folder, opens the clusters, calls the engine, and prints.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import output
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.engine import deploy as engine
    from isthmus.engine import world as worlds
    from isthmus.model import app as apps
    from isthmus.model import fleet as fleets
    from isthmus.model import operation, plan

app = typer.Typer(help="Run an App over all its clusters as one transaction.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--file", "-f", help="Folder or file with Fleet and App.")]
Name = Annotated[
    str | None,
    typer.Argument(help="The App; not needed when the folder has one. NAMESPACE/APP with --context."),
]
Only = Annotated[str | None, typer.Option("--only", help="Only these clusters, comma-separated.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
Context = Annotated[
    list[str] | None, typer.Option("--context", help="Work on these contexts alone, without a folder.")
]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for a lock that somebody else holds.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """What a verb is about: an App by name, and where its votes and releases are."""

    namespace: str
    app: str
    release: str
    voters: tuple[tuple[str, str], ...]
    clusters: tuple[str, ...]
    folder: Path | None = None
    wanted: apps.App | None = None
    fleet: fleets.Fleet | None = None

    def both(self) -> tuple[apps.App, fleets.Fleet, Path]:
        """Return App, Fleet and folder, for verbs that need the folder."""
        if self.wanted is None or self.fleet is None or self.folder is None:
            raise errors.InputError("this verb needs the folder", remedy="give it with -f DIR")
        return self.wanted, self.fleet, self.folder


@app.command()
def diff(
    name: Name = None,
    folder: Folder = Path(),
    only: Only = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Save the plan for `deploy up --plan`; pins its bundle.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when something would change.")
    ] = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Render and dry-run every cluster; show what would change, what restarts, and the way back.

    Examples:
        isthmus deploy diff -f shop
        isthmus deploy diff -f shop --save plan.json
    """
    place = _place(folder, name, None)
    draft = asyncio.run(_draft_up(place, only, save))
    _show_plan(draft.plan, form)
    _leave_on_errors(draft.plan)
    raise typer.Exit(1 if exit_code and not draft.plan.is_empty else 0)


@app.command()
def up(
    name: Name = None,
    folder: Folder = Path(),
    only: Only = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Run this saved plan and nothing else.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Bring the App's clusters to what the folder says, wave by wave, or all of them back.

    Examples:
        isthmus deploy up -f shop
        isthmus deploy up -f shop --plan plan.json --yes
    """
    if plan_file is not None:
        _finish(
            asyncio.run(_run_saved(_read_plan(plan_file), yes=yes, dry_run=dry_run, wait=wait, form=form)),
            form,
        )
    place = _place(folder, name, None)
    _finish(asyncio.run(_run(place, "up", only=only, yes=yes, dry_run=dry_run, wait=wait, form=form)), form)


@app.command()
def rollback(
    name: Name = None,
    folder: Folder = Path(),
    to: Annotated[
        str | None, typer.Option("--to", help="Undo this operation; default: the last that succeeded.")
    ] = None,
    only: Only = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take every cluster back to the revision before an operation.

    Examples:
        isthmus deploy rollback -f shop
        isthmus deploy rollback -f shop --to 20261122-101500-a1b2
    """
    place = _place(folder, name, None)
    _finish(
        asyncio.run(
            _run(place, "rollback", only=only, to=to, yes=yes, dry_run=dry_run, wait=wait, form=form)
        ),
        form,
    )


@app.command()
def down(
    name: Name = None,
    folder: Folder = Path(),
    only: Only = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Uninstall the App, last wave first, and list what stays.

    Examples:
        isthmus deploy down -f shop
        isthmus deploy down -f shop --only east
    """
    place = _place(folder, name, None)
    _finish(asyncio.run(_run(place, "down", only=only, yes=yes, dry_run=dry_run, wait=wait, form=form)), form)


@app.command()
def status(
    name: Name = None,
    folder: Folder = Path(),
    context: Context = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Show releases, health, the lock and the operation that owns the App.

    Examples:
        isthmus deploy status -f shop
        isthmus deploy status data/cassandra --context west --context east --context central
    """
    body = asyncio.run(_status(_place(folder, name, context)))
    if form is not output.Output.TEXT:
        output.emit(body, form)
    else:
        _print_status(body)
    silent = any(row["error"] for row in body["clusters"])
    raise typer.Exit(int(errors.Exit.UNREACHABLE if silent else errors.Exit.DONE))


@app.command()
def history(
    name: Name = None,
    folder: Folder = Path(),
    context: Context = None,
    operation_id: Annotated[
        str | None, typer.Option("--operation", help="Show one operation with its story.")
    ] = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """List the operations of the App, or tell one of them step by step.

    Examples:
        isthmus deploy history -f shop
        isthmus deploy history -f shop -o json
    """
    from isthmus.render import deploy as render

    found = asyncio.run(_history(_place(folder, name, context)))
    chosen = [one for one in found if operation_id in (None, one.id)]
    if operation_id is not None and not chosen:
        raise errors.InputError(f"no operation {operation_id}", remedy="see them all: isthmus deploy history")
    if form is not output.Output.TEXT:
        output.emit({"operations": [one.to_json() for one in chosen]}, form)
    elif operation_id is not None:
        typer.echo(render.operation_text(chosen[0]))
        for event in chosen[0].events:
            typer.echo(render.event_text(event))
    else:
        typer.echo(render.history_text(chosen))


@app.command()
def resume(
    name: Name = None,
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 60.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take over the unfinished operation and bring it to its end, from what it pinned.

    Examples:
        isthmus deploy resume -f shop
    """
    _finish(asyncio.run(_take_over(_place(folder, name, context), wait=wait, form=form, verb="resume")), form)


@app.command()
def abort(
    name: Name = None,
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 600.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take the unfinished operation back in every cluster; one that needs a human is closed as it is.

    Examples:
        isthmus deploy abort -f shop
    """
    ended = asyncio.run(_take_over(_place(folder, name, context), wait=wait, form=form, verb="abort"))
    _finish(ended, form, wanted=("rolled-back", "needs-human"))


@app.command()
def pause(
    name: Name = None, folder: Folder = Path(), context: Context = None, _verbose: Verbose = False
) -> None:
    """Ask a running operation to stop before its next wave; `resume` goes on.

    Examples:
        isthmus deploy pause -f shop
    """
    current = asyncio.run(_ask(_place(folder, name, context), "pause"))
    typer.echo(f"operation {current.id} stops before its next wave; go on with: isthmus deploy resume")


@app.command()
def approve(
    name: Name = None,
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 60.0,
    record_only: Annotated[
        bool, typer.Option("--record-only", help="Leave the approval; somebody else resumes.")
    ] = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Approve the gate at which the operation waits, and go on with it.

    Examples:
        isthmus deploy approve -f shop
    """
    place = _place(folder, name, context)
    current = asyncio.run(_ask(place, "approve"))
    if record_only:
        typer.echo(f"operation {current.id}: approved; go on with: isthmus deploy resume {place.app}")
        return
    _finish(asyncio.run(_take_over(place, wait=wait, form=form, verb="resume")), form)


@app.command()
def skip(
    cluster: Annotated[str, typer.Argument(help="The cluster to go on without.")],
    name: Name = None,
    folder: Folder = Path(),
    context: Context = None,
    _verbose: Verbose = False,
) -> None:
    """Ask a running operation to go on without one cluster; it stays as it is and is named as left behind.

    Examples:
        isthmus deploy skip east -f shop
    """
    current = asyncio.run(_ask(_place(folder, name, context), "skip", cluster))
    typer.echo(f"operation {current.id} goes on without {cluster}")


# ---- what the verbs share


def _place(folder: Path, name: str | None, contexts: Sequence[str] | None) -> Place:
    if contexts:
        return _by_contexts(name, contexts)
    from isthmus.rollout import plan as plans

    read = output.load_folder(folder)
    if read.fleet is None:
        raise errors.InputError(
            "the folder has no Fleet", where=str(folder), remedy="isthmus init writes one"
        )
    found = read.app(name)
    from isthmus.cli import connection

    return Place(
        namespace=found.namespace,
        app=found.name,
        release=found.release,
        voters=plans.voters(read.fleet),
        clusters=tuple(cluster for wave in found.waves for cluster in wave),
        folder=connection.folder_of(folder),
        wanted=found,
        fleet=read.fleet,
    )


def _by_contexts(name: str | None, contexts: Sequence[str]) -> Place:
    namespace, slash, short = (name or "").partition("/")
    if not slash:
        raise errors.InputError(
            "with --context the App is named NAMESPACE/APP", remedy="for example data/cassandra"
        )
    pairs = tuple((context, context) for context in contexts)
    return Place(namespace=namespace, app=short, release=short, voters=pairs, clusters=tuple(contexts))


def _only(place: Place, only: str | None) -> tuple[str, ...] | None:
    return output.pick(place.clusters, only) if only is not None else None


async def _draft_up(place: Place, only: str | None, save: Path | None) -> engine.Draft:
    from isthmus.cli import connection
    from isthmus.engine import deploy as engine

    wanted, fleet, folder = place.both()
    async with connection.opened(place.voters, with_helm=True) as world:
        draft = await engine.draft_up(world, wanted, fleet, folder=folder, only=_only(place, only))
        if save is not None:
            await engine.pin(world, draft)
            _write_plan(save, draft.plan)
    return draft


async def _run(
    place: Place,
    verb: str,
    *,
    only: str | None,
    to: str | None = None,
    yes: bool,
    dry_run: bool,
    wait: float,
    form: output.Output,
) -> operation.Operation | None:
    from isthmus.cli import connection
    from isthmus.engine import deploy as engine

    wanted, fleet, folder = place.both()
    async with connection.opened(place.voters, with_helm=True) as world:
        if form is output.Output.TEXT:
            typer.echo(f"reading {len(place.clusters)} clusters…", err=True)
        chosen = _only(place, only)
        if verb == "up":
            draft = await engine.draft_up(world, wanted, fleet, folder=folder, only=chosen)
        elif verb == "rollback":
            draft = await engine.draft_rollback(world, wanted, fleet, to=to, only=chosen)
        else:
            draft = await engine.draft_down(world, wanted, fleet, only=chosen)
        return await _start(world, draft, yes=yes, dry_run=dry_run, wait=wait, form=form)


async def _run_saved(
    saved: plan.Plan, *, yes: bool, dry_run: bool, wait: float, form: output.Output
) -> operation.Operation | None:
    from isthmus.cli import connection
    from isthmus.engine import deploy as engine

    pairs = (*saved.voters, *((step.cluster, step.context) for step in saved.steps))
    async with connection.opened(pairs, with_helm=True) as world:
        draft = await engine.draft_saved(world, saved)
        return await _start(world, draft, yes=yes, dry_run=dry_run, wait=wait, form=form)


async def _start(
    world: worlds.World, draft: engine.Draft, *, yes: bool, dry_run: bool, wait: float, form: output.Output
) -> operation.Operation | None:
    from isthmus.cli import progress
    from isthmus.engine import deploy as engine

    if form is output.Output.TEXT or dry_run:
        _show_plan(draft.plan, form)
    _leave_on_errors(draft.plan)
    if draft.plan.is_empty:
        typer.echo("nothing to do: every cluster is as the folder says", err=True)
        return None
    if dry_run:
        return None
    _confirm(yes=yes)
    with progress.shown(form, draft.plan) as view:
        return await engine.start(dataclasses.replace(world, report=view), draft, wait=wait)


async def _take_over(place: Place, *, wait: float, form: output.Output, verb: str) -> operation.Operation:
    from isthmus.cli import connection, progress
    from isthmus.engine import control
    from isthmus.engine import deploy as engine

    async with connection.opened(place.voters, with_helm=False) as reader:
        current = await engine.unfinished(reader, place.voters, place.namespace, place.app)
        if current is not None:
            asked = control.Verb.ABORT if verb == "abort" else control.Verb.RESUME
            await engine.ask(reader, place.voters, namespace=place.namespace, app=place.app, verb=asked)
    if current is None:
        raise errors.InputError(
            f"App {place.namespace}/{place.app} has no unfinished operation to {verb}",
            remedy="see what there was: isthmus deploy history",
        )
    pairs = {**dict(current.plan.voters), **{s.cluster: s.context for s in current.plan.steps}}
    if place.fleet is not None:
        pairs.update({name: context for name, context in place.voters if name in pairs})
    async with connection.opened(tuple(pairs.items()), with_helm=True) as world:
        with progress.shown(form, current.plan) as view:
            return await engine.resume(
                dataclasses.replace(world, report=view),
                current.plan.voters,
                namespace=place.namespace,
                app=place.app,
                wait=wait,
                abort=verb == "abort",
            )


async def _ask(place: Place, verb: str, argument: str = "") -> operation.Operation:
    from isthmus.cli import connection
    from isthmus.engine import control
    from isthmus.engine import deploy as engine

    async with connection.opened(place.voters, with_helm=False) as world:
        return await engine.ask(
            world,
            place.voters,
            namespace=place.namespace,
            app=place.app,
            verb=control.Verb(verb),
            argument=argument,
        )


async def _status(place: Place) -> dict[str, Any]:
    from isthmus.cli import connection
    from isthmus.engine import status as statuses

    async with connection.opened(place.voters, with_helm=False) as world:
        return await statuses.status(
            world,
            place.voters,
            namespace=place.namespace,
            app=place.app,
            release=place.release,
            clusters=place.clusters,
        )


async def _history(place: Place) -> tuple[operation.Operation, ...]:
    from isthmus.cli import connection
    from isthmus.engine import deploy as engine

    async with connection.opened(place.voters, with_helm=False) as world:
        return await engine.history(world, place.voters, place.namespace, place.app)


# ---- printing


def _show_plan(made: plan.Plan, form: output.Output) -> None:
    if form is not output.Output.TEXT:
        output.emit({**made.to_json(), "digest": made.digest}, form)
        return
    from isthmus.render import deploy as render

    typer.echo(render.plan_text(made))
    typer.echo("")
    output.print_findings(made.findings)


def _leave_on_errors(made: plan.Plan) -> None:
    from isthmus.model import finding

    if not finding.has_errors(made.findings):
        return
    silent = any(
        found.code == "cluster-silent" and found.severity is finding.Severity.ERROR for found in made.findings
    )
    raise typer.Exit(int(errors.Exit.UNREACHABLE if silent else errors.Exit.FAILED))


def _print_status(body: dict[str, Any]) -> None:
    from isthmus.model import operation
    from isthmus.render import deploy as render

    typer.echo(render.status_text(body, body["clusters"]))
    if body["error"]:
        typer.echo(f"\nno majority of voters answers: {body['error']}")
    if body["lock"]:
        typer.echo(f"\nlocked by {body['lock']['holder']} since {body['lock']['since']}")
    if body["operation"]:
        typer.echo("")
        typer.echo(render.operation_text(operation.Operation.from_json(body["operation"])))


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.InputError("nobody is there to confirm the plan", remedy="repeat with --yes")
    typer.confirm("Run this plan?", abort=True)


def _finish(
    ended: operation.Operation | None, form: output.Output, wanted: Sequence[str] = ("succeeded",)
) -> None:
    """Print how an operation ended, and leave with its exit code."""
    if ended is None:
        raise typer.Exit(0)
    if form is not output.Output.TEXT:
        sys.stdout.write(json.dumps({"operation": ended.to_json()}) + "\n")
    else:
        from isthmus.render import deploy as render

        typer.echo("")
        typer.echo(render.operation_text(ended))
    if str(ended.outcome) in wanted:
        raise typer.Exit(int(errors.Exit.DONE))
    held = str(ended.outcome) == "held"
    raise typer.Exit(int(errors.Exit.HELD if held else errors.Exit.FAILED))


def _write_plan(path: Path, made: plan.Plan) -> None:
    from isthmus.clients import files

    files.write_atomic(path, json.dumps({**made.to_json(), "digest": made.digest}, indent=2) + "\n")
    typer.echo(f"plan saved in {path}; run it with: isthmus deploy up --plan {path}", err=True)


def _read_plan(path: Path) -> plan.Plan:
    from isthmus.clients import files
    from isthmus.model import plan

    text = files.read_text(path)
    try:
        body = json.loads(text)
        found = plan.Plan.from_json(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.InputError(
            "is no saved plan", where=str(path), remedy="save one: isthmus deploy diff --save"
        ) from error
    if found.digest != body.get("digest"):
        raise errors.InputError(
            "the plan was changed after it was saved",
            where=str(path),
            remedy="save a new one: isthmus deploy diff --save",
        )
    return found
