"""How the verbs of `access` that change clusters run: intents compiled, then run as `deploy` runs an App."""

from __future__ import annotations

import dataclasses
from importlib import resources
from typing import TYPE_CHECKING

import typer

from isthmus.cli import output, places, running
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from isthmus.engine import world as worlds
    from isthmus.model import operation
    from isthmus.model import plan as plans
    from isthmus.policy.intents import compile as compiling


MOST = 20
"""Connections that a plan lists."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Enforced:
    """What a folder's intents come to, and what an operation on them is about."""

    about: places.Place
    compiled: compiling.Compiled
    unheld: tuple[finding.Finding, ...]


def find(path: Path, form: output.Output = output.Output.TEXT) -> Enforced:
    """Read the folder and compile its intents; InputError where it has none."""
    from isthmus.cli import connection
    from isthmus.policy.intents import compile as compiling
    from isthmus.policy.intents import holding
    from isthmus.rollout import access
    from isthmus.rollout import plan as plans

    parsed = output.read_or_leave(path, form)
    read = parsed.folder
    assert read is not None
    output.print_findings(parsed.findings)
    if not (read.accesses or read.apps):
        raise errors.InputError(
            "the folder has no Access and no App",
            where=str(path),
            remedy="write a document of kind Access: who (`from`) may reach what (`to`), and `allow` ports",
        )
    compiled = compiling.compile(read)
    chart = str(resources.files("isthmus") / "charts" / "access")
    about = places.Place(
        namespace=access.NAMESPACE,
        app=access.NAME,
        release=access.RELEASE,
        voters=plans.voters(read.fleet),
        clusters=tuple(each.name for each in read.fleet.clusters),
        folder=connection.folder_of(path),
        wanted=access.app(read.fleet, compiled.objects, chart=chart),
        fleet=read.fleet,
    )
    return Enforced(about=about, compiled=compiled, unheld=tuple(holding.findings(compiled.held)))


def place_of(path: Path, contexts: Sequence[str] | None) -> places.Place:
    """Return what an operation is about, from the folder or from contexts alone."""
    from isthmus.rollout import access

    if contexts:
        return places.find(path, f"{access.NAMESPACE}/{access.NAME}", contexts)
    return find(path).about


def show_objects(
    found: Enforced, clusters: Sequence[str], directory: Path | None, form: output.Output
) -> None:
    """Print the objects of some clusters or write them as files, and tell what holds nowhere."""
    from isthmus.render import access as render

    objects = {name: found.compiled.objects[name] for name in clusters}
    if directory is not None:
        from isthmus.clients import files

        for name, text in render.manifests(objects).items():
            files.write_atomic(directory / f"{name}.yaml", text)
            typer.echo(f"wrote {directory / name}.yaml")
    elif form is output.Output.TEXT:
        typer.echo("".join(render.manifests(objects).values()), nl=False)
    else:
        held = [each.to_json() for each in found.compiled.held if each.cluster in objects]
        output.emit({"clusters": {name: list(each) for name, each in objects.items()}, "held": held}, form)
        return
    output.print_findings(found.unheld)


def show_plan(found: Enforced, made: plans.Plan, form: output.Output) -> None:
    """Print a plan with what of the intents holds, and where."""
    if form is not output.Output.TEXT:
        held = [each.to_json() for each in found.compiled.held]
        output.emit({**made.to_json(), "digest": made.digest, "held": held}, form)
        return
    running.show_plan(made, form)
    output.print_findings(found.unheld)


def show_consequences(lines: Sequence[str]) -> None:
    """Print which connections open and close, the first ones and how many more."""
    for line in lines[:MOST]:
        typer.echo(line)
    rest = f" (the first {MOST} are listed)" if len(lines) > MOST else ""
    typer.echo(f"{len(lines)} connections change{rest}\n" if lines else "no connection changes\n")


def refuse_unheld(found: Enforced, form: output.Output, *, is_accepted: bool) -> None:
    """Leave with 1 where a part of an intent holds nowhere and nobody said that this is known."""
    if found.unheld and not is_accepted:
        refused = finding.Finding(
            code="not-accepted",
            severity=finding.Severity.ERROR,
            message="nothing is applied: parts of the intents hold nowhere",
            remedy="change them, or apply the rest with --accept-not-holding",
        )
        output.refuse([*found.unheld, refused], form)


async def up(
    found: Enforced, ways: running.Ways, *, only: str | None, before: Callable[[Sequence[str]], None]
) -> operation.Operation | None:
    """Draft an `up`, show it with what it opens and closes, ask, and run it."""
    from isthmus.cli import connection
    from isthmus.engine import draft as drafts
    from isthmus.engine import operations

    wanted, fleet, folder = found.about.both()
    chosen = found.about.pick(only)
    async with connection.opened(found.about.voters, with_helm=True) as world:
        if not (ways.dry_run or ways.wait):
            await operations.refuse_owned(world, found.about.voters, found.about.namespace, found.about.app)
        if ways.form is output.Output.TEXT:
            typer.echo(f"asking {len(chosen or found.about.clusters)} clusters…", err=True)
        draft = await drafts.up(world, wanted, fleet, folder=folder, only=chosen)
        if ways.form is output.Output.TEXT and not draft.plan.is_empty:
            before(await consequences(world, found, chosen or found.about.clusters))
        return await running.start(world, draft, ways, show=lambda made, form: show_plan(found, made, form))


async def consequences(world: worlds.World, found: Enforced, clusters: Sequence[str]) -> list[str]:
    """Return a line for each connection that the intents open or close beside what stands there now.

    Clusters that do not answer, and what may not be read, are told by the plan.
    """
    import asyncio

    from isthmus.clients import policed
    from isthmus.policy import rulebook
    from isthmus.policy import world as policies
    from isthmus.policy.intents import drift as drifts
    from isthmus.policy.manifests import cluster, enforcers
    from isthmus.policy.reach import diff, matrix
    from isthmus.render import connections

    asked = [name for name in clusters if name in world.clusters]
    answers = await asyncio.gather(
        *(policed.read(world.clusters[name]) for name in asked), return_exceptions=True
    )
    live = {
        name: [policies.Object(each) for each in answer[0]]
        for name, answer in zip(asked, answers, strict=True)
        if not isinstance(answer, BaseException)
    }
    made = {
        name: [*drifts.others(kept), *map(policies.Object, found.compiled.objects[name])]
        for name, kept in live.items()
    }
    settings = {name: enforcers.settings(name, [*live[name], *made[name]]) for name in live}

    def judged(objects: dict[str, list[policies.Object]]) -> matrix.Matrix:
        known, _ = cluster.read(objects, settings)
        return matrix.Matrix(known, rulebook.read_all(known))

    return [connections.change(each) for each in diff.changes(judged(live), judged(made))]


async def drift(found: Enforced, only: str | None) -> tuple[list[finding.Finding], dict[str, str]]:
    """Return what differs in each cluster from what the intents come to, and why some do not answer."""
    import asyncio

    from isthmus.cli import connection
    from isthmus.clients import policed
    from isthmus.policy import world
    from isthmus.policy.intents import drift as drifts
    from isthmus.policy.manifests import enforcers

    chosen = found.about.pick(only) or found.about.clusters
    said: list[finding.Finding] = []
    silent: dict[str, str] = {}
    pairs = [pair for pair in found.about.voters if pair[0] in chosen]
    async with connection.opened(pairs, with_helm=False) as opened:
        looks = [policed.read(each) for each in opened.clusters.values()]
        answers = await asyncio.gather(*looks, return_exceptions=True)
        names = tuple(opened.clusters)
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, errors.UnreachableError):
            silent[name] = answer.brief
        elif isinstance(answer, BaseException):
            raise answer
        else:
            live, refused = [world.Object(each) for each in answer[0]], answer[1]
            wanted = found.compiled.objects[name]
            settings = enforcers.settings(name, [*live, *map(world.Object, wanted)])
            said += refused
            said += drifts.findings(settings, live=live, wanted=wanted, guarded=drifts.guarded(wanted))
    return said, silent
