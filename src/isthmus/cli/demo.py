"""`isthmus demo`: the whole story on the lab, told with the commands that a user would type.

It only runs other verbs, so nothing works here that would not work by hand.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli import demoground
from isthmus.model import errors

LAB = "demo"
MARK = ".isthmus-demo"
"""File by which the demo knows a folder that it made and may replace."""
PROGRAMS = {
    "control": "etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, helm",
    "network": "Kubernetes with kubelet, containerd, runc, Cilium, CoreDNS, helm, and their images",
}


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder to write.")] = Path(
        "isthmus-demo"
    ),
    profile: Annotated[
        demoground.Choice,
        typer.Option("--profile", help="Nodes: fake, or real and connected; auto: real where it can."),
    ] = demoground.Choice.AUTO,
    stop: Annotated[bool, typer.Option("--stop", help="Take the clusters down again at the end.")] = False,
    _verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")] = False,
) -> None:
    """Start three real clusters, connect them, deploy an App in two waves, watch a bad version go back.

    With real nodes (root on Linux) it takes about four minutes once the programs are built, and the clusters
    are connected by Cilium ClusterMesh. Elsewhere nodes are fake, nothing is connected, and it takes one.

    Examples:
        isthmus demo
        isthmus demo /tmp/shop --stop
        isthmus demo --profile control
    """
    ground = demoground.choose(profile)
    story = _Story(folder, ground)
    story.title("The programs of the clusters")
    _build(ground)
    story.title("A folder: the Fleet, an App, its chart")
    _fresh(folder)
    _step(["init", "--example", "cassandra", str(folder)])
    (folder / MARK).write_text("Written by `isthmus demo`, which replaces this folder.\n", encoding="utf-8")
    for name, old, new in ground.edits(LAB):
        _edit(folder / name, old, new)
    story.title("Addresses, checked before there is a cluster")
    _step(["plan", "check", "-f", str(folder)])
    _step(["plan", "show", "-f", str(folder)])
    story.title("Three real clusters on this machine")
    try:
        _step(["lab", "up", "--name", LAB, "--profile", ground.profile, "-f", str(folder)])
        story.tell()
    finally:
        if stop:
            _step(["lab", "down", "--name", LAB])
    _end(folder, stop=stop)


class _Story:
    """The chapters that need clusters, with their numbers."""

    def __init__(self, folder: Path, ground: demoground.Ground) -> None:
        self._folder = folder
        self._ground = ground
        self._number = itertools.count(1)

    def title(self, text: str) -> None:
        """Begin a chapter."""
        _title(f"{next(self._number)}. {text}")

    def tell(self) -> None:
        """Tell what happens on the clusters."""
        if self._ground.is_real:
            self._connect()
        self.title("Version 1.0: wave by wave, each behind its gates")
        self._run("deploy", "up", "--yes")
        self._run("deploy", "status")
        self.title("Version 2.0: its pods in `central` never become ready")
        app = self._folder / "app.yaml"
        _edit(app, 'version: "1.0"', 'version: "2.0"')
        _edit(app, "dc: central", "dc: central, broken: true")
        typer.echo(f"(version 2.0 and `broken: true` for central are now in {app})")
        self._run("deploy", "up", "--yes", code=errors.Exit.FAILED)
        self.title("All three clusters are back, and history tells it")
        self._run("deploy", "status")
        self._run("deploy", "history")

    def _connect(self) -> None:
        self.title("Connected: Cilium and ClusterMesh in all three, as one transaction")
        self._run("connect", "up", "--yes")
        self._run("connect", "status")
        self.title("Proved: pods of every cluster ask pods of every other")
        self._run("connect", "verify")

    def _run(self, noun: str, verb: str, *words: str, code: errors.Exit = errors.Exit.DONE) -> None:
        _step([noun, verb, "-f", str(self._folder), *words], code=code)


def _build(ground: demoground.Ground) -> None:
    if ground.why:
        typer.echo(f"nodes are fake, and nothing is connected: {ground.why}")
    helm = ["helm"] if _has_no_helm() else []
    lacking = ground.lacks(helm)
    if not lacking:
        typer.echo(f"all there: {PROGRAMS[ground.profile]}")
        return
    typer.echo(f"to build once, from pinned Go modules: {lacking}")
    _step(ground.build(helm))


def _has_no_helm() -> bool:
    import os

    from isthmus.lab import binaries

    chosen = os.environ.get("ISTHMUS_HELM") or shutil.which("helm")
    return chosen is None and binaries.cached("helm") is None


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
