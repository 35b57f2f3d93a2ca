"""The authority of Apps' certificates: read from beside the Fleet, new, or one in the place of another.

It is replaced as that of the mesh is, in three stages, each one operation of every App.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING, Final

import typer

from isthmus.cli import keys, output, places, rotating, running
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

    from isthmus.engine import draft as drafts
    from isthmus.engine import world as worlds
    from isthmus.mesh.trust import judge, signers
    from isthmus.model import app as apps
    from isthmus.model import fleet as fleets
    from isthmus.model import operation
    from isthmus.rollout.connect import rotation

FOLDER: Final = "app"
"""Inside the folder of the mesh's authority."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signs:
    """Who signs for Apps, what keeps it where it is new, and what is to say of it."""

    by: signers.Signer
    keep: keys.Keep
    findings: tuple[finding.Finding, ...] = ()


def prepare(wanted: apps.App, fleet: fleets.Fleet, folder: Path) -> Signs | None:
    """Return who signs for Apps, None where this one asks for no certificate."""
    from isthmus.cli import requests
    from isthmus.mesh.trust import applications, signers

    if not wanted.spec.certificates:
        return None
    stated = keys.of(fleet, "apps")
    if stated is not None and stated.leaves is not None:
        names = (
            signers.stem(cluster, leaf)
            for cluster in wanted.spec.clusters
            for leaf in applications.of(wanted)
        )
        by, said = requests.of_leaves(names, folder, stated.leaves)
        return Signs(by=by, keep=lambda: None, findings=said)
    if stated is not None and stated.issuer is not None:
        return Signs(by=requests.of_issuer(folder, stated.issuer), keep=lambda: None)
    found = _at_hand(fleet, folder)
    return Signs(by=found.signer, keep=found.keep, findings=found.findings)


def _at_hand(fleet: fleets.Fleet, folder: Path) -> keys.Keys:
    """Return the authority of Apps, read or new."""
    from isthmus.mesh.trust import authority as authorities

    where, now = _where(fleet, folder), dt.datetime.now(dt.UTC)
    what = "certificate authority of Apps"
    found = keys.read_authority(where, now)
    stated = keys.of(fleet, "apps")
    if found is None and stated is not None:
        raise errors.InputError(
            f"`trust.apps` of the Fleet names {stated.path}, and no authority lies there",
            where=str(where),
            remedy="put ca.crt and ca.key there, or one file with both; without the field one is made",
        )
    if found is not None and keys.following(where, now) is not None:
        raise errors.ConflictError(
            "a new authority of Apps lies here, and not every App has gone over to it",
            where=str(where / keys.NEXT),
            remedy="isthmus deploy rotate brings it to its end",
        )
    if found is not None:
        return keys.Keys(authority=found, where=where, is_new=False, what=what)
    made = authorities.create(f"isthmus {fleet.name} apps", random=os.urandom, now=now)
    said = finding.Finding(
        code="new-authority",
        severity=finding.Severity.INFO,
        message=f"a new {what} will be made in {where}; its key goes to no cluster",
        remedy="to use one that you have, name it: `trust: {apps: DIR}` in the Fleet",
    )
    return keys.Keys(authority=made, where=where, is_new=True, what=what, findings=(said,))


def _where(fleet: fleets.Fleet, folder: Path) -> Path:
    """Return where the authority of Apps lies: as the Fleet says, else beside it."""
    stated = keys.of(fleet, "apps")
    return folder / stated.path if stated is not None and stated.path else folder / keys.TRUST / FOLDER


def of(found: Signs | None) -> signers.Signer | None:
    """Return who signs."""
    return None if found is None else found.by


def told(draft: drafts.Draft, found: Signs | None) -> drafts.Draft:
    """Return the draft with what is to say of the authority, where anything is done."""
    if found is None or draft.plan.is_empty:
        return draft
    plan = dataclasses.replace(draft.plan, findings=(*draft.plan.findings, *found.findings))
    return dataclasses.replace(draft, plan=plan)


async def rotate(folder: Path, ways: running.Ways, *, settle: float) -> operation.Operation | None:
    """Run what is left of a rotation; return the last operation, None when nothing was left to do.

    Before a stage counts on the one before, pods have `settle` seconds to be brought the Secrets and to read
    them again: also in a run that goes on, which does not know how long ago that was.
    """
    from isthmus.cli import connection
    from isthmus.engine import operations
    from isthmus.rollout.connect import rotation

    here = _places(folder)
    _, fleet, lies = here[0].both()
    stated = keys.of(fleet, "apps")
    if stated is not None and stated.path is None:
        raise errors.InputError(
            "the authority of Apps is not replaced here: who signs is named by `trust.apps`",
            remedy="bring the new root along first, as one more in root.crt, and sign below it later: "
            "docs/deploy.md, `Signed elsewhere`",
        )
    where = keys.folder_of(_where(fleet, lies))
    both = rotating.pair(where, f"isthmus {fleet.name} apps", up="deploy up")
    first, ended = both.keep, None
    voters = tuple(dict(pair for each in here for pair in each.voters).items())
    async with connection.opened(voters, with_helm=True) as world:
        for each in here:
            await operations.refuse_owned(world, each.voters, each.namespace, each.app)
        for stage in await _remaining(world, here, both):
            if stage is not rotation.Stage.TRUST and settle:
                typer.echo(f"waiting {settle:g} s for kubelets to bring Secrets to pods", err=True)
                await world.clock.sleep(settle)
            if ways.form is output.Output.TEXT:
                typer.echo(rotation.APPS_SAID[stage], err=True)
            for each in here:
                ran = await _run(world, each, both, stage, ways, first)
                ended, first = ran or ended, None
                if ran is not None and not rotating.is_whole(ran):
                    return ran
    both.finish()
    return ended


def _places(folder: Path) -> tuple[places.Place, ...]:
    """Return each App of the folder that has certificates; InputError where none has."""
    read = output.load_folder(folder)
    found = tuple(places.find(folder, each.name) for each in read.apps if each.spec.certificates)
    if not found:
        raise errors.InputError(
            "no App of this folder asks for a certificate",
            where=str(folder),
            remedy="`isthmus connect rotate` replaces the authorities of the mesh",
        )
    return found


async def _remaining(
    world: worlds.World, here: Sequence[places.Place], both: rotating.Pair
) -> tuple[rotation.Stage, ...]:
    from isthmus.engine import certificates
    from isthmus.engine import draft as drafts
    from isthmus.rollout.connect import rotation

    found: list[judge.Certificate] = []
    for each in here:
        seen = await certificates.look(world, each.both()[0], each.clusters, both.roots)
        drafts.raise_first(seen)
        found += [one for of_cluster in seen.values() if isinstance(of_cluster, tuple) for one in of_cluster]
    return rotation.remaining(found, old=both.old.key_id, new=both.new.key_id)


def roots(fleet: fleets.Fleet, folder: Path) -> tuple[x509.Certificate, ...]:
    """Return whom Apps of a folder may trust: the authority that lies there, and one that takes its place."""
    from isthmus.cli import requests

    stated = keys.of(fleet, "apps")
    if stated is not None and stated.leaves is not None:
        return requests.roots_of(folder / stated.leaves)
    if stated is not None and stated.issuer is not None:
        return requests.of_issuer(folder, stated.issuer).roots
    where, now = _where(fleet, folder), dt.datetime.now(dt.UTC)
    found = keys.read_authority(where, now)
    after = keys.following(where, now) if found is not None else None
    return tuple(each.certificate for each in (found, after) if each is not None)


async def _run(
    world: worlds.World,
    place: places.Place,
    both: rotating.Pair,
    stage: rotation.Stage,
    ways: running.Ways,
    first: keys.Keep | None,
) -> operation.Operation | None:
    from isthmus.engine import draft as drafts
    from isthmus.mesh.trust import signers

    wanted, fleet, folder = place.both()
    signer, also = both.signs(stage)
    by = signers.AtHand(authority=signer, also=also)
    draft = await drafts.up(world, wanted, fleet, folder=folder, signing=by)
    return await running.start(world, draft, ways, first=first)
