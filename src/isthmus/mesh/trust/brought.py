"""Authorities of Istio that somebody signed elsewhere, from requests: whose key never comes near.

Each cluster has a key of its own, which was made with its request and lies in a file or in its Secret. What
came back is judged as a verifier would: by signatures, key ids, how far each may sign, purposes and time.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from cryptography import x509

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import intermediate, secrets
from isthmus.mesh.trust import judge as judges
from isthmus.model import finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]
Said = tuple[str, finding.Severity, str]
"""Code, severity and what is wrong."""

SHORT = 16
"""Hex digits of a key id that are shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brought:
    """What came back for one request: a certificate, itself first, and those above it without roots."""

    chain: tuple[x509.Certificate, ...]
    key: bytes | None = dataclasses.field(default=None, repr=False)
    """The private key (PEM), where it lies in a file."""

    def key_for(self, live: Sequence[bytes]) -> bytes | None:
        """Return the private key of the certificate: from the file, else of those in the cluster."""
        return next((each for each in (self.key, *live) if each and _is_key(each, self.chain[0])), None)

    @property
    def pem(self) -> bytes:
        """The certificate with those above it, without roots."""
        return b"".join(each.public_bytes(intermediate.PEM) for each in self.chain)

    def stands(self, secret: Mapping[str, Any] | None, field: str) -> bool:
        """Say whether this very certificate is what a Secret holds."""
        data = (secret or {}).get("data") or {}
        try:
            return x509.load_pem_x509_certificate(base64.b64decode(data[field])) == self.chain[0]
        except (KeyError, ValueError, binascii.Error):
            return False


def parse(certificates: bytes, roots: Sequence[x509.Certificate], key: bytes | None = None) -> Brought:
    """Return what a file holds, in PEM; ValueError where that is no certificate. Roots in it are left out."""
    found, *above = x509.load_pem_x509_certificates(certificates)
    return Brought(chain=(found, *(each for each in above if each not in roots)), key=key)


def of_chain(one: Brought, roots: Sequence[x509.Certificate], now: dt.datetime) -> Iterator[Said]:
    """Yield what is wrong with the way from a certificate to a root, and when it ends."""
    path = judges.lineage(one.chain[0], one.chain[1:], roots)
    if not path:
        yield _error("chain", f"no way leads from it to a root: {_gap(one.chain, roots)}")
        path = one.chain[:1]
    for below, above in itertools.pairwise(path):
        yield from _linked(below, above)
    root = next((each for each in roots if judges.is_signed_by(path[-1], each)), None)
    if root is not None:
        yield from _linked(path[-1], root)
    for each in (*path, *((root,) if root is not None else ())):
        for problem in judges.timed(each, now):
            yield _error("time", f"{_named(each, one)}{problem}")
    soonest = min(each.not_valid_after_utc for each in path)
    if now < soonest < now + judges.RENEW:
        yield "ending", finding.Severity.WARNING, f"it, or one above it, ends at {soonest:%Y-%m-%d}"


def of_authority(one: Brought, roots: Sequence[x509.Certificate]) -> Iterator[Said]:
    """Yield why a certificate could not sign for the workloads of a cluster below these roots."""
    path = judges.lineage(one.chain[0], one.chain[1:], roots) or one.chain[:1]
    root = next((each for each in roots if judges.is_signed_by(path[-1], each)), None)
    for number, each in enumerate((*path, *((root,) if root is not None else ()))):
        room = authorities.depth(each)
        if room < 0:
            yield _error("path", f"{_named(each, one)}it may sign nothing (basicConstraints is not CA)")
        elif room < number:
            yield _error(
                "path",
                f"{_named(each, one)}it may have {room} authorities below itself and has {number} (pathlen)",
            )
        for problem in intermediate.purposed(each) if each is not root else ():
            yield _error("purpose", f"{_named(each, one)}{problem}")
    if authorities.depth(one.chain[0]) > 0:
        why = "it may have authorities below itself, so its key makes further ones; ask for pathlen 0"
        yield "path", finding.Severity.WARNING, why


def settle(
    one: Brought,
    roots: Sequence[x509.Certificate],
    secret: Json | None,
    *,
    now: dt.datetime,
) -> secrets.Trust:
    """Return what stands in Secret `cacerts`, and it anew where it is not what came back.

    Nothing is written where the key is nowhere, which `sources` tells.
    """
    found = intermediate.judge("", secret, roots=roots, now=now)
    key = one.key_for(keys_in(secret))
    field = intermediate.TLS if intermediate.is_tls(secret) else intermediate.CERTIFICATE
    if key is None or (found.is_sound and one.stands(secret, field)):
        return secrets.Trust(certificates=(found,))
    issued = authorities.Issued(_pem(one.chain[0]), key)
    path = judges.lineage(one.chain[0], one.chain[1:], roots) or one.chain[:1]
    # Proxies ask for certificates below another root only when the text of the roots changes.
    first = sorted(roots, key=lambda root: not judges.is_signed_by(path[-1], root))
    return intermediate.written(found, secret, issued, first, path[1:])


def keys_in(secret: Mapping[str, Any] | None) -> tuple[bytes, ...]:
    """Return the private keys that stand in a Secret."""
    data = (secret or {}).get("data") or {}
    return tuple(base64.b64decode(data[field]) for field in secrets.KEYS if data.get(field))


def _linked(below: x509.Certificate, above: x509.Certificate) -> Iterator[Said]:
    """Yield key ids that differ though the signature is right: OpenSSL and Envoy find no issuer then."""
    said, own = judges.signer_of(below), authorities.key_id(above)
    if said and said != own:
        yield _error("key-id", f"it names {said[:SHORT]} as its authority, whose key id is {own[:SHORT]}")


def _gap(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> str:
    known = ", ".join(authorities.key_id(each)[:SHORT] for each in roots)
    asked = judges.signer_of(chain[-1])[:SHORT] or "somebody unnamed"
    return f"{asked} signed the last certificate of the file, and the roots are {known or 'none'}"


def _named(each: x509.Certificate, one: Brought) -> str:
    return "" if each == one.chain[0] else f"'{judges.common_name(each)}' above it: "


def _is_key(key: bytes, found: x509.Certificate) -> bool:
    try:
        return judges.is_key_of(key, found)
    except (ValueError, TypeError):
        return False


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(intermediate.PEM)


def _error(code: str, message: str) -> Said:
    return code, finding.Severity.ERROR, message
