"""`isthmus lab fault`: what goes wrong in a lab on purpose, and the way back.

What a fault is and does is in `isthmus.lab.faults`; this reads the words and prints.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import output
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.lab.faults import deeds, making

app = typer.Typer(no_args_is_help=True, help="Make something go wrong in a lab, and heal it.")

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def _labs() -> Iterator[Any]:
    from isthmus.lab import labs

    yield from labs.running()


def _clusters(incomplete: str) -> list[str]:
    found = {name for lab in _labs() for name in lab.clusters}
    return sorted(name for name in found if name.startswith(incomplete))


def _regions(incomplete: str) -> list[str]:
    found = {cluster.region for lab in _labs() for cluster in lab.clusters.values()}
    return sorted(name for name in found if name.startswith(incomplete))


def _programs(incomplete: str) -> list[str]:
    found = {name for lab in _labs() for cluster in lab.clusters.values() for name in cluster.programs}
    return sorted(name for name in found if name.startswith(incomplete))


def _ids(incomplete: str) -> list[str]:
    from isthmus.lab.faults import making

    found = [each.id for lab in _labs() for each in making.Faults(lab).all]
    return [name for name in ("all", *found) if name.startswith(incomplete)]


Name = Annotated[str, typer.Option("--name", metavar="NAME", help="The lab.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the details of an error.")]
One = Annotated[
    str, typer.Argument(metavar="A", help="A region, or a cluster in it.", autocompletion=_regions)
]
Other = Annotated[str, typer.Argument(metavar="B", help="Another region.", autocompletion=_regions)]
Cluster = Annotated[
    str, typer.Argument(metavar="CLUSTER", help="A cluster of the lab.", autocompletion=_clusters)
]
Program = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM",
        help="A program of the control plane, or a process on the nodes.",
        autocompletion=_programs,
    ),
]
LAB = "lab"


@app.command()
def cut(
    one: One,
    other: Other,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Cut the path between two regions: packets of both directions vanish, and nobody is told.

    API servers stay reachable from this machine, which has a link to each.

    Examples:
        isthmus lab fault cut west east --name net
    """
    from isthmus.lab.faults import deeds, making

    _make(name, form, dry_run, lambda faults: making.Step(deed=deeds.Cut(between=faults.between(one, other))))


@app.command()
def delay(
    one: One,
    other: Other,
    time: Annotated[str, typer.Argument(metavar="TIME", help="Added there and back, as in 60ms.")],
    loss: Annotated[str, typer.Option("--loss", metavar="PART", help="Lost of each direction.")] = "0%",
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Make the path between two regions longer, and let it lose packets.

    TIME is added to the round trip, half of it each way; a part of the packets of each direction is lost.

    Examples:
        isthmus lab fault delay west east 60ms --name net
        isthmus lab fault delay west east 60ms --loss 1% --name net
        isthmus lab fault delay west east 0ms --loss 5% --name net
    """
    from isthmus.lab.faults import deeds, making

    trip, part = _seconds(time), _part(loss)
    _make(
        name,
        form,
        dry_run,
        lambda faults: making.Step(
            deed=deeds.Delay(between=faults.between(one, other), round_trip=trip, loss=part)
        ),
    )


@app.command()
def shrink(
    one: One,
    other: Other,
    size: Annotated[int, typer.Argument(metavar="BYTES", help="The largest IP packet that passes.")],
    blackhole: Annotated[
        bool, typer.Option("--blackhole", help="Lose larger packets in silence; ICMP answers them without.")
    ] = False,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Lower the MTU of the path between two regions.

    Examples:
        isthmus lab fault shrink west east 1400 --name net
        isthmus lab fault shrink west east 1400 --blackhole --name net
    """
    from isthmus.lab.faults import deeds, making

    _make(
        name,
        form,
        dry_run,
        lambda faults: making.Step(
            deed=deeds.Shrink(between=faults.between(one, other), mtu=size, is_silent=blackhole)
        ),
    )


@app.command()
def kill(
    cluster: Cluster,
    program: Program,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Kill a program without a word (SIGKILL).

    A program of the control plane (etcd, kube-apiserver, ...) stays dead until it is healed. What runs on
    nodes (kubelet, containerd, and in pods agent, operator, clustermesh-apiserver, mesh-etcd, kvstoremesh,
    relay, coredns, istiod, or any other by the name of its process) is started again by what started it.

    Examples:
        isthmus lab fault kill west apiserver
        isthmus lab fault kill west mesh-etcd --name net
    """
    _make(name, form, dry_run, lambda faults: faults.killed(cluster, program))


@app.command()
def node(
    cluster: Cluster,
    machine: Annotated[str, typer.Argument(metavar="NODE", help="A node of the cluster.")],
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Kill a node with everything on it, as a power cut does. Its disk is kept.

    Examples:
        isthmus lab fault node west west-node-1 --name net
    """
    _make(name, form, dry_run, lambda faults: faults.killed_node(cluster, machine))


@app.command()
def freeze(
    cluster: Cluster,
    program: Program,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Stop a program, or all of a node, where it stands: connections stay open and nothing answers.

    Examples:
        isthmus lab fault freeze west etcd
        isthmus lab fault freeze west west-node-1 --name net
    """
    _make(name, form, dry_run, lambda faults: faults.frozen(cluster, program))


@app.command()
def thaw(
    cluster: Cluster,
    program: Program,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Let a frozen program run on.

    Examples:
        isthmus lab fault thaw west etcd
    """
    from isthmus.lab.faults import deeds

    def meant(faults: making.Faults) -> list[deeds.Fault]:
        found = [
            each
            for each in faults.all
            if isinstance(each.deed, deeds.Freeze)
            and (each.deed.cluster, each.deed.program) == (cluster, faults.name(cluster, program))
        ]
        if not found:
            raise errors.InputError(
                f"{program} was not frozen by a fault",
                where=cluster,
                remedy=f"isthmus lab fault list --name {name}",
            )
        return found

    _heal(name, form, dry_run, meant)


@app.command()
def expire(
    cluster: Cluster,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="NAMESPACE/NAME of a Secret, a node, or one of apiserver, etcd, apiserver-etcd, "
            "kubelet-client, controller-manager, scheduler, kwok.",
        ),
    ],
    authority: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Certificate and key of the authority (PEM)."),
    ] = None,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Let a certificate run out: the same key, names and issuer, ended an hour ago.

    That takes the key of its authority: the lab has its own, charts and cert-manager leave theirs in a
    Secret of the same namespace, any other is named by --ca. Whoever has read the certificate goes on with
    it until it reads anew; a kubelet brings a changed Secret into pods within about a minute.

    Examples:
        isthmus lab fault expire west west-node-1 --name net
        isthmus lab fault expire west kube-system/clustermesh-apiserver-server-cert --name net
        isthmus lab fault expire west shop/server --ca ca.pem --name net
    """
    _make(name, form, dry_run, lambda faults: faults.expired(cluster, what, authority=authority))


@app.command("rotate-ca")
def rotate_ca(
    cluster: Cluster,
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Give the API server of a cluster another authority, with no time in which both are trusted.

    Whoever kept a copy of the kubeconfig is refused and refuses. The authorities of ClusterMesh and of Istio
    are not the lab's: whoever made them rotates them.

    Examples:
        isthmus lab fault rotate-ca west --name net
    """
    _make(name, form, dry_run, lambda faults: faults.rotated(cluster))


@app.command("list")
def list_(name: Name = LAB, form: Form = output.Output.TEXT, _verbose: Verbose = False) -> None:
    """Show the faults of a lab.

    Examples:
        isthmus lab fault list --name net -o json
    """
    from isthmus.lab import labs, status

    found = status.faults(labs.get(name))
    if form is not output.Output.TEXT:
        output.emit({"lab": name, "faults": found}, form)
        return
    if not found:
        typer.echo(f"lab {name}: no fault")
    for line in lines(found):
        typer.echo(line)


@app.command()
def heal(
    which: Annotated[
        str, typer.Argument(metavar="[ID]", help="A fault's id, or all.", autocompletion=_ids)
    ] = "all",
    name: Name = LAB,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Take a fault back, or all of them: the lab is again as it was planned.

    Examples:
        isthmus lab fault heal --name net
        isthmus lab fault heal cut-1 --name net
    """

    def meant(faults: making.Faults) -> list[deeds.Fault]:
        found = [each for each in reversed(faults.all) if which.lower() in {"all", each.id}]
        if not found and which.lower() != "all":
            known = ", ".join(each.id for each in faults.all) or "there is none"
            raise errors.InputError(
                f"the lab {name} has no fault {which!r}", why=f"faults: {known}", remedy="name one, or all"
            )
        return found

    _heal(name, form, dry_run, meant)


def lines(found: list[dict[str, Any]]) -> list[str]:
    """Return faults as lines of a table."""
    from isthmus.render import table

    rows = [(each["id"], each["state"], each["since"], each["what"]) for each in found]
    return list(table.columns(rows, ("fault", "state", "since", "what"))) if rows else []


def _make(
    name: str, form: output.Output, dry_run: bool, planned: Callable[[making.Faults], making.Step]
) -> None:
    from isthmus.lab import labs, status
    from isthmus.lab.faults import deeds, making

    with labs.held(name) as (lab, lock):
        faults = making.Faults(lab, lock)
        step = planned(faults)
        faults.check(step.deed)
        made = None if dry_run else faults.make(step)
        state = faults.state(made) if made else "planned"
    shown = status.fault(name, made or deeds.Fault(id="", since="", deed=step.deed), state)
    if form is not output.Output.TEXT:
        output.emit({"lab": name, "dryRun": dry_run, "fault": shown, "notes": list(step.notes)}, form)
        return
    typer.echo(f"{'would be: ' if dry_run else ''}{shown['what']}")
    for note in step.notes:
        typer.echo(f"  {note}")
    if made:
        typer.echo(f"  heal it:  {shown['heal']}")


def _heal(
    name: str, form: output.Output, dry_run: bool, meant: Callable[[making.Faults], list[deeds.Fault]]
) -> None:
    from isthmus.lab import labs, status

    with labs.held(name) as (lab, lock):
        from isthmus.lab.faults import making

        faults = making.Faults(lab, lock)
        found = meant(faults)
        shown = [status.fault(name, each, "in force" if dry_run else "healed") for each in found]
        if not dry_run:
            faults.heal_these(found)
    if form is not output.Output.TEXT:
        output.emit({"lab": name, "dryRun": dry_run, "faults": shown}, form)
        return
    for each in shown:
        typer.echo(f"{'would heal' if dry_run else 'healed'} {each['id']}: {each['what']}")
    if not shown:
        typer.echo(f"lab {name}: no fault to heal")


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s)", text.strip())
    if not match or float(match[1]) * _UNITS[match[2]] > 60:
        raise errors.InputError(f"{text!r} is no time up to 60 s", remedy="write it as 60ms or 1.5s")
    return float(match[1]) * _UNITS[match[2]]


def _part(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    part = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= part <= 1:
        raise errors.InputError(f"{text!r} is no part of all packets", remedy="write it as 1% or 0.01")
    return part
