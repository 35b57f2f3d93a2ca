"""How the verbs of `deploy` run: open the clusters, call the engine, show it, leave with the outcome.

What to do is decided by the verb; what to say is shaped in `render`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from isthmus.cli import output
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.cli import places
    from isthmus.engine import draft as drafts
    from isthmus.engine import world as worlds
    from isthmus.model import operation, plan


@contextlib.contextmanager
def told(verb: str) -> Iterator[None]:
    """Let the engine's errors name this verb: it speaks of `deploy`, which runs the same operations."""
    try:
        yield
    except errors.IsthmusError as error:
        for field in ("what", "why", "remedy"):
            setattr(error, field, getattr(error, field).replace("isthmus deploy", f"isthmus {verb}"))
        raise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ways:
    """How a verb runs: confirmed, for show, how long to wait for the lock (seconds), in which form."""

    yes: bool = False
    dry_run: bool = False
    wait: float = 0.0
    force: bool = False
    form: output.Output = output.Output.TEXT


async def diff(place: places.Place, only: str | None, save: Path | None) -> drafts.Draft:
    """Draft an `up`; pin its bundles and save the plan where asked and possible."""
    from isthmus.cli import connection, planfile, signing
    from isthmus.engine import draft as drafts
    from isthmus.model import finding

    wanted, fleet, folder = place.both()
    keys = signing.prepare(wanted, fleet, folder)
    async with connection.opened(place.voters, with_helm=True) as world:
        by = signing.of(keys)
        draft = await drafts.up(world, wanted, fleet, folder=folder, only=place.pick(only), signing=by)
        draft = signing.told(draft, keys)
        if save is not None and not finding.has_errors(draft.plan.findings):
            if keys is not None:
                keys.keep()  # what is pinned is signed by it
            await drafts.pin(world, draft)
            planfile.write(save, draft.plan)
    return draft


async def run(
    place: places.Place, verb: str, ways: Ways, *, only: str | None, to: str | None = None
) -> operation.Operation | None:
    """Draft what the verb wants, show it, ask, and run it; None when there is nothing to do."""
    from isthmus.cli import connection, signing
    from isthmus.engine import draft as drafts
    from isthmus.engine import operations

    wanted, fleet, folder = place.both()
    chosen = place.pick(only, others=verb == "down")
    keys = signing.prepare(wanted, fleet, folder) if verb == "up" else None
    async with connection.opened(place.voters, with_helm=True) as world:
        if not (ways.dry_run or ways.wait):
            await operations.refuse_owned(world, place.voters, place.namespace, place.app)
        if ways.form is output.Output.TEXT:
            typer.echo(f"asking {len(chosen or place.clusters)} clusters…", err=True)
        if verb == "up":
            by = signing.of(keys)
            draft = await drafts.up(world, wanted, fleet, folder=folder, only=chosen, signing=by)
            draft = signing.told(draft, keys)
        elif verb == "rollback":
            draft = await drafts.rollback(world, wanted, fleet, to=to, only=chosen)
        else:
            draft = await drafts.down(world, wanted, fleet, only=chosen)
        return await start(world, draft, ways, first=keys.keep if keys is not None else None)


async def run_saved(saved: plan.Plan, ways: Ways) -> operation.Operation | None:
    """Run a saved plan from what it pinned, without the folder."""
    from isthmus.cli import connection
    from isthmus.engine import saved as saving

    pairs = (*saved.voters, *((step.cluster, step.context) for step in saved.steps))
    async with connection.opened(pairs, with_helm=True) as world:
        return await start(world, await saving.read(world, saved), ways)


async def take_over(place: places.Place, ways: Ways, *, abort: bool = False) -> operation.Operation:
    """Go on with the unfinished operation, or take it back."""
    from isthmus.cli import connection, progress
    from isthmus.engine import control, deploy

    asked = control.Verb.ABORT if abort else control.Verb.RESUME
    current = await ask(place, asked.value)
    if abort:
        await _say_who_runs(place, ways)
    pairs = {**dict(current.plan.voters), **{s.cluster: s.context for s in current.plan.steps}}
    if place.fleet is not None:
        pairs.update({name: context for name, context in place.voters if name in pairs})
    async with connection.opened(tuple(pairs.items()), with_helm=True) as world:
        with progress.shown(ways.form, current.plan) as view:
            return await deploy.resume(
                dataclasses.replace(world, report=view),
                current.plan.voters,
                namespace=place.namespace,
                app=place.app,
                wait=ways.wait,
                abort=abort,
                force=ways.force,
            )


async def ask(place: places.Place, verb: str, argument: str = "") -> operation.Operation:
    """Leave a request for the unfinished operation, and return it."""
    from isthmus.cli import connection
    from isthmus.engine import control, operations

    async with connection.opened(place.voters, with_helm=False) as world:
        return await operations.ask(
            world,
            place.voters,
            namespace=place.namespace,
            app=place.app,
            verb=control.Verb(verb),
            argument=argument,
        )


async def status(place: places.Place) -> dict[str, Any]:
    """Return how the App stands, in the public form."""
    from isthmus.cli import connection
    from isthmus.engine import status as statuses

    certified = None
    if place.wanted is not None and place.wanted.spec.certificates:
        from isthmus.cli import signing

        wanted, fleet, folder = place.both()
        certified = statuses.Certified(app=wanted, roots=signing.roots(fleet, folder))
    async with connection.opened(place.voters, with_helm=False) as world:
        return await statuses.status(
            world,
            place.voters,
            namespace=place.namespace,
            app=place.app,
            release=place.release,
            clusters=place.clusters,
            others=place.others,
            certified=certified,
        )


async def history(place: places.Place) -> tuple[operation.Operation, ...]:
    """Return the App's operations, oldest first."""
    from isthmus.cli import connection
    from isthmus.engine import operations

    async with connection.opened(place.voters, with_helm=False) as world:
        return await operations.all_of(world, place.voters, place.namespace, place.app)


def width() -> int:
    """Return how long a line of text may be: the terminal's width, 100 in a pipe, never under 80."""
    return max(80, shutil.get_terminal_size((100, 24)).columns)


def show_plan(made: plan.Plan, form: output.Output) -> None:
    """Print a plan and what is to say about it."""
    if form is not output.Output.TEXT:
        output.emit({**made.to_json(), "digest": made.digest}, form)
        return
    from isthmus.render import deploy as render

    typer.echo(render.plan_text(made, width=width()))
    if made.findings:
        typer.echo("")
        sys.stdout.flush()
        output.print_findings(made.findings)


def leave_on_errors(made: plan.Plan) -> None:
    """Leave with 1 when the plan has an error, with 3 when a cluster did not answer."""
    from isthmus.model import finding

    if not finding.has_errors(made.findings):
        return
    silent = any(
        found.code == "cluster-silent" and found.severity is finding.Severity.ERROR for found in made.findings
    )
    raise typer.Exit(int(errors.Exit.UNREACHABLE if silent else errors.Exit.FAILED))


def finish(ended: operation.Operation | None, form: output.Output, *, good: str = "succeeded") -> NoReturn:
    """Print how an operation ended, and leave with its exit code; `good` is the outcome that was wanted."""
    from isthmus.cli import progress

    if form is not output.Output.TEXT:
        progress.emit({"operation": ended.to_json() if ended else None}, form)
    if ended is None:
        raise typer.Exit(int(errors.Exit.DONE))
    if form is output.Output.TEXT:
        from isthmus.render import deploy as render

        typer.echo("")
        typer.echo(render.operation_text(ended, width=width()))
    if str(ended.outcome) == good or (good == "rolled-back" and ended.is_closed):
        raise typer.Exit(int(errors.Exit.DONE))
    held = str(ended.outcome) == "held"
    raise typer.Exit(int(errors.Exit.HELD if held else errors.Exit.FAILED))


async def start(
    world: worlds.World,
    draft: drafts.Draft,
    ways: Ways,
    *,
    show: Callable[[plan.Plan, output.Output], None] = show_plan,
    first: Callable[[], None] | None = None,
) -> operation.Operation | None:
    """Show a draft, ask, and run it; `first` is done between the answer and the first step."""
    from isthmus.cli import progress
    from isthmus.engine import deploy, operations
    from isthmus.model import finding

    has_errors = finding.has_errors(draft.plan.findings)
    if ways.form is output.Output.TEXT or ways.dry_run or has_errors:
        show(draft.plan, ways.form)
    leave_on_errors(draft.plan)
    if ways.dry_run:
        raise typer.Exit(int(errors.Exit.DONE))
    if draft.plan.is_empty:
        await operations.refuse_owned(world, draft.plan.voters, draft.plan.namespace, draft.plan.app)
        typer.echo("nothing to do: every cluster is as this plan wants it", err=True)
        return None
    confirm(yes=ways.yes)
    if first is not None:
        first()
    with progress.shown(ways.form, draft.plan) as view:
        return await deploy.start(dataclasses.replace(world, report=view), draft, wait=ways.wait)


async def _say_who_runs(place: places.Place, ways: Ways) -> None:
    from isthmus.cli import connection
    from isthmus.engine import operations

    async with connection.opened(place.voters, with_helm=False) as world:
        view = await operations.holder(world, place.voters, place.namespace, place.app)
    if view.holder is not None and view.is_majority:
        typer.echo(f"asked {view.holder} to go back; waiting up to {ways.wait:.0f}s for it", err=True)


def confirm(*, yes: bool) -> None:
    """Ask, unless that was answered beforehand; InputError where nobody is there."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.InputError("nobody is there to confirm the plan", remedy="repeat with --yes")
    typer.confirm("Run this plan?", abort=True, err=True)
