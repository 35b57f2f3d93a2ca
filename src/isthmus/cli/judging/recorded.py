"""`isthmus access simulate` and `recommend`: recorded flows against policies, and intents from them."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output, running
from isthmus.cli.judging import reading
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from isthmus.model import flow


class By(StrEnum):
    """How far a recommended intent may generalise."""

    LABEL = "label"
    ACCOUNT = "account"
    NAMESPACE = "namespace"


Flows = Annotated[
    list[str],
    typer.Option(
        "--flows",
        metavar="FILE|-",
        help="Flows as JSON lines of Hubble: files of its exporter, or `hubble observe -o jsonpb`.",
    ),
]
Folder = Annotated[
    Path | None, typer.Option("--file", "-f", help="Judge by what the intents of this folder come to.")
]


def simulate(
    flows: Flows,
    manifests: reading.Manifests = None,
    folder: Folder = None,
    cilium: reading.Cilium = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when a flow that passed would be dropped.")
    ] = False,
    form: reading.Form = output.Output.TEXT,
    _verbose: reading.Verbose = False,
) -> None:
    """Say which recorded flows would fare otherwise under other policies: dropped by whom, how often.

    The policies are those of --manifests, or what the intents of -f come to; they stand for all there are.

    Examples:
        hubble observe --last 10000 -o jsonpb | isthmus access simulate --flows - -f shop
        isthmus access simulate --flows flows.jsonl --manifests policies
    """
    from isthmus.policy.recorded import replay
    from isthmus.render import recorded as render

    read = _of_folder(folder) if folder is not None else reading.read(manifests, None, cilium)
    found = replay.replay(_flows(flows), read.world)
    if form is output.Output.TEXT:
        typer.echo(render.replayed(found, width=running.width()))
    else:
        output.emit(render.replayed_json(found), form)
    output.print_findings(reading.all_findings(read))
    lost = any(each.after is not each.before and not each.decision.is_allowed for each in found.changes)
    raise typer.Exit(int(errors.Exit.FAILED if exit_code and lost else errors.Exit.DONE))


def recommend(
    flows: Flows,
    by: Annotated[
        By, typer.Option("--by", help="What names an end: a label, its account, its namespace.")
    ] = By.LABEL,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY", help="Name ends by this label; repeatable.")
    ] = None,
    spans_clusters: Annotated[
        bool, typer.Option("--any-cluster", help="Intents of all clusters, not of those seen alone.")
    ] = False,
    form: reading.Form = output.Output.TEXT,
    _verbose: reading.Verbose = False,
) -> None:
    """Write the least intents that cover the flows which passed, and say what they leave out.

    The documents go to standard output, ready for the folder; look at them, then `access simulate` them on
    flows of another day. Policies in Cilium's audit mode (`policyAuditMode`) drop nothing meanwhile.

    Examples:
        isthmus access recommend --flows flows.jsonl > shop/access.yaml
        isthmus access recommend --flows flows.jsonl --by namespace
    """
    from isthmus.policy.recorded import recommend as recommending
    from isthmus.render import recorded as render

    found = recommending.recommend(
        _flows(flows),
        by=recommending.By(by.value),
        keys=tuple(label or ()),
        spans_clusters=spans_clusters,
    )
    if form is not output.Output.TEXT:
        output.emit(render.recommended_json(found), form)
        return
    typer.echo(render.documents(found), nl=False)
    for line in render.coverage(found, width=running.width()):
        typer.echo(line, err=True)


def _of_folder(folder: Path) -> reading.Read:
    """Return a world that has the objects of a folder's intents and nothing else."""
    from isthmus.cli import enforcing
    from isthmus.policy import world

    compiled = enforcing.find(folder).compiled
    objects = {name: tuple(map(world.Object, each)) for name, each in compiled.objects.items()}
    return reading.assembled(objects, (), None)


def _flows(paths: Iterable[str]) -> Iterator[flow.Flow]:
    from isthmus.policy.recorded import replay

    for path in paths:
        try:
            yield from replay.read(_lines(path))
        except ValueError as error:
            raise errors.InputError(
                "the flows cannot be read",
                where="(standard input)" if path == "-" else path,
                why=str(error),
                remedy="give what `hubble observe -o jsonpb` prints, one flow a line",
            ) from error


def _lines(path: str) -> Iterable[str]:
    if path == "-":
        return sys.stdin
    from isthmus.clients import files

    return files.read_text(Path(path)).splitlines()
