"""Whether the certificate in a Secret is the one that a cluster needs: by key ids, names, purposes and time.

Names of issuers prove nothing, since every authority of Cilium is called the same; so key ids and the
signature itself are compared. Nothing is repaired here.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.mesh.trust import authority as authorities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.mesh.trust.leaves import Leaf

RENEW: Final = dt.timedelta(days=90)
"""A certificate that ends sooner is issued anew by the next `connect up`."""
URGENT: Final = dt.timedelta(days=14)

ABSENT: Final = "absent"
OTHER_ROOTS: Final = "its ca.crt names other authorities"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a Secret holds, as far as it may be shown, and what is wrong with it."""

    secret: str
    common_name: str = ""
    authority: str = ""
    """The key id of who signed it, or the highest of those between it and a root."""
    trusts: tuple[str, ...] = ()
    """Key ids of the authorities beside it."""
    ends: dt.datetime | None = None
    problems: tuple[str, ...] = ()
    """Why it does not do; empty when it does."""
    is_ending: bool = False
    is_ours: bool = False
    """Whether it stands in a Secret of ours."""

    @property
    def is_sound(self) -> bool:
        """Say whether it does, though it may end soon."""
        return not self.problems

    @property
    def is_good(self) -> bool:
        """Say whether it is kept as it is."""
        return self.is_sound and not self.is_ending

    def to_json(self, now: dt.datetime) -> dict[str, Any]:
        """Return the public form."""
        return {
            "secret": self.secret,
            "common_name": self.common_name,
            "authority": self.authority,
            "trusts": list(self.trusts),
            "ends": f"{self.ends:%Y-%m-%dT%H:%M:%SZ}" if self.ends else None,
            "days": (self.ends - now).days if self.ends else None,
            "ours": self.is_ours,
            "problems": list(self.problems),
        }


def judge(
    leaf: Leaf,
    secret: Mapping[str, Any] | None,
    *,
    roots: Sequence[x509.Certificate],
    now: dt.datetime,
    signer: x509.Certificate | None = None,
) -> Certificate:
    """Return what stands in a Secret; `roots` are the authorities that the mesh trusts.

    With `signer` it has to be signed by that one, else by any of them. Without roots the certificate is held
    to its own `ca.crt`.
    """
    if secret is None:
        return Certificate(secret=leaf.secret, problems=(ABSENT,))
    try:
        found, key_matches, beside, between = _read(secret)
    except (KeyError, ValueError, TypeError, binascii.Error):
        return Certificate(secret=leaf.secret, problems=("it holds no certificate that can be read",))
    trusted = list(roots) or beside
    problems = [
        *([] if key_matches else ["its key is not that of the certificate"]),
        *_signed(found, between, trusted, signer),
        *_trusting(beside, trusted),
        *fitting(found, leaf),
        *timed(found, now),
    ]
    return Certificate(
        secret=leaf.secret,
        common_name=common_name(found),
        authority=signer_of((lineage(found, between, trusted) or (found,))[-1]),
        trusts=tuple(authorities.key_id(one) for one in beside),
        ends=found.not_valid_after_utc,
        problems=tuple(problems),
        is_ending=found.not_valid_after_utc - now < RENEW,
    )


def _read(
    secret: Mapping[str, Any],
) -> tuple[x509.Certificate, bool, list[x509.Certificate], list[x509.Certificate]]:
    data = secret.get("data") or {}
    found, *between = x509.load_pem_x509_certificates(_bytes(data, "tls.crt"))
    beside = x509.load_pem_x509_certificates(_bytes(data, "ca.crt"))
    return found, is_key_of(_bytes(data, "tls.key"), found), beside, between


def is_key_of(key: bytes, found: x509.Certificate) -> bool:
    """Say whether a private key is that of a certificate; ValueError or TypeError for what is no key."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    secret = serialization.load_pem_private_key(key, None)
    return secret.public_key().public_bytes(*form) == found.public_key().public_bytes(*form)


def _bytes(data: Mapping[str, str], field: str) -> bytes:
    return base64.b64decode(data[field], validate=True)


def _signed(
    found: x509.Certificate,
    between: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    signer: x509.Certificate | None,
) -> list[str]:
    if lineage(found, between, [signer] if signer is not None else roots):
        return []
    return [f"it was signed by another authority ({signer_of(found)[:16] or 'unknown'})"]


def lineage(
    found: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Return a certificate and those `between` it and a root; empty where no way leads there."""
    path = [found]
    while not any(is_signed_by(path[-1], root) for root in roots):
        above = next((each for each in between if each not in path and is_signed_by(path[-1], each)), None)
        if above is None:
            return ()
        path.append(above)
    return tuple(path)


def is_signed_by(found: x509.Certificate, root: x509.Certificate) -> bool:
    """Say whether an authority signed a certificate."""
    try:
        found.verify_directly_issued_by(root)
    except (ValueError, TypeError, exceptions.InvalidSignature):
        return False
    return True


def _trusting(beside: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> list[str]:
    if {authorities.key_id(one) for one in beside} == {authorities.key_id(one) for one in roots}:
        return []
    return [OTHER_ROOTS]


def _named(found: x509.Certificate, leaf: Leaf) -> list[str]:
    problems = []
    if common_name(found) != leaf.common_name:
        problems.append(f"it is made out to '{common_name(found)}' and not to '{leaf.common_name}'")
    names, addresses = _hosts(found)
    missing = [*(set(leaf.dns) - names), *(set(leaf.addresses) - addresses)]
    if missing:
        problems.append(f"it does not name {', '.join(sorted(missing))}")
    return problems


def fitting(found: x509.Certificate, leaf: Leaf) -> list[str]:
    """Return where a certificate is not what a leaf asks for: names and purposes."""
    return [*_named(found, leaf), *_purposed(found, leaf)]


def _hosts(found: x509.Certificate) -> tuple[set[str], set[str]]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set(), set()
    return set(names.get_values_for_type(x509.DNSName)), {
        str(each) for each in names.get_values_for_type(x509.IPAddress)
    }


def _purposed(found: x509.Certificate, leaf: Leaf) -> list[str]:
    try:
        purposes = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        purposes = set()
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH: leaf.server, ExtendedKeyUsageOID.CLIENT_AUTH: leaf.client}
    words = {ExtendedKeyUsageOID.SERVER_AUTH: "servers", ExtendedKeyUsageOID.CLIENT_AUTH: "clients"}
    missing = [words[each] for each, is_wanted in wanted.items() if is_wanted and each not in purposes]
    return [f"it is not made for {' and '.join(missing)}"] if missing else []


def timed(found: x509.Certificate, now: dt.datetime) -> list[str]:
    """Return what is wrong with when a certificate is good."""
    if found.not_valid_after_utc <= now:
        return [f"it ended at {found.not_valid_after_utc:%Y-%m-%d}"]
    if found.not_valid_before_utc > now:
        return [f"it is not good before {found.not_valid_before_utc:%Y-%m-%d %H:%M}"]
    return []


def signer_of(found: x509.Certificate) -> str:
    """Return the key id of who signed a certificate; empty where it does not tell."""
    try:
        identifier = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return identifier.key_identifier.hex() if identifier.key_identifier else ""


def common_name(found: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return whom a certificate or a request is made out to; empty where it names nobody."""
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
