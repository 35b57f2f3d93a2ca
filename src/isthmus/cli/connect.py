"""`isthmus connect`: Cilium, ClusterMesh and Istio in all clusters of a Fleet, as one transaction.

One function per verb; how they run is in `connecting`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli import connecting, output, planfile, running, verify
from isthmus.model import errors

app = typer.Typer(help="Connect the clusters with Cilium, ClusterMesh and Istio.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--file", "-f", help="Folder or file with the Fleet.")]
Only = Annotated[str | None, typer.Option("--only", help="Only these clusters, comma-separated.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for a lock that somebody else holds.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over a Cilium that somebody else installed.")]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="DIR|FILE",
        help="The mesh's certificate authority: ca.crt and ca.key in a folder, or one file with both. "
        "Without it where the Fleet's `trust` says, else the folder `trust` beside it, made on first use.",
    ),
]
Context = Annotated[
    list[str] | None, typer.Option("--context", help="Work on these contexts alone, without a folder.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Where nothing is fenced: the process that was at work is known to be gone."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")]

app.command()(verify.verify)


@app.command()
def diff(
    folder: Folder = Path(),
    only: Only = None,
    ca: Authority = None,
    adopt: Adopt = False,
    save: Annotated[
        Path | None, typer.Option("--save", help="Save the plan for `connect up --plan`; pins its bundles.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when something would change.")
    ] = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Show what `up` would change: values, certificates and objects in each cluster, and the way back.

    Examples:
        isthmus connect diff -f shop
        isthmus connect diff -f shop --only east -o json
        isthmus connect diff -f shop --save plan.json
    """
    with running.told("connect"):
        place = connecting.find(folder)
        made = asyncio.run(connecting.diff(place, only=only, ca=ca, adopt=adopt, form=form, save=save))
    raise typer.Exit(1 if exit_code and not made.is_empty else 0)


@app.command()
def up(
    folder: Folder = Path(),
    only: Only = None,
    ca: Authority = None,
    adopt: Adopt = False,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Run this saved plan and nothing else.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Bring Cilium, ClusterMesh and Istio in every cluster to what the Fleet says, or all of them back.

    Examples:
        isthmus connect up -f shop
        isthmus connect up -f shop --ca ~/trust/shop --yes
        isthmus connect up -f shop --adopt
        isthmus connect up --plan plan.json
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    with running.told("connect"):
        if plan_file is not None:
            _refuse_more(only=only, ca=ca, adopt=adopt)
            ran = running.run_saved(planfile.read(plan_file, "connect"), ways)
            running.finish(asyncio.run(ran), form)
        place = connecting.find(folder)
        ended = asyncio.run(connecting.up(place, ways, only=only, ca=ca, adopt=adopt))
        running.finish(ended, form)


def _refuse_more(*, only: str | None, ca: Path | None, adopt: bool) -> None:
    """Refuse what was decided when a plan was saved."""
    if only is not None or ca is not None or adopt:
        raise errors.InputError(
            "a saved plan is run as it is",
            why="--plan stands for its clusters, its certificates and what it takes over",
            remedy="leave --only, --ca and --adopt out, or save another plan with them: "
            "isthmus connect diff --save",
        )


@app.command()
def status(
    folder: Folder = Path(),
    context: Context = None,
    only: Only = None,
    ca: Authority = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Show what the clusters say: releases, agents, certificates, peers, Istio, the last operation.

    Examples:
        isthmus connect status -f shop
        isthmus connect status --context west --context east -o json
    """
    with running.told("connect"):
        body = asyncio.run(connecting.status(folder, context, only=only, ca=ca))
    if form is not output.Output.TEXT:
        output.emit(body, form)
    else:
        from isthmus.render import connect as render

        typer.echo(render.status_text(body, width=running.width()))
    raise typer.Exit(int(connecting.exit_of(body)))


@app.command()
def down(
    folder: Folder = Path(),
    only: Only = None,
    adopt: Adopt = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take Istio, Cilium and the certificates of `up` out, last wave first, and list what stays.

    Examples:
        isthmus connect down -f shop --dry-run
        isthmus connect down -f shop --only east
    """
    ways = running.Ways(yes=yes, dry_run=dry_run, wait=wait, form=form)
    with running.told("connect"):
        place = connecting.find(folder)
        running.finish(asyncio.run(connecting.down(place, ways, only=only, adopt=adopt)), form)


@app.command()
def rotate(
    folder: Folder = Path(),
    ca: Authority = None,
    istio: Annotated[
        bool,
        typer.Option(
            "--istio", help="Replace Istio's root, and not the authority of ClusterMesh and Hubble."
        ),
    ] = False,
    settle: Annotated[
        float | None,
        typer.Option(
            "--settle",
            help="Seconds after each wave for kubelets to bring Secrets to pods (120); with --istio the "
            "seconds that proxies have to go over to what istiod says (300).",
        ),
    ] = None,
    yes: Yes = False,
    wait: Wait = 0.0,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Put a new authority in the place of the mesh's: trust both, issue anew, drop the old one.

    Three operations, each shown and confirmed by itself. A run that stops is gone on with by the next.
    With --istio every proxy is asked before the next operation, and those that are not there yet are named.

    Examples:
        isthmus connect rotate -f shop
        isthmus connect rotate -f shop --istio --yes
    """
    from isthmus.cli import rerooting, rotating

    ways = running.Ways(yes=yes, wait=wait, form=form)
    with running.told("connect"):
        place = connecting.find(folder)
        if istio:
            ran = rerooting.rotate(place, ways, ca=ca, settle=300.0 if settle is None else settle)
        else:
            ran = rotating.rotate(place, ways, ca=ca, settle=120.0 if settle is None else settle)
        running.finish(asyncio.run(ran), form)


Istio = Annotated[bool, typer.Option("--istio", help="The authorities of Istio, one for each cluster.")]
Out = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of requests.", show_default=False)]


@app.command()
def csr(out: Out, folder: Folder = Path(), istio: Istio = False, _verbose: Verbose = False) -> None:
    """Write a request for the authority of each cluster's istiod, for somebody else to sign.

    A key that lies in the folder is kept; without one it is made, readable by you alone. No cluster is asked.

    Examples:
        isthmus connect csr --istio pki/istio -f shop
    """
    from isthmus.cli import requests

    _istio_alone(istio=istio)
    with running.told("connect"):
        requests.write_istio(connecting.find(folder), out)


@app.command()
def sign(
    out: Out,
    ca: Annotated[
        Path, typer.Option("--ca", metavar="DIR|FILE", help="The root that signs: ca.crt and ca.key.")
    ],
    istio: Istio = False,
    yes: Yes = False,
    _verbose: Verbose = False,
) -> None:
    """Sign requests of `csr` where the root's key lies; the keys of the clusters are not needed there.

    Examples:
        isthmus connect sign --istio requests --ca ~/root
    """
    from isthmus.cli import requests

    _istio_alone(istio=istio)
    requests.sign(out, ca, signs=True, yes=yes)


def _istio_alone(*, istio: bool) -> None:
    if not istio:
        raise errors.InputError(
            "requests are written for Istio alone",
            why="ClusterMesh's certificates are issued by an authority at hand or by cert-manager",
            remedy="say --istio; for the certificates of Apps: isthmus deploy csr",
        )


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
        isthmus connect resume -f shop
    """
    ways = running.Ways(wait=wait, force=force, form=form)
    with running.told("connect"):
        place = connecting.place_of(folder, context)
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
        isthmus connect abort -f shop
    """
    ways = running.Ways(wait=wait, force=force, form=form)
    with running.told("connect"):
        place = connecting.place_of(folder, context)
        running.finish(asyncio.run(running.take_over(place, ways, abort=True)), form, good="rolled-back")


@app.command()
def pause(folder: Folder = Path(), context: Context = None, _verbose: Verbose = False) -> None:
    """Ask a running operation to stop before its next wave; `resume` goes on.

    Examples:
        isthmus connect pause -f shop
    """
    with running.told("connect"):
        current = asyncio.run(running.ask(connecting.place_of(folder, context), "pause"))
    typer.echo(f"operation {current.id} stops before its next wave; go on with: isthmus connect resume")


@app.command()
def approve(
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
        isthmus connect approve -f shop
        isthmus connect approve -f shop --record-only
    """
    with running.told("connect"):
        place = connecting.place_of(folder, context)
        current = asyncio.run(running.ask(place, "approve"))
        if record_only:
            typer.echo(f"operation {current.id}: approved; go on with: isthmus connect resume")
            return
        ways = running.Ways(wait=wait, form=form)
        running.finish(asyncio.run(running.take_over(place, ways)), form)


@app.command()
def skip(
    cluster: Annotated[str, typer.Argument(help="The cluster to go on without.")],
    folder: Folder = Path(),
    context: Context = None,
    _verbose: Verbose = False,
) -> None:
    """Ask an operation to go on without one cluster; it stays as it is and is named as left behind.

    Examples:
        isthmus connect skip east -f shop
    """
    with running.told("connect"):
        current = asyncio.run(running.ask(connecting.place_of(folder, context), "skip", cluster))
    more = "" if current.is_at_work else "; go on with: isthmus connect resume"
    typer.echo(f"operation {current.id} goes on without {cluster}{more}")


@app.command()
def history(
    folder: Folder = Path(),
    context: Context = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """List the operations on the network.

    Examples:
        isthmus connect history -f shop
        isthmus connect history -f shop -o json
    """
    from isthmus.render import deploy as render

    with running.told("connect"):
        found = asyncio.run(running.history(connecting.place_of(folder, context)))
    if form is not output.Output.TEXT:
        output.emit({"operations": [one.to_json() for one in found]}, form)
    else:
        typer.echo(render.history_text(found, width=running.width()))
    raise typer.Exit(int(errors.Exit.DONE))
