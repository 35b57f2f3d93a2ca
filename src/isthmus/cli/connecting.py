"""How the verbs of `connect` run: read and plan the folder, open the clusters, call the engine, show it.

The authority's key is read and kept here, through `clients`, and handed to the draft; it goes nowhere else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from isthmus.cli import output, places, running
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.engine import world as worlds
    from isthmus.engine.connect import draft as drafts
    from isthmus.mesh.trust import authority as authorities
    from isthmus.model import app, operation
    from isthmus.model import fleet as fleets
    from isthmus.model import plan as plans
    from isthmus.network import plan as networks

Keep = Callable[[], None]
NEXT = "next"
"""The folder inside it that keeps the authority which takes its place, while it does."""
TRUST = "trust"
"""The folder beside the Fleet that keeps the authority where no other is named."""
ROOT = "istio"
"""The folder inside it that keeps the root of Istio, which has authorities below itself."""


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
    """The authority that signs, and the folder to keep it in when it is new."""

    authority: authorities.Authority = dataclasses.field(repr=False)
    where: Path
    is_new: bool
    what: str = "certificate authority of the mesh"
    findings: tuple[finding.Finding, ...] = ()
    root: Keys | None = None
    """Those of Istio, where the Fleet asks for it."""

    def keep(self) -> None:
        """Write a new authority down, and say so."""
        if self.is_new:
            from isthmus.clients import keyfiles

            keyfiles.write(self.where, certificate=self.authority.pem, key=self.authority.key_pem)
            typer.echo(
                f"a new {self.what} lies in {self.where}; keep its key (ca.key) safe: "
                "whoever has it can join the mesh, and without it nothing can be issued",
                err=True,
            )
        if self.root is not None:
            self.root.keep()


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Let the engine's errors name this verb: it speaks of `deploy`, which runs the same operations."""
    try:
        yield
    except errors.IsthmusError as error:
        for field in ("what", "why", "remedy"):
            setattr(error, field, getattr(error, field).replace("isthmus deploy", "isthmus connect"))
        raise


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
        _refuse(wrong, form)
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
    place: Place, *, only: str | None, ca: Path | None, adopt: bool, form: output.Output
) -> plans.Plan:
    """Draft an `up`, show it, and leave on errors."""
    from isthmus.cli import connection

    keys = prepare(place, ca, form)
    async with connection.opened(place.about.voters, with_helm=True) as world:
        made = await _draft(world, place, keys, only=only, adopt=adopt)
    show(made, form)
    running.leave_on_errors(made.draft.plan)
    return made.draft.plan


async def up(
    place: Place, ways: running.Ways, *, only: str | None, ca: Path | None, adopt: bool
) -> operation.Operation | None:
    """Draft an `up`, show it, ask, keep a new authority, and run it."""
    from isthmus.cli import connection
    from isthmus.engine import operations

    keys = prepare(place, ca, ways.form)
    async with connection.opened(place.about.voters, with_helm=True) as world:
        if not (ways.dry_run or ways.wait):
            await operations.refuse_owned(world, place.about.voters, *_names())
        if ways.form is output.Output.TEXT:
            typer.echo(f"asking {len(place.fleet.clusters)} clusters…", err=True)
        made = await _draft(world, place, keys, only=only, adopt=adopt)
        return await running.start(
            world, made.draft, ways, show=lambda _, form: show(made, form), first=keys.keep
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
    from isthmus.engine.connect import services as asking
    from isthmus.engine.connect import status as statuses
    from isthmus.rollout.connect import services

    now = dt.datetime.now(dt.UTC)
    if contexts:
        known, about = _of_contexts(contexts), place_of(folder, contexts)
        apps: tuple[app.App, ...] = ()
        authority = following = root = None
    else:
        place = find(folder)
        known, about, apps = place.fleet, place.about, place.made.source.apps
        where = ca or place.folder / TRUST
        authority = read_authority(where, now)
        following = read_authority(where / NEXT, now) if authority else None
        own = read_authority(root_folder(place, ca), now, below=1)
        root = own.certificate if own is not None else None
    chosen = about.pick(only) or about.clusters
    async with connection.opened(about.voters, with_helm=False) as world:
        roots = [one.certificate for one in (authority, following) if one is not None]
        found = await statuses.states(world, known, roots=roots, is_stated=not contexts, istio_root=root)
        ran = await statuses.operation(world, about.voters)
        said = statuses.findings(world, known, found)
        seen = [(each, await asking.look(world, each, chosen)) for each in apps]
    shown = {name: one for name, one in found.items() if name in chosen}
    told = [each for each in said if each.cluster in shown]
    told += [each for one, at in seen for each in services.judge(one, at)]
    return {
        "fleet": None if contexts else known.name,
        "authority": None if authority is None else _authority(authority),
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


def prepare(place: Place, ca: Path | None, form: output.Output) -> Keys:
    """Return the authority, read or new, or leave saying what the Fleet lacks."""
    from isthmus.mesh.trust import authority as authorities
    from isthmus.rollout.connect import findings

    said = [each for each in findings.of_fleet(place.fleet) if each.severity is finding.Severity.ERROR]
    if said:
        _refuse(said, form)
    where, now = ca or place.folder / TRUST, dt.datetime.now(dt.UTC)
    found = read_authority(where, now)
    if found is not None and read_authority(where / NEXT, now) is not None:
        _refuse([_unfinished(where)], form)
    root = _root(place, ca, now)
    if found is not None:
        said = [*_open_key(where), *(root.findings if root else ())]
        return Keys(authority=found, where=where, is_new=False, findings=tuple(said), root=root)
    name = f"isthmus {place.fleet.name} clustermesh"
    made = authorities.create(name, random=os.urandom, now=now)
    said = [_new_key(where), *(root.findings if root else ())]
    return Keys(authority=made, where=where, is_new=True, findings=tuple(said), root=root)


def _root(place: Place, ca: Path | None, now: dt.datetime) -> Keys | None:
    """Return the root of Istio, read or new; None where the Fleet asks for no Istio."""
    from isthmus.mesh.trust import authority as authorities
    from isthmus.rollout.connect import istio

    if not istio.members(place.fleet):
        return None
    where = root_folder(place, ca)
    found = read_authority(where, now, below=1)
    if found is not None:
        return Keys(authority=found, where=where, is_new=False, findings=tuple(_open_key(where)))
    made = authorities.create(f"isthmus {place.fleet.name} istio root", random=os.urandom, now=now, below=1)
    what = "root of Istio"
    return Keys(authority=made, where=where, is_new=True, what=what, findings=(_new_key(where, what),))


def root_folder(place: Place, ca: Path | None) -> Path:
    """Return where the root of Istio lies: inside the authority's folder, or inside `trust`."""
    from isthmus.clients import files

    return (place.folder / TRUST if ca is None or files.is_file(ca) else ca) / ROOT


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
    world: worlds.World, place: Place, keys: Keys, *, only: str | None, adopt: bool
) -> drafts.Connected:
    from isthmus.engine.connect import draft as drafts

    made = await drafts.up(
        world,
        place.made,
        folder=place.folder,
        signing=drafts.Signing(
            authority=keys.authority, root=keys.root.authority if keys.root is not None else None
        ),
        only=place.about.pick(only),
        adopt=adopt,
    )
    plan = made.draft.plan
    said = keys.findings if not plan.is_empty else ()
    told = dataclasses.replace(plan, findings=(*plan.findings, *said))
    return dataclasses.replace(made, draft=dataclasses.replace(made.draft, plan=told))


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


def folder_of(place: Place, ca: Path | None) -> Path:
    """Return the folder of the authority; one that lies in a single file cannot be replaced by a verb."""
    from isthmus.clients import files

    where = ca or place.folder / TRUST
    if files.is_file(where):
        raise errors.InputError(
            "an authority in one file is not replaced here",
            where=str(where),
            remedy="put it into a folder as ca.crt and ca.key: --ca DIR",
        )
    return where


def read_authority(where: Path, now: dt.datetime, *, below: int = 0) -> authorities.Authority | None:
    """Return the authority that lies there, None where there is none yet."""
    from isthmus.clients import keyfiles
    from isthmus.mesh.trust import authority as authorities

    pair = keyfiles.read(where)
    if pair is None:
        return None
    return authorities.load(pair.certificate, pair.key, where=pair.where, now=now, below=below)


def _authority(found: authorities.Authority) -> dict[str, Any]:
    return {"key_id": found.key_id, "ends": f"{found.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"}


def _open_key(where: Path) -> Iterator[finding.Finding]:
    from isthmus.clients import keyfiles

    pair = keyfiles.read(where)
    if pair is not None and pair.is_open:
        yield finding.Finding(
            code="key-readable",
            severity=finding.Severity.WARNING,
            message="others on this machine can read the authority's key",
            remedy=f"chmod 600 {pair.where}",
            file=pair.where,
        )


def _unfinished(where: Path) -> finding.Finding:
    return finding.Finding(
        code="rotation-unfinished",
        severity=finding.Severity.ERROR,
        message=f"a new authority lies in {where / NEXT}, and not every cluster has gone over to it",
        remedy="isthmus connect rotate brings it to its end",
    )


def _new_key(where: Path, what: str = "authority of the mesh") -> finding.Finding:
    return finding.Finding(
        code="new-authority",
        severity=finding.Severity.INFO,
        message=f"a new {what} will be made in {where}; its key goes to no cluster",
        remedy="to use one that you have: --ca DIR with ca.crt and ca.key",
    )


def _refuse(said: Sequence[finding.Finding], form: output.Output) -> None:
    if form is output.Output.TEXT:
        output.print_findings(said)
    else:
        output.emit({"findings": [each.to_json() for each in said]}, form)
    raise typer.Exit(int(errors.Exit.FAILED))
