"""`isthmus deploy`: one App over all its clusters as one transaction.

One function per verb; how they run is in `running`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli import output, places, running
from isthmus.model import errors

app = typer.Typer(help="Run an App over all its clusters as one transaction.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--file", "-f", help="Folder or file with Fleet and App.")]
Name = Annotated[
    str | None, typer.Argument(help="The App; not needed when the folder has one.", show_default=False)
]
AnyName = Annotated[
    str | None,
    typer.Argument(
        help="The App; not needed when the folder has one. NAMESPACE/APP with --context.", show_default=False
    ),
]
Only = Annotated[str | None, typer.Option("--only", help="Only these clusters, comma-separated.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
Context = Annotated[
    list[str] | None, typer.Option("--context", help="Work on these contexts alone, without a folder.")
]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for a lock that somebody else holds.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Where nothing is fenced: the process that was at work is known to be gone."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")]


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
    draft = asyncio.run(running.diff(places.find(folder, name), only, save))
    running.show_plan(draft.plan, form)
    running.leave_on_errors(draft.plan)
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
        isthmus deploy up -f shop --only east --yes
        isthmus deploy up --plan plan.json
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    if plan_file is None:
        place = places.find(folder, name)
        running.finish(asyncio.run(running.run(place, "up", ways, only=only)), form)
    if only is not None or name is not None:
        raise errors.InputError(
            "a saved plan is run as it is",
            why="--plan stands for the App and its clusters",
            remedy="leave the App and --only out, or save another plan: isthmus deploy diff --only",
        )
    from isthmus.cli import planfile

    running.finish(asyncio.run(running.run_saved(planfile.read(plan_file), ways)), form)


@app.command()
def rollback(
    name: Name = None,
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
    """Take every cluster back to the revision before an operation.

    Examples:
        isthmus deploy rollback -f shop
        isthmus deploy rollback -f shop --to 20261122-101500-a1b2
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    place = places.find(folder, name)
    running.finish(asyncio.run(running.run(place, "rollback", ways, only=only, to=to)), form)


@app.command()
def rotate(
    folder: Folder = Path(),
    settle: Annotated[
        float,
        typer.Option("--settle", min=0, help="Seconds for pods to be brought new Secrets, and to read them."),
    ] = 120.0,
    yes: Yes = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Put a new authority in the place of that of Apps' certificates: trust both, issue anew, drop the old.

    Three stages, each an operation of every App of the folder, shown and confirmed by itself. A run that
    stops is gone on with by the next; until then `up` refuses.

    Examples:
        isthmus deploy rotate -f shop
        isthmus deploy rotate -f shop --settle 300 --yes
    """
    from isthmus.cli import signing

    ways = running.Ways(yes=yes, wait=wait, form=form)
    running.finish(asyncio.run(signing.rotate(folder, ways, settle=settle)), form)


Out = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of requests.", show_default=False)]


@app.command()
def csr(out: Out, folder: Folder = Path(), _verbose: Verbose = False) -> None:
    """Write a request for each certificate of each App and cluster, for somebody else to sign.

    A key that lies in the folder is kept; without one it is made, readable by you alone. No cluster is asked.

    Examples:
        isthmus deploy csr pki/apps -f shop
    """
    from isthmus.cli import requests

    requests.write_leaves(output.load_folder(folder), out)


@app.command()
def sign(
    out: Out,
    ca: Annotated[
        Path, typer.Option("--ca", metavar="DIR|FILE", help="The authority that signs: ca.crt and ca.key.")
    ],
    yes: Yes = False,
    _verbose: Verbose = False,
) -> None:
    """Sign requests of `csr` where the authority's key lies; the keys of the Apps are not needed there.

    Examples:
        isthmus deploy sign requests --ca ~/authority
    """
    from isthmus.cli import requests

    requests.sign(out, ca, signs=False, yes=yes)


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

    With --only also from a cluster of the Fleet that the App no longer names.

    Examples:
        isthmus deploy down -f shop
        isthmus deploy down -f shop --only east
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    running.finish(asyncio.run(running.run(places.find(folder, name), "down", ways, only=only)), form)


@app.command()
def status(
    name: AnyName = None,
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
    body = asyncio.run(running.status(places.find(folder, name, context)))
    if form is not output.Output.TEXT:
        output.emit(body, form)
    else:
        from isthmus.render import deploy as render

        typer.echo(render.status_text(body, width=running.width()))
    silent = any(row["error"] for row in body["clusters"]) or body["error"]
    raise typer.Exit(int(errors.Exit.UNREACHABLE if silent else errors.Exit.DONE))


@app.command()
def history(
    name: AnyName = None,
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
        isthmus deploy history -f shop --operation 20261122-101500-a1b2
        isthmus deploy history -f shop -o json
    """
    from isthmus.render import deploy as render

    found = asyncio.run(running.history(places.find(folder, name, context)))
    chosen = [one for one in found if operation_id in {None, one.id}]
    if operation_id is not None and not chosen:
        raise errors.InputError(f"no operation {operation_id}", remedy="see them all: isthmus deploy history")
    if form is not output.Output.TEXT:
        output.emit({"operations": [one.to_json() for one in chosen]}, form)
    elif operation_id is not None:
        typer.echo(render.story_text(chosen[0], width=running.width()))
    else:
        typer.echo(render.history_text(chosen, width=running.width()))


@app.command()
def resume(
    name: AnyName = None,
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 60.0,
    force: Force = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take over the unfinished operation and bring it to its end, from what it pinned.

    Examples:
        isthmus deploy resume -f shop
    """
    ways = running.Ways(wait=wait, force=force, form=form)
    running.finish(asyncio.run(running.take_over(places.find(folder, name, context), ways)), form)


@app.command()
def abort(
    name: AnyName = None,
    folder: Folder = Path(),
    context: Context = None,
    wait: Wait = 600.0,
    force: Force = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take the unfinished operation back in every cluster; one that needs a human is closed as it is.

    Examples:
        isthmus deploy abort -f shop
    """
    ways = running.Ways(wait=wait, force=force, form=form)
    place = places.find(folder, name, context)
    running.finish(asyncio.run(running.take_over(place, ways, abort=True)), form, good="rolled-back")


@app.command()
def pause(
    name: AnyName = None, folder: Folder = Path(), context: Context = None, _verbose: Verbose = False
) -> None:
    """Ask a running operation to stop before its next wave; `resume` goes on.

    Examples:
        isthmus deploy pause -f shop
    """
    current = asyncio.run(running.ask(places.find(folder, name, context), "pause"))
    typer.echo(f"operation {current.id} stops before its next wave; go on with: isthmus deploy resume")


@app.command()
def approve(
    name: AnyName = None,
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
        isthmus deploy approve -f shop --record-only
    """
    place = places.find(folder, name, context)
    current = asyncio.run(running.ask(place, "approve"))
    if record_only:
        typer.echo(f"operation {current.id}: approved; go on with: isthmus deploy resume {place.app}")
        return
    ways = running.Ways(wait=wait, form=form)
    running.finish(asyncio.run(running.take_over(place, ways)), form)


@app.command()
def skip(
    cluster: Annotated[str, typer.Argument(help="The cluster to go on without.")],
    name: AnyName = None,
    folder: Folder = Path(),
    context: Context = None,
    _verbose: Verbose = False,
) -> None:
    """Ask an operation to go on without one cluster; it stays as it is and is named as left behind.

    Examples:
        isthmus deploy skip east -f shop
    """
    current = asyncio.run(running.ask(places.find(folder, name, context), "skip", cluster))
    more = "" if current.is_at_work else "; go on with: isthmus deploy resume"
    typer.echo(f"operation {current.id} goes on without {cluster}{more}")
