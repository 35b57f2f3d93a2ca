"""How `connect rotate` runs: one authority in the place of another, in three operations one after the other.

A run that stops anywhere is gone on with by the next: what is left is read from the clusters.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import typer

from isthmus.cli import connecting, output, running
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isthmus.engine import world as worlds
    from isthmus.engine.connect import draft as drafts
    from isthmus.mesh.trust import authority as authorities
    from isthmus.model import operation
    from isthmus.model import plan as plans
    from isthmus.rollout.connect import rotation


async def rotate(
    place: connecting.Place, ways: running.Ways, *, ca: Path | None, settle: float
) -> operation.Operation | None:
    """Run what is left of a rotation; return the last operation, None when nothing was left to do."""
    from isthmus.cli import connection
    from isthmus.clients import keyfiles
    from isthmus.engine import operations
    from isthmus.rollout.connect import istio, rotation

    where = connecting.folder_of(place, ca)
    old, new, first = _both(place, where)
    ended = None
    if istio.members(place.fleet):
        typer.echo(
            "this replaces the authority of ClusterMesh and Hubble alone; the root of Istio stays as it is",
            err=True,
        )
    async with connection.opened(place.about.voters, with_helm=True) as world:
        await operations.refuse_owned(world, place.about.voters, place.about.namespace, place.about.app)
        for stage in await _remaining(world, place, old, new):
            if ways.form is output.Output.TEXT:
                typer.echo(rotation.SAID[stage], err=True)
            made = await _draft(world, place, _signing(stage, old, new), settle=settle, stage=stage)
            ran = await running.start(world, made.draft, ways, show=_shows(made), first=first)
            ended, first = ran or ended, None
            if ran is not None and not _is_whole(ran):
                return ran
    keyfiles.swap(where, where / connecting.NEXT)
    typer.echo(f"the new authority lies in {where}; the old one's key is deleted", err=True)
    return ended


def _shows(made: drafts.Connected) -> Callable[[plans.Plan, output.Output], None]:
    return lambda _, form: connecting.show(made, form)


def _both(
    place: connecting.Place, where: Path
) -> tuple[authorities.Authority, authorities.Authority, connecting.Keep | None]:
    """Return the present authority, the new one, and what keeps that when it was made just now."""
    from isthmus.clients import keyfiles
    from isthmus.mesh.trust import authority as authorities

    now = dt.datetime.now(dt.UTC)
    old = connecting.read_authority(where, now)
    if old is None:
        raise errors.InputError(
            "there is no authority to take the place of",
            where=str(where),
            remedy="isthmus connect up makes one",
        )
    new = connecting.read_authority(where / connecting.NEXT, now)
    if new is not None:
        return old, new, None
    made = authorities.create(f"isthmus {place.fleet.name} clustermesh", random=os.urandom, now=now)
    return (
        old,
        made,
        lambda: keyfiles.write(where / connecting.NEXT, certificate=made.pem, key=made.key_pem),
    )


async def _remaining(
    world: worlds.World,
    place: connecting.Place,
    old: authorities.Authority,
    new: authorities.Authority,
) -> tuple[rotation.Stage, ...]:
    from isthmus.engine.connect import status
    from isthmus.rollout.connect import rotation

    seen = await status.states(world, place.fleet, roots=[old.certificate, new.certificate], is_stated=True)
    for one in seen.values():
        if one.error:
            raise errors.UnreachableError(
                "every cluster has to answer while an authority is replaced",
                where=one.cluster,
                why=one.error,
                remedy="bring it back, or take it out of the Fleet",
            )
    found = [each for one in seen.values() for each in one.certificates]
    return rotation.remaining(found, old=old.key_id, new=new.key_id)


def _signing(stage: rotation.Stage, old: authorities.Authority, new: authorities.Authority) -> drafts.Signing:
    from isthmus.engine.connect import draft as drafts
    from isthmus.rollout.connect import rotation

    if stage is rotation.Stage.TRUST:
        return drafts.Signing(authority=old, also=(new.certificate,))
    also = (old.certificate,) if stage is rotation.Stage.ISSUE else ()
    # The certificates that stand were signed by both while the stages go on: neither is a stranger.
    return drafts.Signing(authority=new, also=also)


async def _draft(
    world: worlds.World,
    place: connecting.Place,
    signing: drafts.Signing,
    *,
    settle: float,
    stage: rotation.Stage,
) -> drafts.Connected:
    from isthmus.engine.connect import draft as drafts
    from isthmus.rollout.connect import rotation

    waits = settle if stage is not rotation.Stage.DROP else 0.0
    return await drafts.up(world, place.made, folder=place.folder, signing=signing, settle=waits)


def _is_whole(ran: operation.Operation) -> bool:
    """Say whether every cluster has it: with one left behind the next stage would cut it off."""
    return str(ran.outcome) == "succeeded" and all(str(run.state) == "done" for run in ran.runs)
