"""How the verbs of `connect` run: read and plan the folder, open the clusters, call the engine, show it.

Where authorities lie is in `keys`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import typer

from isthmus.cli import keys, output, places, running
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

    from isthmus.engine import world as worlds
    from isthmus.engine.connect import draft as drafts
    from isthmus.model import app, operation
    from isthmus.model import fleet as fleets
    from isthmus.model import plan as plans
    from isthmus.network import plan as networks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A Fleet with its plan of addresses, and what an operation on its network is about."""

    made: networks.Plan
    about: places.Place
    folder: Path

    @property
    def fleet(self) -> fleets.Fleet:
        """The Fleet."""
        return self.made.source.fleet


def find(folder: Path, form: output.Output = output.Output.TEXT) -> Place:
    """Read and plan the folder; what is wrong with the plan is never installed."""
    from isthmus.cli import connection
    from isthmus.network import plan as networks

    parsed = output.read_or_leave(folder, form)
    assert parsed.folder is not None
    output.print_findings(parsed.findings)
    made = networks.plan(parsed.folder)
    wrong = [each for each in made.findings if each.severity is finding.Severity.ERROR]
    if wrong:
        output.refuse(wrong, form)
    return Place(made=made, about=_about(parsed.folder.fleet, folder), folder=connection.folder_of(folder))


def place_of(folder: Path, contexts: Sequence[str] | None) -> places.Place:
    """Return what an operation on the network is about, from the folder or from contexts alone."""
    if contexts:
        return places.find(folder, "/".join(_names()), contexts)
    read = output.load_folder(folder)
    if read.fleet is None:
        raise errors.InputError(
            "the folder has no Fleet", where=str(folder), remedy="isthmus init writes one"
        )
    return _about(read.fleet, folder)


async def diff(
    place: Place,
    *,
    only: str | None,
    ca: Path | None,
    adopt: bool,
    form: output.Output,
    save: Path | None = None,
) -> plans.Plan:
    """Draft an `up`, show it, leave on errors; pin its bundles and save the plan where asked."""
    from isthmus.cli import connection, planfile
    from isthmus.engine import draft as pinning

    found = keys.prepare(place, ca, form)
    async with connection.opened(place.about.voters, with_helm=True) as world:
        made = await _draft(world, place, found, only=only, adopt=adopt)
        if save is not None and not finding.has_errors(made.draft.plan.findings):
            found.keep()  # what is pinned is signed by it
            await pinning.pin(world, made.draft)
            planfile.write(save, made.draft.plan)
    show(made, form)
    running.leave_on_errors(made.draft.plan)
    return made.draft.plan


async def up(
    place: Place, ways: running.Ways, *, only: str | None, ca: Path | None, adopt: bool
) -> operation.Operation | None:
    """Draft an `up`, show it, ask, keep a new authority, and run it."""
    from isthmus.cli import connection
    from isthmus.engine import operations

    found = keys.prepare(place, ca, ways.form)
    async with connection.opened(place.about.voters, with_helm=True) as world:
        if not (ways.dry_run or ways.wait):
            await operations.refuse_owned(world, place.about.voters, *_names())
        if ways.form is output.Output.TEXT:
            typer.echo(f"asking {len(place.fleet.clusters)} clusters…", err=True)
        made = await _draft(world, place, found, only=only, adopt=adopt)
        return await running.start(
            world, made.draft, ways, show=lambda _, form: show(made, form), first=found.keep
        )


async def down(
    place: Place, ways: running.Ways, *, only: str | None, adopt: bool
) -> operation.Operation | None:
    """Draft a `down`, show it, ask, and run it."""
    from isthmus.cli import connection
    from isthmus.engine import operations
    from isthmus.engine.connect import draft as drafts

    async with connection.opened(place.about.voters, with_helm=True) as world:
        if not (ways.dry_run or ways.wait):
            await operations.refuse_owned(world, place.about.voters, *_names())
        made = await drafts.down(world, place.fleet, only=place.about.pick(only), adopt=adopt)
        return await running.start(world, made.draft, ways, show=lambda _, form: show(made, form))


async def status(
    folder: Path, contexts: Sequence[str] | None, *, only: str | None, ca: Path | None
) -> dict[str, Any]:
    """Return how the network stands, in the public form."""
    from isthmus.cli import connection
    from isthmus.engine.connect import outside as outsides
    from isthmus.engine.connect import services as asking
    from isthmus.engine.connect import status as statuses
    from isthmus.rollout.connect import services

    now = dt.datetime.now(dt.UTC)
    if contexts:
        known, about = _of_contexts(contexts), place_of(folder, contexts)
        apps: tuple[app.App, ...] = ()
        lacking = list[finding.Finding]()
        roots: tuple[x509.Certificate, ...] = ()
        istio_roots = roots
    else:
        place = find(folder)
        known, about, apps = place.fleet, place.about, place.made.source.apps
        lacking = keys.absent(place, ca)
        roots = keys.mesh_roots(place, ca)
        source = keys.istio_source(place, ca)
        istio_roots = source.roots if source is not None else ()
    chosen = about.pick(only) or about.clusters
    async with connection.opened(about.voters, with_helm=False) as world:
        found = await statuses.states(
            world, known, roots=roots, is_stated=not contexts, istio_roots=istio_roots
        )
        ran = await statuses.operation(world, about.voters)
        said = statuses.findings(world, known, found)
        seen = [(each, await asking.look(world, each, chosen)) for each in apps]
        out = await outsides.findings(world, known, apps, chosen)
    shown = {name: one for name, one in found.items() if name in chosen}
    told = [*lacking, *(each for each in said if each.cluster in shown)]
    told += [*out, *(each for one, at in seen for each in services.judge(one, at))]
    return {
        "fleet": None if contexts else known.name,
        "authority": _authority(roots[0]) if roots else None,
        **ran,
        "clusters": [one.to_json(now) for one in shown.values()],
        "services": [row for each, one in seen for row in services.rows(each, one)],
        "findings": [each.to_json() for each in told],
    }


def exit_of(body: dict[str, Any]) -> errors.Exit:
    """Return the exit code of a status: 3 where a cluster is silent, 1 where something is wrong."""
    if body["error"] or any(each["error"] for each in body["clusters"]):
        return errors.Exit.UNREACHABLE
    wrong = any(each["severity"] == finding.Severity.ERROR.value for each in body["findings"])
    return errors.Exit.FAILED if wrong else errors.Exit.DONE


def show(made: drafts.Connected, form: output.Output) -> None:
    """Print the plan, the values that change, and what is to say."""
    plan = made.draft.plan
    if form is not output.Output.TEXT:
        output.emit(
            {**plan.to_json(), "digest": plan.digest, "values": [each.to_json() for each in made.values]},
            form,
        )
        return
    from isthmus.render import connect as render

    text = render.values_text(made.values, width=running.width())
    if text:
        typer.echo(text + "\n")
    running.show_plan(plan, form)


async def _draft(
    world: worlds.World, place: Place, found: keys.Keys, *, only: str | None, adopt: bool
) -> drafts.Connected:
    from isthmus.engine.connect import draft as drafts
    from isthmus.engine.connect import outside as outsides

    made = await drafts.up(
        world,
        place.made,
        folder=place.folder,
        signing=drafts.Signing(by=found.signer, istio=found.istio),
        only=place.about.pick(only),
        adopt=adopt,
    )
    plan = made.draft.plan
    said = found.findings if not plan.is_empty else ()
    chosen = place.about.pick(only) or place.about.clusters
    apps = place.made.source.apps
    said = (*said, *await _strong(world, plan), *await outsides.findings(world, place.fleet, apps, chosen))
    told = dataclasses.replace(plan, findings=(*plan.findings, *said))
    return dataclasses.replace(made, draft=dataclasses.replace(made.draft, plan=told))


async def _strong(world: worlds.World, plan: plans.Plan) -> tuple[finding.Finding, ...]:
    """Return that an operation runs with all rights of whoever starts it, where it need not."""
    from isthmus.engine import account
    from isthmus.engine import world as worlds

    names = tuple(step.cluster for step in plan.steps if not step.is_kept)
    used = await worlds.each(names, lambda name: account.is_used(world.cluster(name)))
    strong = [name for name, each in used.items() if each is False]
    if not strong:
        return ()
    return (
        finding.Finding(
            code="own-rights",
            severity=finding.Severity.INFO,
            kind="Fleet",
            message=f"this runs in {', '.join(strong[:3])}"
            + (f" and {len(strong) - 3} more" if len(strong) > 3 else "")
            + " with your own rights and a cluster-admin account, not with those that it needs",
            remedy="isthmus account up makes an account with few rights; isthmus account kubeconfig FILE "
            "lets you work as it",
        ),
    )


def _about(known: fleets.Fleet, folder: Path) -> places.Place:
    from isthmus.cli import connection
    from isthmus.rollout import plan as rollouts
    from isthmus.rollout.connect import system

    return places.Place(
        namespace=system.NAMESPACE,
        app=system.NAME,
        release=system.NAME,
        voters=rollouts.voters(known),
        clusters=tuple(each.name for each in known.clusters),
        folder=connection.folder_of(folder),
        wanted=system.shell(known),
        fleet=known,
    )


def _names() -> tuple[str, str]:
    from isthmus.rollout.connect import system

    return system.NAMESPACE, system.NAME


def _of_contexts(contexts: Sequence[str]) -> fleets.Fleet:
    """Return a Fleet that stands for contexts alone: what it says of them is not looked at."""
    from isthmus.model import document
    from isthmus.model import fleet as fleets

    clusters = tuple(
        fleets.Cluster.model_construct(name=name, id=number, context=name, nodes=1, network=None)
        for number, name in enumerate(contexts, start=1)
    )
    spec = fleets.FleetSpec.model_construct(clusters=clusters)
    return fleets.Fleet.model_construct(metadata=document.FleetMetadata(name="contexts"), spec=spec)


def _authority(found: x509.Certificate) -> dict[str, Any]:
    from isthmus.mesh.trust import authority

    return {
        "key_id": authority.key_id(found),
        "ends": f"{found.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
