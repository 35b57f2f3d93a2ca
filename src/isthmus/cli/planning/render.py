"""`isthmus plan render`: the plan as the files that other tools take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from isthmus.render.files import request, targets


def render(
    target: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TARGET]...", help="What to render; none lists the targets."),
    ] = None,
    source: reading.Source = Path(),
    only: reading.Only = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Write files here instead of printing them.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="ROLE.CLUSTER=ADDRESS",
            help="An address that exists once a cluster stands; ROLE: mesh, pilot, gateway, dns. Repeat it.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which files would be written, and write none.")
    ] = False,
    _verbose: reading.Verbose = False,
) -> None:
    """Render the plan for other tools: Helm values, Terraform variables, cloud commands and more.

    The same folder gives the same bytes. Each target has a folder of its own below --to; files that are not
    of the target stay. Exits 1 when the plan has an error, 2 for what does not apply to this Fleet.

    Examples:
        isthmus plan render
        isthmus plan render cilium --only west
        isthmus plan render cilium istio terraform -f shop --to rendered
    """
    from isthmus.render.files import targets

    names = tuple(target or ())
    if not names:
        _list(targets.TARGETS)
        return
    for name in names:
        targets.find(name)  # before the folder is read: a slip of the pen costs nothing
    _apart(source, to)
    files = targets.render(names, _wish(source, only, at or []))
    if to is not None:
        _write(to, files, is_dry=dry_run)
    elif dry_run:
        for name in files:
            typer.echo(name)
    else:
        _print(files)


def _list(known: Mapping[str, targets.Target]) -> None:
    width = max(len(name) for name in known)
    for name, each in known.items():
        typer.echo(f"{name.ljust(width)}  {each.line}")


def _apart(source: Path, to: Path | None) -> None:
    """Refuse to write where the next command would read the files as documents of the Fleet."""
    from isthmus.clients import files as disk

    if to is None or not disk.is_folder(source) or not to.resolve().is_relative_to(source.resolve()):
        return
    below = to.resolve().relative_to(source.resolve())
    if not any(part.startswith(".") for part in below.parts):  # hidden folders are not read
        raise errors.InputError(
            "the files would lie in the folder that is read, which holds documents of the Fleet alone",
            where=str(to),
            remedy="write them beside it, `--to ../rendered`, or into a hidden folder, `--to .rendered`",
        )


def _wish(source: Path, only: str | None, at: list[str]) -> request.Request:
    """Read and plan the folder, or leave with 1 when the plan is wrong: what is wrong is never rendered."""
    from isthmus.render.files import request

    found = reading.read(source, only, output.Output.TEXT)
    wrong = [each for each in found.plan.findings if each.severity is finding.Severity.ERROR]
    if wrong:
        output.print_findings(wrong)
        plural = "s" if len(wrong) > 1 else ""
        typer.echo(f"nothing is rendered: the plan has {len(wrong)} error{plural}", err=True)
        raise typer.Exit(int(errors.Exit.FAILED))
    return request.Request(
        plan=found.plan,
        only=frozenset(each.cluster.name for each in found.clusters),
        at=request.places(at, [each.name for each in found.folder.fleet.clusters]),
    )


def _print(files: Mapping[str, str]) -> None:
    """Print one file as it is, and several with their names between them."""
    if len(files) == 1:
        typer.echo(next(iter(files.values())), nl=False)
        return
    for name, text in files.items():
        # A line of dashes keeps YAML apart for whoever pipes it on.
        typer.echo("---" if name.endswith(".yaml") else "", nl=name.endswith(".yaml"))
        typer.echo(f"# file: {name}")
        typer.echo(text, nl=False)


def _write(folder: Path, files: Mapping[str, str], *, is_dry: bool) -> None:
    """Write what is new or changed below the folder; nothing is ever deleted."""
    from isthmus.clients import files as disk

    counts = {"created": 0, "changed": 0, "unchanged": 0}
    for name, text in files.items():
        path = folder / name
        state = _state(path, text)
        counts[state] += 1
        if state == "unchanged":
            continue
        if not is_dry:
            disk.write_atomic(path, text, mode=0o755 if name.endswith(".sh") else 0o644)
        typer.echo(f"{state} {path}")
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    typer.echo(f"{'would be: ' if is_dry else ''}{told}")


def _state(path: Path, text: str) -> str:
    from isthmus.clients import files as disk

    if disk.is_folder(path):
        raise errors.InputError(
            "a folder stands where a file is to be written",
            where=str(path),
            remedy="name another folder with --to, or move that folder away",
        )
    if not disk.is_file(path):
        return "created"
    return "unchanged" if disk.read_bytes(path) == text.encode() else "changed"
