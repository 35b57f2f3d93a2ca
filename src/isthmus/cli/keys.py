"""Where the authorities of a Fleet lie on this machine: read, made on first use, kept, refused.

Keys are read and written here, through `clients`, and handed to the draft; they go nowhere else.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from isthmus.cli import output
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from isthmus.cli.connecting import Place
    from isthmus.mesh.trust import authority as authorities
    from isthmus.mesh.trust import managed, signers, sources
    from isthmus.model import fleet as fleets
    from isthmus.model import trust as trusts

Keep = Callable[[], None]
NEXT = "next"
"""The folder inside it that keeps the authority which takes its place, while it does."""
TRUST = "trust"
"""The folder beside the Fleet that keeps the authority where no other is named."""
ROOT = "istio"
"""The folder inside it that keeps the root of Istio, which has authorities below itself."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
    """The authority that signs, and the folder to keep it in when it is new."""

    authority: authorities.Authority | None = dataclasses.field(repr=False)
    where: Path
    is_new: bool
    what: str = "certificate authority of the mesh"
    findings: tuple[finding.Finding, ...] = ()
    root: Keys | None = None
    """Those of Istio, where the Fleet asks for it and the key is at hand."""
    elsewhere: sources.Source | None = None
    """Who signs for Istio, where that is somebody else."""
    issuer: managed.Managed | None = None
    """Who signs for the mesh, where it has no authority at hand."""

    @property
    def signer(self) -> signers.Signer:
        """Who signs for the mesh."""
        from isthmus.mesh.trust import signers

        if self.authority is not None:
            return signers.AtHand(authority=self.authority)
        assert self.issuer is not None
        return self.issuer

    @property
    def istio(self) -> sources.Source | None:
        """Who signs for Istio, where the Fleet asks for it."""
        from isthmus.mesh.trust import sources

        if self.root is None or self.root.authority is None:
            return self.elsewhere
        return sources.AtHand(root=self.root.authority)

    def keep(self) -> None:
        """Write a new authority down, and say so."""
        if self.is_new and self.authority is not None:
            from isthmus.clients import keyfiles

            keyfiles.write(self.where, certificate=self.authority.pem, key=self.authority.key_pem)
            typer.echo(
                f"a new {self.what} lies in {self.where}; keep its key (ca.key) safe: "
                "whoever has it can sign for anybody, and without it nothing can be issued",
                err=True,
            )
        if self.root is not None:
            self.root.keep()


def prepare(place: Place, ca: Path | None, form: output.Output) -> Keys:
    """Return the authority, read or new, or leave saying what the Fleet lacks."""
    from isthmus.mesh.trust import authority as authorities
    from isthmus.rollout.connect import findings

    said = [each for each in findings.of_fleet(place.fleet) if each.severity is finding.Severity.ERROR]
    if said:
        output.refuse(said, form)
    if lacking := absent(place, ca):
        output.refuse(lacking, form)
    where, now = where_of(place, ca), dt.datetime.now(dt.UTC)
    issuer = issuer_of(place, ca)
    found = read_authority(where, now) if issuer is None else None
    if found is not None and following(where, now) is not None:
        output.refuse([_unfinished(where)], form)
    elsewhere, of_keys = _elsewhere(place, ca)
    if elsewhere is None and following(root_folder(place, ca), now, below=1) is not None:
        output.refuse([_unfinished(root_folder(place, ca), " --istio")], form)
    root = _root(place, ca, now) if elsewhere is None else None
    said = [*(root.findings if root else ()), *of_keys]
    if found is not None:
        told = (*_open_key(where), *said)
        return Keys(authority=found, where=where, is_new=False, findings=told, root=root, elsewhere=elsewhere)
    if issuer is not None:
        told = tuple(said)
        return Keys(
            authority=None,
            where=where,
            is_new=False,
            findings=told,
            root=root,
            elsewhere=elsewhere,
            issuer=issuer,
        )
    name = f"isthmus {place.fleet.name} clustermesh"
    made = authorities.create(name, random=os.urandom, now=now)
    told = (_new_key(where), *said)
    return Keys(authority=made, where=where, is_new=True, findings=told, root=root, elsewhere=elsewhere)


def _elsewhere(place: Place, ca: Path | None) -> tuple[sources.Source | None, tuple[finding.Finding, ...]]:
    """Return who signs for Istio elsewhere, with what is to say of keys; None where a root is at hand."""
    from isthmus.cli import requests
    from isthmus.rollout.connect import istio

    stated = of(place.fleet, "istio") if ca is None and istio.members(place.fleet) else None
    if stated is not None and stated.issuer is not None:
        return requests.of_issuer(place.folder, stated.issuer), ()
    if stated is None or stated.intermediates is None:
        return None, ()
    return requests.of_istio(place, stated.intermediates)


def istio_source(place: Place, ca: Path | None) -> sources.Source | None:
    """Return who signs for Istio, None where nothing is there yet; its successor is trusted too."""
    from isthmus.mesh.trust import sources

    found, _ = _elsewhere(place, ca)
    if found is not None:
        return found
    where, now = root_folder(place, ca), dt.datetime.now(dt.UTC)
    root = read_authority(where, now, below=1)
    after = following(where, now, below=1) if root is not None else None
    also = (after.certificate,) if after is not None else ()
    return sources.AtHand(root=root, also=also) if root is not None else None


def of(fleet: fleets.Fleet, name: str) -> trusts.Source | None:
    """Return what a Fleet says of who signs for a hierarchy."""
    found: trusts.Source | None = getattr(fleet.spec.trust, name, None)
    return found


def refuse_elsewhere(place: Place, ca: Path | None) -> None:
    """Leave where Istio's root is somebody else's: it is not replaced here."""
    if _elsewhere(place, ca)[0] is not None:
        raise errors.InputError(
            "the root of Istio is not replaced here: who signs is named by `trust.istio`",
            remedy="bring the new root along first, as one more in root.crt, and sign below it later: "
            "docs/connect.md, `Signed elsewhere`",
        )


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
    made = authorities.create(root_name(place), random=os.urandom, now=now, below=1)
    what = "root of Istio"
    return Keys(authority=made, where=where, is_new=True, what=what, findings=(_new_key(where, what),))


def issuer_of(place: Place, ca: Path | None) -> managed.Managed | None:
    """Return cert-manager's issuer for the mesh, None where an authority is at hand."""
    from isthmus.cli import requests

    stated = of(place.fleet, "clustermesh") if ca is None else None
    if stated is None or stated.issuer is None:
        return None
    return requests.of_issuer(place.folder, stated.issuer)


def mesh_roots(place: Place, ca: Path | None) -> tuple[x509.Certificate, ...]:
    """Return whom the mesh may trust: its authority and what takes its place, or cert-manager's roots."""
    issuer = issuer_of(place, ca)
    if issuer is not None:
        return issuer.roots
    where, now = where_of(place, ca), dt.datetime.now(dt.UTC)
    found = read_authority(where, now)
    after = following(where, now) if found is not None else None
    return tuple(each.certificate for each in (found, after) if each is not None)


def mesh_signer(place: Place, ca: Path | None, form: output.Output) -> signers.Signer:
    """Return who signs for the mesh, which stays while Istio's root is replaced; leave without one."""
    from isthmus.mesh.trust import signers

    issuer = issuer_of(place, ca)
    if issuer is not None:
        return issuer
    where, now = where_of(place, ca), dt.datetime.now(dt.UTC)
    found = read_authority(where, now)
    if found is None:
        raise errors.InputError(
            "there is no authority of the mesh", where=str(where), remedy="isthmus connect up makes one"
        )
    if following(where, now) is not None:
        output.refuse([_unfinished(where)], form)
    return signers.AtHand(authority=found)


def root_name(place: Place) -> str:
    """Return whom a root of Istio is made out to."""
    return f"isthmus {place.fleet.name} istio root"


def where_of(place: Place, ca: Path | None) -> Path:
    """Return where the authority of the mesh lies: as the option says, else the Fleet, else in `trust`."""
    stated = of(place.fleet, "clustermesh")
    return ca or place.folder / ((stated.path if stated else None) or TRUST)


def root_folder(place: Place, ca: Path | None) -> Path:
    """Return where the root of Istio lies: as the Fleet says, else in the authority's folder."""
    from isthmus.clients import files

    stated = of(place.fleet, "istio")
    if ca is None and stated is not None and stated.path is not None:
        return place.folder / stated.path
    where = where_of(place, ca)
    return (place.folder / TRUST if files.is_file(where) else where) / ROOT


def absent(place: Place, ca: Path | None) -> list[finding.Finding]:
    """Return each authority that the Fleet names and that is not there: none is made in its place."""
    from isthmus.clients import keyfiles

    if ca is not None:
        return []
    found = []
    for name in ("clustermesh", "istio"):
        stated = of(place.fleet, name)
        path = stated.path if stated is not None else None
        if path is None or keyfiles.read(place.folder / path) is not None:
            continue
        file, line = place.made.source.where(place.fleet, ("spec", "trust", name))
        found.append(
            finding.Finding(
                code="authority-absent",
                severity=finding.Severity.ERROR,
                message=f"`trust.{name}` names {path}, and no authority lies there",
                remedy="put ca.crt and ca.key there, or one file with both; without the field one is made",
                kind="Fleet",
                name=place.fleet.name,
                file=file,
                line=line,
            )
        )
    return found


def folder_of(where: Path) -> Path:
    """Return the folder of an authority; one that lies in a single file cannot be replaced by a verb."""
    from isthmus.clients import files

    if files.is_file(where):
        raise errors.InputError(
            "an authority in one file is not replaced here",
            where=str(where),
            remedy="put it into a folder as ca.crt and ca.key, and name that",
        )
    return where


def following(where: Path, now: dt.datetime, *, below: int = 0) -> authorities.Authority | None:
    """Return the authority that takes the place of the one in a folder, None while none does."""
    return read_authority(where / NEXT, now, below=below)


def read_authority(where: Path, now: dt.datetime, *, below: int = 0) -> authorities.Authority | None:
    """Return the authority that lies there, None where there is none yet."""
    from isthmus.clients import keyfiles
    from isthmus.mesh.trust import authority as authorities

    pair = keyfiles.read(where)
    if pair is None:
        return None
    return authorities.load(pair.certificate, pair.key, where=pair.where, now=now, below=below)


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


def _unfinished(where: Path, option: str = "") -> finding.Finding:
    return finding.Finding(
        code="rotation-unfinished",
        severity=finding.Severity.ERROR,
        message=f"a new authority lies in {where / NEXT}, and not every cluster has gone over to it",
        remedy=f"isthmus connect rotate{option} brings it to its end",
    )


def _new_key(where: Path, what: str = "authority of the mesh") -> finding.Finding:
    return finding.Finding(
        code="new-authority",
        severity=finding.Severity.INFO,
        message=f"a new {what} will be made in {where}; its key goes to no cluster",
        remedy="to use one that you have: write `trust` in the Fleet, or --ca DIR with ca.crt and ca.key",
    )
