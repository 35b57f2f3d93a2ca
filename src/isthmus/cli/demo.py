"""`isthmus demo`: the whole story on the lab, told with the commands that a user would type.

It only runs other verbs, so nothing works here that would not work by hand.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from isthmus.model import errors

LAB = "demo"
MARK = ".isthmus-demo"
"""File by which the demo knows a folder that it made and may replace."""
TIMEOUT = "20s"
"""For each cluster to become ready: long enough for the good version, short enough to watch the bad one."""


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder to write.")] = Path(
        "isthmus-demo"
    ),
    stop: Annotated[bool, typer.Option("--stop", help="Take the clusters down again at the end.")] = False,
    _verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")] = False,
) -> None:
    """Start three real clusters, deploy an App in two waves, ship a bad version, watch all of them go back.

    Takes about a minute once the clusters' programs are built; the first build takes some minutes more.

    Examples:
        isthmus demo
        isthmus demo /tmp/shop --stop
    """
    _title("1. The programs of the clusters")
    _build()
    _title("2. A folder: the Fleet, an App, its chart")
    _fresh(folder)
    _step(["init", "--example", "cassandra", str(folder)])
    (folder / MARK).write_text("Written by `isthmus demo`, which replaces this folder.\n", encoding="utf-8")
    _edit(folder / "fleet.yaml", "context: lab-", f"context: {LAB}-")
    _edit(folder / "app.yaml", "timeout: 1m ", f"timeout: {TIMEOUT}")
    _title("3. Addresses, checked before there is a cluster")
    _step(["plan", "check", "-f", str(folder)])
    _step(["plan", "show", "-f", str(folder)])
    _title("4. Three real clusters on this machine")
    _step(["lab", "up", "--name", LAB, "-f", str(folder)])
    try:
        _tell(folder)
    finally:
        if stop:
            _step(["lab", "down", "--name", LAB])
    _end(folder, stop=stop)


def _tell(folder: Path) -> None:
    _title("5. Version 1.0: wave by wave, each behind its gates")
    _step(["deploy", "up", "-f", str(folder), "--yes"])
    _step(["deploy", "status", "-f", str(folder)])
    _title("6. Version 2.0: its pods in `central` never become ready")
    _edit(folder / "app.yaml", 'version: "1.0"', 'version: "2.0"')
    _edit(folder / "app.yaml", "dc: central", "dc: central, broken: true")
    typer.echo(f"(version 2.0 and `broken: true` for central are now in {folder / 'app.yaml'})")
    _step(["deploy", "up", "-f", str(folder), "--yes"], code=errors.Exit.FAILED)
    _title("7. All three clusters are back, and history tells it")
    _step(["deploy", "status", "-f", str(folder)])
    _step(["deploy", "history", "-f", str(folder)])


def _build() -> None:
    from isthmus.lab import binaries, build

    lacking = build.estimate(binaries.CONTROL)
    helm = build.estimate(["helm"]) if _has_no_helm() else None
    names = [*lacking.programs, *(helm.programs if helm else ())]
    if not names:
        typer.echo("all there: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, helm")
        return
    minutes = lacking.minutes + (helm.minutes if helm else 0)
    typer.echo(
        f"to build once, from pinned Go modules: {', '.join(names)} (at most {minutes:.0f} min on 2 cores)"
    )
    _step(["lab", "build", *names])


def _has_no_helm() -> bool:
    import os

    return not os.environ.get("ISTHMUS_HELM") and shutil.which("helm") is None


def _fresh(folder: Path) -> None:
    """Remove what an earlier demo left, and nothing else."""
    from isthmus.lab import labs

    if LAB in labs.names():
        _step(["lab", "down", "--name", LAB])
    if not folder.exists():
        return
    if not (folder / MARK).is_file():
        raise errors.InputError(
            "the folder is there already and no demo wrote it",
            where=str(folder),
            remedy="name another one: isthmus demo DIR",
        )
    shutil.rmtree(folder)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise errors.InputError(
            f"no '{old}' to change",
            where=str(path),
            remedy="start again with a fresh folder: isthmus demo DIR",
        )
    path.write_text(text.replace(old, new), encoding="utf-8")


def _title(text: str) -> None:
    typer.echo("")
    typer.secho(text, bold=True)


def _step(args: list[str], *, code: errors.Exit = errors.Exit.DONE) -> None:
    """Run one command as a user would, and stop the story when it ends otherwise than it should."""
    from isthmus.cli import main

    typer.secho(f"$ isthmus {' '.join(args)}", fg="cyan")
    found = main.main(args)
    if found != code:
        raise errors.IsthmusError(
            f"`isthmus {args[0]} {args[1]}` ended with {found}, the story expects {int(code)}",
            why="its output above tells more",
            remedy=f"start again, or look around: isthmus lab status; isthmus lab down --name {LAB}",
        )


def _end(folder: Path, *, stop: bool) -> None:
    _title("That was the main job: forward together, or back together.")
    if stop:
        typer.echo(f"The clusters are gone. The folder stays: {folder}")
        return
    typer.echo("Look around:")
    typer.echo(f"  isthmus deploy history -f {folder} -o json       # every step, forward and back")
    typer.echo(f"  isthmus lab kubeconfig --name {LAB} > demo.kubeconfig")
    typer.echo("  KUBECONFIG=demo.kubeconfig helm ls -A --kube-context demo-west")
    typer.echo(
        "  KUBECONFIG=demo.kubeconfig kubectl --context demo-west -n isthmus-system get configmaps,leases"
    )
    typer.echo(f"  edit {folder / 'app.yaml'}, then: isthmus deploy diff -f {folder}")
    typer.echo("Stop and remove everything:")
    typer.echo(f"  isthmus lab down --name {LAB}")
