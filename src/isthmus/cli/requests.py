"""Requests for certificates: written here, signed where the authority's key lies, read when they are back.

Whoever writes requests holds the keys of what is certified, whoever signs them holds that of the authority;
neither needs the other's. No cluster is asked here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING

import typer

from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cryptography import x509

    from isthmus.cli.connecting import Place
    from isthmus.mesh.trust import authority as authorities
    from isthmus.mesh.trust import brought as broughts
    from isthmus.mesh.trust import managed, signers, sources
    from isthmus.model import folder as folders
    from isthmus.model import trust as trusts

Asks = tuple[str, "Callable[[authorities.PrivateKey], bytes]"]
"""The name of files, and what makes the request with a key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Read:
    """What lies in a folder of requests, by name, and what is to say of it."""

    roots: tuple[x509.Certificate, ...]
    brought: dict[str, broughts.Brought]
    absent: dict[str, str]
    findings: tuple[finding.Finding, ...]


def of_istio(place: Place, stated: str) -> tuple[sources.Elsewhere, tuple[finding.Finding, ...]]:
    """Return the authorities of all clusters that came back, and what is to say of their keys."""
    from isthmus.mesh.trust import sources
    from isthmus.rollout.connect import istio

    found = _read(place.folder / stated, (each.name for each in istio.members(place.fleet)))
    by = sources.Elsewhere(
        roots=found.roots, brought=found.brought, absent=found.absent, where=stated.rstrip("/")
    )
    return by, found.findings


def of_leaves(
    names: Iterable[str], folder: Path, stated: str
) -> tuple[signers.Elsewhere, tuple[finding.Finding, ...]]:
    """Return the leaves that came back, of the names that are asked for, and what is to say of their keys."""
    from isthmus.mesh.trust import signers

    found = _read(folder / stated, names)
    by = signers.Elsewhere(
        roots=found.roots, brought=found.brought, absent=found.absent, where=stated.rstrip("/")
    )
    return by, found.findings


def of_issuer(folder: Path, stated: trusts.Issuer) -> managed.Managed:
    """Return the issuer of cert-manager that the Fleet names, with the root that it is held to."""
    from isthmus.mesh.trust import managed

    return managed.Managed(issuer=stated, roots=_certificates(folder / stated.root))


def roots_of(folder: Path) -> tuple[x509.Certificate, ...]:
    """Return the roots in a folder of requests."""
    from isthmus.clients import requestfiles

    return _certificates(folder / requestfiles.ROOT)


def _certificates(where: Path) -> tuple[x509.Certificate, ...]:
    from cryptography import x509

    from isthmus.clients import files

    if not files.is_file(where):
        raise errors.InputError(
            "the roots are not here yet",
            where=str(where),
            remedy="put the root's certificate there, in PEM; while one takes the place of another, both",
        )
    try:
        return tuple(x509.load_pem_x509_certificates(files.read_bytes(where)))
    except ValueError:
        raise errors.InputError(
            "this holds no certificate", where=str(where), remedy="put the root there, in PEM"
        ) from None


def write_istio(place: Place, out: Path) -> None:
    """Write a request for each cluster that has Istio."""
    from isthmus.mesh.trust import authority as authorities
    from isthmus.mesh.trust import intermediate
    from isthmus.rollout.connect import istio

    here = istio.members(place.fleet)
    if not here:
        raise errors.InputError("no cluster of this Fleet has Istio", remedy="write `mesh: {istio: {}}`")

    def asks(cluster: str) -> Asks:
        name = intermediate.name(place.fleet.name, cluster)
        return cluster, lambda key: authorities.ask(key, name, signs=True)

    _write(out, (asks(each.name) for each in here))
    _next(out, "istio: {intermediates: %s}", "isthmus connect sign --istio")


def write_leaves(read: folders.Folder, out: Path) -> None:
    """Write a request for each certificate of each App in each of its clusters."""
    from isthmus.mesh.trust import applications, leaves, signers
    from isthmus.mesh.trust import authority as authorities

    def asks(cluster: str, leaf: leaves.Leaf) -> Asks:
        return signers.stem(cluster, leaf), lambda key: authorities.ask_for(key, leaf)

    found = [
        asks(cluster, leaf)
        for each in read.apps
        for cluster in each.spec.clusters
        for leaf in applications.of(each)
    ]
    if not found:
        raise errors.InputError("no App of this folder asks for a certificate")
    _write(out, found)
    _next(out, "apps: {leaves: %s}", "isthmus deploy sign")


def sign(out: Path, ca: Path, *, signs: bool, yes: bool) -> None:
    """Sign every request of a folder with an authority, after it was shown and confirmed.

    With `signs` they become authorities of workloads, and the authority is a root of Istio.
    """
    from isthmus.cli import keys
    from isthmus.clients import requestfiles
    from isthmus.mesh.trust import authority as authorities

    now = dt.datetime.now(dt.UTC)
    authority = keys.read_authority(ca, now, below=1 if signs else 0)
    if authority is None:
        raise errors.InputError("no authority lies here", where=str(ca), remedy="name it: --ca DIR|FILE")
    names = requestfiles.names(out)
    if not names:
        raise errors.InputError(
            "no request lies here", where=str(out), remedy="`csr` writes them: name the folder that it wrote"
        )
    asked = {name: requestfiles.read(out, name).request or b"" for name in names}
    typer.echo(
        f"authority {authority.key_id[:16]} signs" + (" as authorities of workloads:" if signs else ":")
    )
    for name, request in asked.items():
        typer.echo(f"  {name}: {_told(out / name, request)}")
    above = _above(out, authority)
    _confirm(yes=yes)
    for name, request in asked.items():
        made = authorities.certify(authority, request, random=os.urandom, now=now, signs=signs)
        requestfiles.write_certificate(out, name, made + above)
    if requestfiles.roots(out) is None:
        requestfiles.write_roots(out, authority.pem)
    typer.echo(f"{len(names)} certificates lie beside their requests in {out}", err=True)


def _above(out: Path, authority: authorities.Authority) -> bytes:
    """Return what stands between a certificate and the roots: the authority, where it is no root itself."""
    from isthmus.clients import requestfiles
    from isthmus.mesh.trust import authority as made
    from isthmus.mesh.trust import judge

    is_root = judge.is_signed_by(authority.certificate, authority.certificate)
    if is_root and requestfiles.roots(out) is None:
        return b""
    known = roots_of(out)
    if is_root and authority.key_id not in {made.key_id(each) for each in known}:
        raise errors.ConflictError(
            "the roots that lie here do not have this authority",
            where=str(out / requestfiles.ROOT),
            remedy="add its certificate there first, and bring that to every cluster: then it may sign",
        )
    return b"" if is_root else authority.pem


def _told(where: Path, request: bytes) -> str:
    """Return what a request is granted; InputError where it is none, or not signed by its own key."""
    from cryptography import x509

    from isthmus.mesh.trust import authority as authorities
    from isthmus.mesh.trust import judge

    try:
        asked = x509.load_pem_x509_csr(request)
    except ValueError:
        raise errors.InputError("this is no request", where=f"{where}.csr", remedy="write it anew") from None
    if not asked.is_signature_valid:
        raise errors.InputError(
            "this request is not signed by its own key", where=f"{where}.csr", remedy="write it anew"
        )
    names = [str(each.value) for each in authorities.hosts(asked)]
    return ", ".join([judge.common_name(asked) or "nobody", *names])


def _read(folder: Path, names: Iterable[str]) -> Read:
    from isthmus.clients import requestfiles
    from isthmus.mesh.trust import brought as broughts

    roots = roots_of(folder)
    found, absent, said = dict[str, broughts.Brought](), dict[str, str](), list[finding.Finding]()
    for name in names:
        piece = requestfiles.read(folder, name)
        if piece.is_open:
            said.append(_open_key(folder / f"{name}{requestfiles.KEY}"))
        if piece.certificate is None:
            absent[name] = "it is not there yet"
            continue
        try:
            found[name] = broughts.parse(piece.certificate, roots, piece.key)
        except ValueError:
            absent[name] = "it is no certificate in PEM"
    return Read(roots=roots, brought=found, absent=absent, findings=tuple(said))


def _write(out: Path, asked: Iterable[Asks]) -> None:
    from isthmus.clients import requestfiles
    from isthmus.mesh.trust import authority as authorities

    for name, ask in asked:
        kept = requestfiles.read(out, name).key
        key = authorities.new_key(os.urandom) if kept is None else _private(out, name, kept)
        fresh = authorities.key_pem(key) if kept is None else None
        requestfiles.write_request(out, name, request=ask(key), key=fresh)
        told = "with a new key" if kept is None else "with the key that lies beside it"
        typer.echo(f"{out / name}.csr {told}")


def _private(out: Path, name: str, text: bytes) -> authorities.PrivateKey:
    from isthmus.mesh.trust import authority as authorities

    try:
        return authorities.load_key(text)
    except ValueError:
        raise errors.InputError(
            "this is no private key",
            where=str(out / f"{name}.key"),
            why="it takes ECDSA or RSA in PEM, without a passphrase",
            remedy="take it away: a new key is made then",
        ) from None


def _next(out: Path, field: str, verb: str) -> None:
    typer.echo(
        f"have them signed and bring the certificates back as .crt, the roots as {out / 'root.crt'}; then "
        f"write `trust: {{{field % out}}}` into the Fleet. Where an authority of ours signs, on its machine: "
        f"{verb} {out} --ca DIR. The keys (.key) go nowhere, but into the Secrets of their clusters",
        err=True,
    )


def _confirm(*, yes: bool) -> None:
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.InputError("nobody is there to confirm the signature", remedy="repeat with --yes")
    typer.confirm("Sign these?", abort=True, err=True)


def _open_key(where: Path) -> finding.Finding:
    return finding.Finding(
        code="key-readable",
        severity=finding.Severity.WARNING,
        message="others on this machine can read the key",
        remedy=f"chmod 600 {where}",
        file=str(where),
    )
