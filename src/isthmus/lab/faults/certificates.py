"""Certificates signed again: the same subject, names, key and issuer, with other times or another authority.

Pure. Which certificate is meant, and who reads it, is not known here.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

_AGO: Final = dt.timedelta(hours=1)  # since it ran out: beyond any difference of clocks
_LIVED: Final = dt.timedelta(days=1)  # of a certificate that began later than that

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Signer = tuple[x509.Certificate, Key]


def expired(chain: bytes, signers: Iterable[Signer], *, now: dt.datetime, what: str) -> bytes:
    """Return a chain (PEM) whose first certificate ran out an hour before `now`, else the same.

    It is signed by the one of `signers` that signed it before; an error names the issuer when none did.
    """
    first, *rest = read(chain, what)
    for authority, key in signers:
        if is_signed_by(first, authority):
            ended = now - _AGO
            began = min(first.not_valid_before_utc, ended - _LIVED)
            made = again(first, (authority, key), began=began, ended=ended)
            return b"".join(pem(each) for each in (made, *rest))
    raise errors.InputError(
        f"the key of its authority is not known here: {first.issuer.rfc4514_string()}",
        where=what,
        why="only who has that key can make a certificate that differs in its dates alone",
        remedy="name a file with that authority's certificate and key (PEM): --ca FILE",
    )


def again(
    old: x509.Certificate, signer: Signer, *, began: dt.datetime, ended: dt.datetime
) -> x509.Certificate:
    """Return a certificate with other dates, signed by `signer`, else the same."""
    authority, key = signer
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(authority.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(ended)
    )
    for each in old.extensions:
        value = each.value
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        builder = builder.add_extension(value, critical=each.critical)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Say whether an authority signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, exceptions.InvalidSignature):
        return False
    return True


def read(chain: bytes, what: str) -> list[x509.Certificate]:
    """Return the certificates of a chain, at least one."""
    try:
        return x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise errors.InputError(
            "it holds no certificate", where=what, remedy="name one that holds certificates in PEM"
        ) from error


def signer(chain: bytes, what: str, *, key: bytes = b"") -> Signer:
    """Return an authority from its certificate and, where that is apart, its key (PEM)."""
    try:
        found = serialization.load_pem_private_key(key or chain, password=None)
    except (ValueError, TypeError) as error:
        raise errors.InputError(
            "it holds no private key that can be read",
            where=what,
            remedy="name one with certificate and key in PEM, the key without a pass phrase",
        ) from error
    if not isinstance(found, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise errors.InputError("its key is of a kind that signs no certificates here", where=what)
    return read(chain, what)[0], found


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
