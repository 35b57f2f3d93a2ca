"""`isthmus doctor`: finds what is wrong with the connectivity of a Fleet, each finding with its remedy.

It reads the folder, calls `doctor` and prints; what a sign means is judged in `analysis`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import border, output, running
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isthmus.doctor import diagnose

COLOURS = {"error": typer.colors.RED, "warning": typer.colors.YELLOW, "info": typer.colors.CYAN}


def doctor(
    folder: Annotated[Path, typer.Option("--file", "-f", help="Folder or file with the Fleet.")] = Path(),
    context: Annotated[
        list[str] | None, typer.Option("--context", help="Look at these contexts alone, without a folder.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", "--cluster", help="Only these clusters, comma-separated.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Send packets too, from pods that are made and removed again.")
    ] = False,
    image: Annotated[
        str, typer.Option("--image", help="The probe's image; by default the one that labs have.")
    ] = "",
    form: Annotated[
        output.Output, typer.Option("--output", "-o", help="Form of the output.")
    ] = output.Output.TEXT,
    fail_on: Annotated[
        output.FailOn, typer.Option("--fail-on", help="The least severity that exits 1.")
    ] = output.FailOn.ERROR,
    _verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")
    ] = False,
) -> None:
    """Find what is wrong across the clusters, and say what to do about each.

    It changes nothing. What could not be looked at is listed with the reason. Exits 0 without an error
    finding, 1 with one, 3 when a cluster is silent.

    Examples:
        isthmus doctor -f shop
        isthmus doctor -f shop --probe
        isthmus doctor --context west --context east -o json
    """
    fleet, wanted = _of_contexts(context, only) if context else _of_folder(folder, only, form)
    wanted = _with(wanted, probe=probe, image=image)
    try:
        found = asyncio.run(_run(wanted, _say(form)))
    except KeyboardInterrupt:
        typer.echo("interrupted: probes that were made are taken away", err=True)
        raise SystemExit(border.INTERRUPTED) from None  # the border would speak of an operation
    body = {"fleet": fleet, **found.to_json()}
    _show(body, form)
    raise typer.Exit(int(exit_of(found, fail_on)))


def exit_of(found: diagnose.Examined, fail_on: output.FailOn = output.FailOn.ERROR) -> errors.Exit:
    """Return 3 where a cluster is silent, 1 where a finding is severe enough, else 0."""
    if found.has_silent:
        return errors.Exit.UNREACHABLE
    return output.exit_code([each.finding for each in found.report.diagnoses], fail_on)


def _of_contexts(contexts: Sequence[str], only: str | None) -> tuple[None, diagnose.Wanted]:
    from isthmus.doctor import diagnose

    chosen = output.pick(contexts, only)
    return None, diagnose.Wanted(contexts={each: each for each in chosen})


def _of_folder(folder: Path, only: str | None, form: output.Output) -> tuple[str, diagnose.Wanted]:
    """Read and plan the folder; what is wrong with the plan is left to `plan check`."""
    from isthmus.analysis import snapshot
    from isthmus.doctor import diagnose
    from isthmus.mesh import settings
    from isthmus.network import plan as networks

    parsed = output.read_or_leave(folder, form)
    assert parsed.folder is not None
    known, made = parsed.folder.fleet, networks.plan(parsed.folder)
    names = output.pick([each.name for each in known.clusters], only)
    pairs = {pair.between: pair.pod_mtu for pair in made.paths.pairs}
    planned = snapshot.Planned(
        folder=str(folder),
        ids={each.name: each.id for each in known.clusters},
        mtu=made.paths.fleet_mtu if settings.uses_cilium(known) else None,
    )
    return known.name, diagnose.Wanted(
        contexts={each.name: each.context for each in known.clusters if each.name in names},
        planned=planned,
        pod_mtus=pairs | {(other, one): mtu for (one, other), mtu in pairs.items()},
    )


def _with(wanted: diagnose.Wanted, *, probe: bool, image: str) -> diagnose.Wanted:
    import dataclasses

    return dataclasses.replace(wanted, is_probing=probe, image=image)


async def _run(wanted: diagnose.Wanted, say: Callable[[str, str], None]) -> diagnose.Examined:
    from isthmus.cli import connection
    from isthmus.doctor import diagnose

    async with connection.opened(tuple(wanted.contexts.items()), with_helm=False) as world:
        return await diagnose.diagnose(world, wanted, say=say)


def _say(form: output.Output) -> Callable[[str, str], None]:
    """Return what tells a person at a terminal how it goes."""

    def say(cluster: str, words: str) -> None:
        if form is output.Output.TEXT and output.is_terminal():
            typer.echo(f"{cluster}: {words}", err=True)

    return say


def _show(body: dict[str, Any], form: output.Output) -> None:
    if form is not output.Output.TEXT:
        output.emit(body, form)
        return
    from isthmus.render import doctor as render

    paint = _paint if output.is_terminal() and not os.environ.get("NO_COLOR") else render.plain
    typer.echo(render.text(body, paint=paint, width=running.width()))


def _paint(text: str, severity: str) -> str:
    return typer.style(text, fg=COLOURS[severity])
