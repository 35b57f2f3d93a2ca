"""`isthmus connect verify`: proves from probe pods what the mesh lets through, cluster by cluster.

It reads the folder, calls the engine and prints; what an answer proves is judged in `rollout/connect/proof`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import border, connecting, output, running
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.cli import proving
    from isthmus.engine.connect import verify as engine
    from isthmus.rollout.connect.proof import judge, objects, questions

COLOURS = {"ok": typer.colors.GREEN, "not-proved": typer.colors.YELLOW, "failed": typer.colors.RED}


def verify(
    folder: Annotated[Path, typer.Option("--file", "-f", help="Folder or file with the Fleet.")] = Path(),
    only: Annotated[str | None, typer.Option("--only", help="Only these clusters, comma-separated.")] = None,
    image: Annotated[
        str, typer.Option("--image", help="The probe's image; by default the one that labs have.")
    ] = "",
    throughput: Annotated[
        float,
        typer.Option(
            "--throughput",
            min=0,
            max=60,
            metavar="SECONDS",
            help="Also send a stream for so long, pair by pair.",
        ),
    ] = 0.0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the probes; the next run takes them over.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be made and asked, and stop.")
    ] = False,
    form: Annotated[
        output.Output, typer.Option("--output", "-o", help="Form of the output.")
    ] = output.Output.TEXT,
    _verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")
    ] = False,
) -> None:
    """Prove from pods in every cluster that they reach every other one, by IP and by name.

    Two pods and a few Services are made in namespace isthmus-probe of each cluster, where Istio is on also in
    isthmus-probe-mesh with sidecars, and removed at the end.

    Examples:
        isthmus connect verify -f shop
        isthmus connect verify -f shop --only west,east -o json
        isthmus connect verify -f shop --throughput 5
        isthmus connect verify -f shop --image registry.example/probe:v1
    """
    with running.told("connect"):
        run = _prepared(folder, only, image, throughput, form)
        if dry_run:
            _show_dry(run.wanted, run.asked, form)
            raise typer.Exit(int(errors.Exit.DONE))
        found = _until_interrupted(run, keep=keep, form=form)
    _show(body(run.place.fleet.name, run.wanted, found, run.uncovered), form)
    raise typer.Exit(int(found.exit))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Run:
    """What a run is about: the Fleet, the probes, and what they are asked."""

    place: connecting.Place
    wanted: objects.Probes
    asked: tuple[questions.Question, ...]
    uncovered: tuple[tuple[str, str], ...]


def _prepared(folder: Path, only: str | None, image: str, stream: float, form: output.Output) -> _Run:
    from isthmus.mesh import settings
    from isthmus.rollout.connect.proof import objects, questions

    place = connecting.find(folder, form)
    clusters = place.about.pick(only) or place.about.clusters
    wanted = objects.Probes(
        run=secrets.token_hex(4),
        image=image or objects.IMAGE,
        clusters=tuple(clusters),
        meshed=tuple(questions.mesh(place.fleet, clusters).domains),
        exports=settings.has_clusterset(place.fleet),
    )
    asked = questions.of(place.made, clusters, stream=stream)
    return _Run(place=place, wanted=wanted, asked=asked, uncovered=questions.uncovered(asked))


def _until_interrupted(run: _Run, *, keep: bool, form: output.Output) -> engine.Report:
    """Run to the end; Ctrl-C ends the questions, and what was made is taken away before this returns.

    The view ends last, so that it tells of the probes that go, and leaves the terminal as it was.
    """
    from isthmus.cli import proving

    try:
        with proving.shown(form, run.wanted.clusters, run.asked) as ears:
            return asyncio.run(_verify(run, ears, keep=keep))
    except KeyboardInterrupt:
        typer.echo("interrupted: the probes are taken away; what could not be is named above", err=True)
        raise SystemExit(border.INTERRUPTED) from None  # the border would say that what was done stays


async def _verify(run: _Run, ears: proving.Ears, *, keep: bool) -> engine.Report:
    from isthmus.cli import connection
    from isthmus.engine.connect import verify as engine

    known = run.place.fleet.clusters
    pairs = [(each.name, each.context) for each in known if each.name in run.wanted.clusters]
    async with connection.opened(pairs, with_helm=False) as world:
        return await engine.verify(world, run.wanted, run.asked, say=ears.say, hear=ears.hear, keep=keep)


def body(
    fleet: str, wanted: objects.Probes, found: engine.Report, uncovered: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """Return the public form of what was found, and of what was not asked."""
    return {
        "fleet": fleet,
        "image": wanted.image,
        "clusters": [
            {
                "cluster": name,
                **_trouble(found.absent.get(name)),
                "nodes": list(found.pairs[name].nodes) if name in found.pairs else [],
                "sidecars": _trouble(found.unmeshed.get(name)) if name in wanted.meshed else None,
                "left": found.left.get(name),
            }
            for name in wanted.clusters
        ],
        "cells": [each.to_json() for each in found.cells],
        "not_covered": [{"what": what, "why": why} for what, why in uncovered],
    }


def _trouble(found: errors.IsthmusError | None) -> dict[str, str | None]:
    """Return why a cluster has no probes and what to do; errors of rights speak of the verb `deploy`."""
    if found is None:
        return {"error": None, "remedy": None}
    remedy = found.remedy.replace("isthmus permissions deploy", "isthmus permissions connect verify")
    return {"error": found.brief, "remedy": remedy or None}


def _show(found: dict[str, Any], form: output.Output) -> None:
    if form is not output.Output.TEXT:
        output.emit(found, form)
        return
    from isthmus.render import verify as render

    paint = _paint if output.is_terminal() and not os.environ.get("NO_COLOR") else render.plain
    typer.echo(render.text(found, paint=paint, width=running.width()))


def _paint(text: str, state: judge.State) -> str:
    return typer.style(text, fg=COLOURS[state.value])


def _show_dry(wanted: objects.Probes, asked: tuple[questions.Question, ...], form: output.Output) -> None:
    from isthmus.rollout.connect.proof import objects

    found = {
        "image": wanted.image,
        "clusters": [
            {
                "cluster": name,
                "objects": objects.names((*objects.of(wanted, name), objects.policy(wanted))),
            }
            for name in wanted.clusters
        ],
        "questions": [
            {"from": each.source, "leg": each.leg.value, "to": list(each.targets)} for each in asked
        ],
    }
    if form is not output.Output.TEXT:
        output.emit(found, form)
        return
    from isthmus.render import verify as render

    typer.echo(render.dry_text(found, width=running.width()))
