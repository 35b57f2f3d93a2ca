"""`isthmus lab`: real Kubernetes clusters on this machine, from their binaries to their kubeconfig.

The work is done in `isthmus.lab`; this turns a Fleet into what the lab takes, and prints.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import lab_fault, output
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.lab import build as builds
    from isthmus.lab import labs

app = typer.Typer(no_args_is_help=True, help="Run real Kubernetes clusters on this machine.")
app.add_typer(lab_fault.app, name="fault")

LAB = "lab"
"""The name of a lab that nobody named."""
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="The lab.")]
Bin = Annotated[
    Path | None, typer.Option("--bin", metavar="DIR", help="Take the binaries from here, build none.")
]
Source = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="DIR|FILE", help="Clusters and contexts of this Fleet."),
]
Profile = Annotated[str, typer.Option("--profile", help="What the clusters are made of.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")]


@app.command()
def build(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Programs; all of the profile, and helm, without."),
    ] = None,
    profile: Profile = "control",
    again: Annotated[bool, typer.Option("--again", help="Build also what is there.")] = False,
    _verbose: Verbose = False,
) -> None:
    """Build the lab's programs from pinned Go modules, into the cache, and for `network` its images.

    Images are assembled from these programs and from Debian packages; that takes root on Linux.

    Examples:
        isthmus lab build
        isthmus lab build helm
        isthmus lab build --profile network
    """
    from isthmus.lab import binaries

    wanted = tuple(names) if names else binaries.profile(profile)
    for name in wanted:
        binaries.family(name)
    with_images = profile == "network" and not names
    for name, path in _ensure(wanted, None, again=again, images=with_images).items():
        typer.echo(f"{name:<26}{path}")


@app.command()
def up(
    name: Name = LAB,
    profile: Annotated[
        str | None, typer.Option("--profile", help="What the clusters are made of (default control).")
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option("--clusters", min=1, metavar="K", help="How many (default 3, of network 2)."),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes", min=1, metavar="N", help="Of each cluster, at most (default 3, of network 1)."
        ),
    ] = None,
    source: Source = None,
    bin_folder: Bin = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Start a lab, or what of it is down, and wait until its clusters are there.

    Without -f the clusters are west, east, central, c4 and so on, with contexts NAME-west and so on; with -f
    they are the Fleet's, under its contexts, with a witness if it names one.

    The profile control needs no root; kwok plays nodes and pods. The profile network takes Linux and root:
    each node is a network namespace with a real kubelet, with the addresses and MTU of the plan, and waits
    for a CNI, which the lab does not bring.

    Examples:
        isthmus lab up
        isthmus lab up --name shop -f shop
        isthmus lab up --name net --profile network --clusters 2
        isthmus lab kubeconfig --name shop > shop.kubeconfig
    """
    from isthmus.cli import labspec
    from isthmus.lab import labs, profiles, status

    wanted = labspec.wanted(name, profile=profile, clusters=clusters, nodes=nodes, source=source)
    quiet = form is not output.Output.TEXT
    kind = profiles.get(wanted)
    kind.check(labspec.ways(source))
    _ensure(kind.programs, bin_folder, images=kind.has_images)
    began = time.monotonic()
    with _steps(quiet=quiet) as report:
        lab = labs.up(wanted, report=report, bin_folder=bin_folder)
    if quiet:
        output.emit(status.describe(name), form)
        return
    count = f"{len(lab.clusters)} cluster{'s' if len(lab.clusters) > 1 else ''}"
    typer.echo(f"lab {name}: {count} ready in {time.monotonic() - began:.1f} s")
    typer.echo(f"  contexts: {', '.join(cluster.context for cluster in lab.clusters.values())}")
    typer.echo(f"  use it:   isthmus lab kubeconfig --name {name} > {name}.kubeconfig")
    typer.echo(f"  stop it:  isthmus lab down --name {name}")


@app.command()
def down(
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="The lab.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data for the next `lab up`.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every lab.")] = False,
    _verbose: Verbose = False,
) -> None:
    """Stop a lab and remove every file of it, or keep its data.

    Examples:
        isthmus lab down
        isthmus lab down --name shop --keep
        isthmus lab down --all
    """
    from isthmus.lab import labs

    if every and name is not None:
        raise errors.InputError("--all and --name contradict each other", remedy="give one of them")
    for each in labs.names() if every else (name or LAB,):
        if not labs.down(each, keep=keep):
            typer.echo(f"lab {each}: there is none")
        else:
            typer.echo(f"lab {each}: {'stopped, its data is kept' if keep else 'removed'}")


@app.command()
def status(
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="One lab (default all).")] = None,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Show the labs of this machine and what runs of them.

    Examples:
        isthmus lab status
        isthmus lab status --name shop -o json
    """
    from isthmus.lab import labs
    from isthmus.lab import status as states

    if name is not None and name not in labs.names():
        labs.get(name)
    found = [states.describe(each) for each in ([name] if name else labs.names())]
    if form is not output.Output.TEXT:
        output.emit({"labs": found}, form)
        return
    if not found:
        typer.echo("no lab; start one: isthmus lab up")
    for lab in found:
        _show(lab)


@app.command()
def kubeconfig(name: Name = LAB, _verbose: Verbose = False) -> None:
    """Print the kubeconfig of a lab, one context for each cluster.

    Examples:
        isthmus lab kubeconfig > lab.kubeconfig
        KUBECONFIG=lab.kubeconfig kubectl --context lab-west get nodes
    """
    from isthmus.lab import labs

    output.emit(labs.get(name).kubeconfig(), output.Output.YAML)


def _ensure(
    names: tuple[str, ...], folder: Path | None, *, again: bool = False, images: bool = False
) -> dict[str, Path]:
    """Build what is missing, with images where they are asked for, saying before how long that may take."""
    from isthmus.lab import build as builds

    if folder is None:
        ahead = builds.estimate(names, again=again)
        if ahead.programs:
            sys.stderr.write(
                f"building {', '.join(ahead.programs)}: at most {ahead.minutes:.0f} min on two cores, "
                "less where Go has compiled some of it before\n"
            )
    if images:
        _announce_images(folder, again=again)
    with _progress() as report:
        found = builds.ensure(names, folder=folder, report=report, again=again)
        return {**found, **(_ensure_images(folder, report, again=again) if images else {})}


def _announce_images(folder: Path | None, *, again: bool) -> None:
    """Say which images will be made, and refuse at once where this machine cannot."""
    from isthmus.lab.images import catalog, store

    if again or store.find(folder=folder) is None:
        store.check()
        sys.stderr.write(
            f"assembling images of {', '.join(catalog.NAMES)}: about {store.MINUTES:.0f} min, "
            "with Debian packages to download\n"
        )


def _ensure_images(
    folder: Path | None, report: Callable[[builds.Progress], None], *, again: bool
) -> dict[str, Path]:
    from isthmus.lab.images import charts, store

    images = store.ensure(folder=folder, report=report, again=again)
    return {"images": images, **{f"chart {name}": charts.folder(name) for name in charts.NAMES}}


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[builds.Progress], None]]:
    """Yield a hearer of builds: a bar on a terminal, a line every ten seconds elsewhere."""
    if not sys.stderr.isatty():
        family, at = "", 0.0

        def line(progress: builds.Progress) -> None:
            nonlocal family, at
            now = time.monotonic()
            if progress.family == family and progress.what != "done" and now - at < 10:
                return
            family, at = progress.family, now
            count = f"{progress.family}: {progress.done}/{progress.total} {progress.unit}"
            where = f"{count}, {progress.elapsed:.0f} s, " if progress.family else ""
            sys.stderr.write(f"  {where}{progress.what}\n")
            sys.stderr.flush()

        yield line
        return
    from rich import console, progress

    shown = progress.Progress(
        "{task.fields[family]:<12}",
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        "{task.description}",
        console=console.Console(stderr=True),
    )
    tasks: dict[str, progress.TaskID] = {}

    def bar(step: builds.Progress) -> None:
        if step.family not in tasks:
            tasks[step.family] = shown.add_task("", total=None, family=step.family)
        what = step.what if len(step.what) <= 40 else f"…{step.what[-39:]}"
        shown.update(tasks[step.family], completed=step.done, total=step.total or None, description=what)

    with shown:
        yield bar


@contextlib.contextmanager
def _steps(*, quiet: bool) -> Iterator[Callable[[labs.Event], None]]:
    """Yield a hearer of a lab that comes up: a live table on a terminal, lines elsewhere."""
    if quiet:
        yield lambda _: None
    elif not output.is_terminal():
        yield _step_line
    else:
        with _table() as report:
            yield report


def _step_line(event: labs.Event) -> None:
    # One write, so that lines of clusters that start at once do not mix.
    where = f"{event.cluster}: " if event.cluster else ""
    sys.stdout.write(f"{event.elapsed:5.1f} s  {where}{event.what}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _table() -> Iterator[Callable[[labs.Event], None]]:
    from rich import live, table

    latest: dict[str, labs.Event] = {}

    def drawn() -> table.Table:
        grid = table.Table("cluster", "state", "since")
        for cluster, event in sorted(latest.items()):
            style = "green" if event.what == "ready" else ""
            grid.add_row(cluster or "lab", event.what, f"{event.elapsed:.1f} s", style=style)
        return grid

    with live.Live(drawn(), refresh_per_second=8) as view:

        def report(event: labs.Event) -> None:
            latest[event.cluster] = event
            view.update(drawn())

        yield report


def _show(lab: dict[str, Any]) -> None:
    from isthmus.render import table

    typer.echo(f"lab {lab['name']}: {lab['state']}")
    if lab["state"] == "broken":
        typer.echo(f"  it never came up whole; remove it: isthmus lab down --name {lab['name']}")
        return
    rows = [_row(cluster) for cluster in lab["clusters"]]
    for line in table.columns(rows, ("cluster", "context", "server", "ready", "memory", "not running")):
        typer.echo(f"  {line}")
    for line in lab_fault.lines(lab["faults"]):
        typer.echo(f"  {line}")


def _row(cluster: dict[str, Any]) -> tuple[str, ...]:
    others = [f"{each['name']} {each['state']}" for each in cluster["programs"] if each["state"] != "running"]
    return (
        cluster["name"],
        cluster["context"],
        cluster["server"],
        "yes" if cluster["ready"] else "no",
        f"{cluster['memory'] / 2**20:.0f} MiB",
        ", ".join(others) or "-",
    )
