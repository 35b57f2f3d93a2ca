"""The authority of each cluster's istiod, below a root whose key lies in no cluster: Secret `cacerts`.

Fields as Istio reads them (istio.io plugin-ca-cert; security/pkg/pki/ca/ca.go). One that is good is kept.
Pure: what stands in the cluster comes in.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import judge as judges
from isthmus.mesh.trust import secrets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]

SECRET: Final = "cacerts"  # noqa: S105 - its name
NAMESPACE: Final = "istio-system"
CERTIFICATE, KEY, ROOT, CHAIN = "ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"
TLS, TLS_KEY, TLS_ROOT = "tls.crt", "tls.key", "ca.crt"
"""The fields by which istiod knows a Secret of type kubernetes.io/tls (pilot/pkg/bootstrap/istio_ca.go)."""
OTHER_ROOTS: Final = "its root-cert.pem names other roots"
PEM: Final = serialization.Encoding.PEM


def name(fleet: str, cluster: str) -> str:
    """Return whom the authority of a cluster is made out to."""
    return f"isthmus {fleet} istio {cluster}"


def settle(
    wanted: str,
    secret: Json | None,
    *,
    root: authorities.Authority,
    random: authorities.Random,
    now: dt.datetime,
    also: Sequence[x509.Certificate] = (),
) -> secrets.Trust:
    """Judge the Secret of a cluster, and issue its authority anew when it does not do.

    `also` are further roots that everybody is to trust, while one takes the place of another.
    """
    roots = (root.certificate, *also)
    found = judge(wanted, secret, roots=roots, now=now, signer=root.certificate)
    if found.is_good:
        return secrets.Trust(certificates=(found,))
    issued = _kept(found, secret) or authorities.delegate(root, wanted, random=random, now=now)
    return written(found, secret, issued, roots)


def written(
    found: judges.Certificate,
    secret: Json | None,
    issued: authorities.Issued,
    roots: Sequence[x509.Certificate],
    between: Sequence[x509.Certificate] = (),
) -> secrets.Trust:
    """Return what is written in the place of what was `found`; the form of the Secret stays as it is."""
    fresh = body(issued, roots, between, is_tls=is_tls(secret))
    if secret is None:
        return secrets.Trust(certificates=(found,), objects=(fresh,))
    before = secrets.bare(secret)
    fresh["type"] = before["type"]  # which cannot change
    return secrets.Trust(certificates=(found,), objects=(fresh,), before=(before,))


def _kept(found: judges.Certificate, secret: Json | None) -> authorities.Issued | None:
    """Return the authority that stands there, where only the roots beside it are to change."""
    if secret is None or found.is_ending or found.problems != (OTHER_ROOTS,):
        return None
    if is_tls(secret):
        return authorities.Issued(_field(secret, TLS), _field(secret, TLS_KEY))
    return authorities.Issued(_field(secret, CERTIFICATE), _field(secret, KEY))


def pem(roots: Sequence[x509.Certificate]) -> str:
    """Return roots as PEM, in their order."""
    return "".join(root.public_bytes(serialization.Encoding.PEM).decode() for root in roots)


def is_tls(secret: Mapping[str, Any] | None) -> bool:
    """Say whether a Secret has the fields of type kubernetes.io/tls, which istiod takes before its own."""
    return TLS in ((secret or {}).get("data") or {})


def body(
    issued: authorities.Issued,
    roots: Sequence[x509.Certificate],
    between: Sequence[x509.Certificate] = (),
    *,
    is_tls: bool = False,
) -> Json:
    """Return the Secret as istiod mounts it; the root that signed comes first.

    `between` are further authorities between this one and a root. A proxy that gets roots from istiod asks
    for a new certificate when their text changes (Istio security/pkg/nodeagent/cache/secretcache.go,
    UpdateConfigTrustBundle), so their order matters.
    """
    chain, trusted = issued.certificate + pem(between).encode(), pem(roots).encode()
    if is_tls:
        texts = {TLS: chain, TLS_KEY: issued.key, TLS_ROOT: trusted}
    else:
        texts = {CERTIFICATE: issued.certificate, KEY: issued.key, ROOT: trusted, CHAIN: chain}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": SECRET, "namespace": NAMESPACE, "labels": {secrets.MANAGED: "isthmus"}},
        "data": {field: base64.b64encode(text).decode() for field, text in texts.items()},
    }


def judge(
    wanted: str,
    secret: Mapping[str, Any] | None,
    *,
    roots: Sequence[x509.Certificate],
    now: dt.datetime,
    signer: x509.Certificate | None = None,
) -> judges.Certificate:
    """Return what stands in the Secret; `roots` are those that the mesh trusts.

    With `signer` it has to be signed by that one, else by any of them. Without roots it is held to those
    beside it. Where nothing is `wanted` somebody else names it, and may let it have authorities below.
    """
    if secret is None:
        return judges.Certificate(secret=SECRET, problems=(judges.ABSENT,))
    try:
        found, problems, beside, between = _read(secret)
    except (KeyError, ValueError, TypeError, binascii.Error):
        return judges.Certificate(secret=SECRET, problems=("it holds no authority that can be read",))
    trusted = list(roots) or beside
    path = judges.lineage(found, between, [signer] if signer is not None else trusted)
    if not path:
        problems.append(f"it was signed by another root ({judges.signer_of(found)[:16] or 'unknown'})")
    if {authorities.key_id(each) for each in beside} != {authorities.key_id(each) for each in trusted}:
        problems.append(OTHER_ROOTS)
    if wanted and judges.common_name(found) != wanted:
        problems.append(f"it is made out to '{judges.common_name(found)}' and not to '{wanted}'")
    return judges.Certificate(
        secret=SECRET,
        common_name=judges.common_name(found),
        authority=judges.signer_of((path or (found,))[-1]),
        trusts=tuple(authorities.key_id(each) for each in beside),
        ends=found.not_valid_after_utc,
        problems=(*problems, *_able(found, is_ours=bool(wanted)), *judges.timed(found, now)),
        is_ending=found.not_valid_after_utc - now < judges.RENEW,
        is_ours=secrets.is_ours(secret),
    )


def _read(
    secret: Mapping[str, Any],
) -> tuple[x509.Certificate, list[str], list[x509.Certificate], list[x509.Certificate]]:
    """Return authority, problems, roots and those between, from either form that istiod takes."""
    if is_tls(secret):
        found, *between = x509.load_pem_x509_certificates(_field(secret, TLS))
        beside, key = x509.load_pem_x509_certificates(_field(secret, TLS_ROOT)), _field(secret, TLS_KEY)
        chain = [found, *between]
    else:
        found = x509.load_pem_x509_certificate(_field(secret, CERTIFICATE))
        key = _field(secret, KEY)
        beside = x509.load_pem_x509_certificates(_field(secret, ROOT))
        chain = x509.load_pem_x509_certificates(_field(secret, CHAIN))
    problems = []
    if not judges.is_key_of(key, found):
        problems.append("its key is not that of the certificate")
    if not chain or chain[0] != found:
        problems.append("its cert-chain.pem does not begin with the authority itself")
    return found, problems, beside, chain[1:]


def _able(found: x509.Certificate, *, is_ours: bool) -> list[str]:
    """Return why it could not sign for workloads: basic constraints, key usage, purposes of what it signs."""
    problems = []
    if authorities.depth(found) < 0 or (is_ours and authorities.depth(found)):
        problems.append("it may sign nothing, or authorities too (basicConstraints is not CA with pathlen 0)")
    return [*problems, *purposed(found)]


def purposed(found: x509.Certificate) -> list[str]:
    """Return why what an authority signs would not do for workloads: key usage and purposes."""
    problems = []
    try:
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.key_cert_sign:
            problems.append("its key usage does not allow to sign certificates")
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return problems
    # A verifier takes a purpose of a leaf only where every authority above has it too (Go crypto/x509).
    if (
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes
        and not set(authorities.PURPOSES) <= purposes
    ):
        problems.append("it may not sign for both servers and clients (extendedKeyUsage)")
    return problems


def _field(secret: Mapping[str, Any], field: str) -> bytes:
    return base64.b64decode(dict(secret.get("data") or {})[field], validate=True)


def mark_of(secret: Mapping[str, Any] | None) -> str:
    """Return what a Secret holds, as `mark` does; a certificate of the same key is another one here."""
    try:
        found, _, beside, _ = _read(secret or {})
    except (KeyError, ValueError, TypeError, binascii.Error):
        return ""
    trusts = "+".join(authorities.key_id(each)[:16] for each in beside)
    return f"{trusts}.{found.fingerprint(hashes.SHA256()).hex()[:16]}"


def mark(trust: secrets.Trust, secret: Mapping[str, Any] | None, roots: Sequence[x509.Certificate]) -> str:
    """Return which roots and authority istiod will have: read at its start, so others restart it."""
    will = trust.objects[0] if trust.objects else secret
    own = ""
    if will is not None:
        field = TLS if is_tls(will) else CERTIFICATE
        own = authorities.key_id(x509.load_pem_x509_certificate(_field(will, field)))
    trusts = "+".join(authorities.key_id(each)[:16] for each in roots)
    return f"{trusts}.{own[:16]}"
