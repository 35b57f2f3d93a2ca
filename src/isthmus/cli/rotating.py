"""How `connect rotate` runs: one authority in the place of another, in three operations one after the other.

A run that stops anywhere is gone on with by the next: what is left is read from the clusters. That of
ClusterMesh is here, Istio's root in `rerooting`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING

import typer

from isthmus.cli import connecting, keys, output, running
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cryptography import x509

    from isthmus.engine import world as worlds
    from isthmus.engine.connect import draft as drafts
    from isthmus.mesh.trust import authority as authorities
    from isthmus.model import operation
    from isthmus.rollout.connect import rotation, state


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """The present authority and the one that takes its place, and what keeps it when it was made just now."""

    old: authorities.Authority = dataclasses.field(repr=False)
    new: authorities.Authority = dataclasses.field(repr=False)
    where: Path
    keep: keys.Keep | None

    @property
    def roots(self) -> list[x509.Certificate]:
        """Both certificates."""
        return [self.old.certificate, self.new.certificate]

    def signs(self, stage: rotation.Stage) -> tuple[authorities.Authority, tuple[x509.Certificate, ...]]:
        """Return who signs in a stage, and whom else everybody trusts in it."""
        from isthmus.rollout.connect import rotation

        signer, other = (self.old, self.new) if stage is rotation.Stage.TRUST else (self.new, self.old)
        # The certificates that stand were signed by both while the stages go on: neither is a stranger.
        return signer, () if stage is rotation.Stage.DROP else (other.certificate,)

    def finish(self) -> None:
        """Put the new authority where the old one lies, whose key is deleted."""
        from isthmus.clients import keyfiles

        keyfiles.swap(self.where, self.where / keys.NEXT)
        typer.echo(f"the new authority lies in {self.where}; the old one's key is deleted", err=True)


async def rotate(
    place: connecting.Place, ways: running.Ways, *, ca: Path | None, settle: float
) -> operation.Operation | None:
    """Run what is left of a rotation; return the last operation, None when nothing was left to do."""
    from isthmus.cli import connection
    from isthmus.engine import operations
    from isthmus.rollout.connect import istio, rotation

    if lacking := keys.absent(place, ca):
        output.refuse(lacking, ways.form)
    if keys.issuer_of(place, ca) is not None:
        raise errors.InputError(
            "the authority of the mesh is not replaced here: by `trust.clustermesh` cert-manager issues",
            remedy="docs/connect.md, `cert-manager`, has the steps",
        )
    both = pair(keys.where_of(place, ca), f"isthmus {place.fleet.name} clustermesh")
    first, ended = both.keep, None
    if istio.members(place.fleet):
        typer.echo(
            "this replaces the authority of ClusterMesh and Hubble alone; "
            "`isthmus connect rotate --istio` replaces the root of Istio",
            err=True,
        )
    async with connection.opened(place.about.voters, with_helm=True) as world:
        await operations.refuse_owned(world, place.about.voters, place.about.namespace, place.about.app)
        seen = await states(world, place, both)
        found = [each for one in seen.values() for each in one.certificates]
        for stage in rotation.remaining(found, old=both.old.key_id, new=both.new.key_id):
            if ways.form is output.Output.TEXT:
                typer.echo(rotation.SAID[stage], err=True)
            made = await _draft(world, place, _signing(stage, both), settle=settle, stage=stage)
            ran = await run(world, made, ways, first)
            ended, first = ran or ended, None
            if ran is not None and not is_whole(ran):
                return ran
    both.finish()
    return ended


async def run(
    world: worlds.World, made: drafts.Connected, ways: running.Ways, first: keys.Keep | None
) -> operation.Operation | None:
    """Show one operation, ask, and run it; None where nothing was left of it."""
    return await running.start(
        world, made.draft, ways, show=lambda _, form: connecting.show(made, form), first=first
    )


def pair(where: Path, name: str, *, below: int = 0, up: str = "connect up") -> Pair:
    """Return the authority in a folder and the one that takes its place, made where there is none yet.

    `up` is the verb that makes the first.
    """
    from isthmus.clients import keyfiles
    from isthmus.mesh.trust import authority as authorities

    where, now = keys.folder_of(where), dt.datetime.now(dt.UTC)
    old = keys.read_authority(where, now, below=below)
    if old is None:
        raise errors.InputError(
            "there is no authority to take the place of",
            where=str(where),
            remedy=f"isthmus {up} makes one",
        )
    new = keys.following(where, now, below=below)
    if new is not None:
        return Pair(old=old, new=new, where=where, keep=None)
    made = authorities.create(name, random=os.urandom, now=now, below=below)
    return Pair(
        old=old,
        new=made,
        where=where,
        keep=lambda: keyfiles.write(where / keys.NEXT, certificate=made.pem, key=made.key_pem),
    )


async def states(
    world: worlds.World, place: connecting.Place, both: Pair, *, is_root: bool = False
) -> Mapping[str, state.State]:
    """Return how every cluster stands; UnreachableError where one does not answer."""
    from isthmus.engine.connect import status

    seen = await status.states(
        world,
        place.fleet,
        roots=() if is_root else both.roots,
        is_stated=True,
        istio_roots=both.roots if is_root else (),
    )
    _refuse_silent(seen.values())
    return seen


def _refuse_silent(seen: Iterable[state.State]) -> None:
    for one in seen:
        if one.error:
            raise errors.UnreachableError(
                "every cluster has to answer while an authority is replaced",
                where=one.cluster,
                why=one.error,
                remedy="bring it back, or take it out of the Fleet",
            )


def _signing(stage: rotation.Stage, both: Pair) -> drafts.Signing:
    from isthmus.engine.connect import draft as drafts
    from isthmus.mesh.trust import signers

    signer, also = both.signs(stage)
    return drafts.Signing(by=signers.AtHand(authority=signer, also=also))


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


def is_whole(ran: operation.Operation) -> bool:
    """Say whether every cluster has it: with one left behind the next stage would cut it off."""
    return str(ran.outcome) == "succeeded" and all(str(run.state) == "done" for run in ran.runs)
