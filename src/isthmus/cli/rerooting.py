"""How `connect rotate --istio` runs: a new root for Istio in three operations, and between them the proxies.

Proxies learn roots from istiod, not from a Secret, so each is asked what it holds before the next operation
counts on it. A run that stops anywhere is gone on with by the next.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import typer

from isthmus.cli import connecting, keys, output, rotating, running
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.engine import world as worlds
    from isthmus.engine.connect import draft as drafts
    from isthmus.mesh.trust import signers
    from isthmus.model import operation
    from isthmus.rollout.connect import rotation


async def rotate(
    place: connecting.Place, ways: running.Ways, *, ca: Path | None, settle: float
) -> operation.Operation | None:
    """Run what is left of a rotation; return the last operation, None when nothing was left to do."""
    from isthmus.cli import connection
    from isthmus.engine import operations
    from isthmus.rollout.connect import istio, rotation

    if lacking := [*keys.absent(place, ca), *istio.rooted(place.fleet)]:
        output.refuse(lacking, ways.form)
    keys.refuse_elsewhere(place, ca)
    by = keys.mesh_signer(place, ca, ways.form)
    where = keys.root_folder(place, ca)
    both = rotating.pair(where, keys.root_name(place), below=1)
    first, ended = both.keep, None
    async with connection.opened(place.about.voters, with_helm=True) as world:
        await operations.refuse_owned(world, place.about.voters, place.about.namespace, place.about.app)
        for stage in await _remaining(world, place, both):
            if stage is not rotation.Stage.TRUST:
                await _proxies(world, place, both, _before(stage), settle)
            if ways.form is output.Output.TEXT:
                typer.echo(rotation.ROOT_SAID[stage], err=True)
            made = await _draft(world, place, by, both, stage)
            ran = await rotating.run(world, made, ways, first)
            ended, first = ran or ended, None
            if ran is not None and not rotating.is_whole(ran):
                return ran
        await _proxies(world, place, both, rotation.Stage.DROP, settle)
    both.finish()
    return ended


def _before(stage: rotation.Stage) -> rotation.Stage:
    """Return the stage whose effect another one counts on."""
    from isthmus.rollout.connect import rotation

    return rotation.STAGES[rotation.STAGES.index(stage) - 1]


async def _remaining(
    world: worlds.World, place: connecting.Place, both: rotating.Pair
) -> tuple[rotation.Stage, ...]:
    from isthmus.rollout.connect import istio, rotation

    seen = await rotating.states(world, place, both, is_root=True)
    found = []
    for each in istio.members(place.fleet):
        one = seen[each.name].istio
        if one is None or one.authority is None or one.authority.authority not in _ids(both):
            raise errors.ConflictError(
                "istiod of this cluster does not sign below the root that is to be replaced",
                where=each.name,
                remedy="isthmus connect up brings it there; then run this again",
            )
        found.append(one.authority)
    return rotation.remaining(found, old=both.old.key_id, new=both.new.key_id)


def _ids(both: rotating.Pair) -> tuple[str, str]:
    return both.old.key_id, both.new.key_id


async def _proxies(
    world: worlds.World,
    place: connecting.Place,
    both: rotating.Pair,
    stage: rotation.Stage,
    settle: float,
) -> None:
    """Wait until every proxy holds what has to hold after a stage."""
    from isthmus.engine.connect import proxies
    from isthmus.rollout.connect import istio, rotation

    what = rotation.PROXIES_SAID[stage]
    asked = await proxies.wait(
        world,
        tuple(each.name for each in istio.members(place.fleet)),
        functools.partial(rotation.behind, stage, old=both.old.certificate, new=both.new.certificate),
        what=what,
        seconds=settle,
        say=lambda text: typer.echo(text, err=True),
    )
    typer.echo(f"{what} ({asked} asked)" if asked else "no proxy runs in these clusters", err=True)


async def _draft(
    world: worlds.World,
    place: connecting.Place,
    by: signers.Signer,
    both: rotating.Pair,
    stage: rotation.Stage,
) -> drafts.Connected:
    from isthmus.engine.connect import draft as drafts
    from isthmus.mesh.trust import sources

    signer, also = both.signs(stage)
    signing = drafts.Signing(by=by, istio=sources.AtHand(root=signer, also=also))
    return await drafts.up(world, place.made, folder=place.folder, signing=signing)
