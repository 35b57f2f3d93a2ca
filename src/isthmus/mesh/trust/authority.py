"""An authority of the mesh, whose key lies in no cluster, and the certificates that it issues.

Whoever holds a key asks with a request, and the authority answers requests: neither needs the other's key.
The same random bytes and time give the same certificate. Where the key is kept is not known here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.mesh.trust.leaves import Leaf

Random = Callable[[int], bytes]
"""Gives so many random bytes."""
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

AUTHORITY_LIFE: Final = dt.timedelta(days=3650)
SUBORDINATE_LIFE: Final = dt.timedelta(days=730)
"""As Istio's own tools have it (tools/certs/Makefile.selfsigned.mk, INTERMEDIATE_DAYS)."""
LEAF_LIFE: Final = dt.timedelta(days=365)
"""As the chart's own (Cilium 1.20 values.yaml, clustermesh.apiserver.tls.auto.certValidityDuration)."""
SKEW: Final = dt.timedelta(hours=1)
"""Clocks of nodes differ: a certificate is good from an hour before it was made."""

PURPOSES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
"""What certificates are for, here."""
_ENDLESS: Final = 1 << 16
"""Levels below an authority that states no limit."""
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (NIST SP 800-186)."""


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate with its key, both PEM."""

    certificate: bytes
    key: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate authority that can sign."""

    certificate: x509.Certificate
    key: PrivateKey = dataclasses.field(repr=False)

    @property
    def key_id(self) -> str:
        """Its SubjectKeyId in hex: names do not tell authorities apart, all of Cilium's are 'Cilium CA'."""
        return key_id(self.certificate)

    @property
    def pem(self) -> bytes:
        """The certificate, without the key."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key."""
        return key_pem(self.key)


def create(name: str, *, random: Random, now: dt.datetime, below: int = 0) -> Authority:
    """Return a new self-signed authority, with so many levels of authorities `below` it."""
    key = new_key(random)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), random=random, now=now, life=AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    return Authority(builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True), key)


def delegate(authority: Authority, name: str, *, random: Random, now: dt.datetime) -> Issued:
    """Return an authority below this one, which may sign for workloads and for no further authority.

    It ends with the authority at the latest.
    """
    key = new_key(random)
    request = ask(key, name, signs=True)
    return Issued(certify(authority, request, random=random, now=now, signs=True), key_pem(key))


def issue(authority: Authority, leaf: Leaf, *, random: Random, now: dt.datetime) -> Issued:
    """Return a certificate for what a leaf names, with a key of its own, which the authority does not see.

    It ends with the authority at the latest.
    """
    key = new_key(random)
    return Issued(certify(authority, ask_for(key, leaf), random=random, now=now), key_pem(key))


def ask_for(key: PrivateKey, leaf: Leaf) -> bytes:
    """Return the request (PKCS #10, PEM) for a leaf's certificate."""
    wanted = [each for each, is_wanted in zip(PURPOSES, (leaf.server, leaf.client), strict=True) if is_wanted]
    more: list[x509.ExtensionType] = [x509.ExtendedKeyUsage(wanted)]
    if leaf.dns or leaf.addresses:
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in leaf.dns]
        names += [x509.IPAddress(ipaddress.ip_address(text)) for text in leaf.addresses]
        more.append(x509.SubjectAlternativeName(names))
    return ask(key, leaf.common_name, *more)


def ask(key: PrivateKey, name: str, *more: x509.ExtensionType, signs: bool = False) -> bytes:
    """Return a request (PKCS #10, PEM) made out to a name; with `signs` for an authority of workloads."""
    builder = x509.CertificateSigningRequestBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    builder = builder.add_extension(_constraints(signs=signs), critical=True)
    builder = builder.add_extension(_usage(signs=signs), critical=True)
    for each in more:
        builder = builder.add_extension(each, critical=False)
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=_deterministic(key))
    return signed.public_bytes(serialization.Encoding.PEM)


def certify(
    authority: Authority, request: bytes, *, random: Random, now: dt.datetime, signs: bool = False
) -> bytes:
    """Return the certificate (PEM) that a request asks for; ValueError for a request that is none.

    Of the request it takes name, key, hosts, and whether it is for servers and clients, and nothing else.
    Whether it may sign others is for the caller to say. It ends with the authority at the latest.
    """
    asked = x509.load_pem_x509_csr(request)
    public = asked.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) or not asked.is_signature_valid:
        raise ValueError("the request is not signed by its key, or that is neither ECDSA nor RSA")
    life = min(SUBORDINATE_LIFE if signs else LEAF_LIFE, authority.certificate.not_valid_after_utc - now)
    builder = _builder(
        asked.subject, authority.certificate.subject, public, random=random, now=now, life=life
    )
    builder = builder.add_extension(_constraints(signs=signs), critical=True)
    builder = builder.add_extension(_usage(signs=signs), critical=True)
    for each in () if signs else _granted(asked):
        builder = builder.add_extension(each, critical=False)
    builder = builder.add_extension(_identifier(authority.certificate), critical=False)
    signed = builder.sign(authority.key, hashes.SHA256(), ecdsa_deterministic=_deterministic(authority.key))
    return signed.public_bytes(serialization.Encoding.PEM)


def purposes(asked: x509.CertificateSigningRequest) -> tuple[x509.ObjectIdentifier, ...]:
    """Return of servers and clients those that a request is for."""
    try:
        found = asked.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(each for each in PURPOSES if each in found)


def hosts(asked: x509.CertificateSigningRequest) -> tuple[x509.GeneralName, ...]:
    """Return the DNS names and addresses that a request asks for; names of other kinds are not taken."""
    try:
        found = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(each for each in found if isinstance(each, x509.DNSName | x509.IPAddress))


def _granted(asked: x509.CertificateSigningRequest) -> Iterator[x509.ExtensionType]:
    if found := purposes(asked):
        yield x509.ExtendedKeyUsage(found)
    if names := hosts(asked):
        yield x509.SubjectAlternativeName(names)


def load(certificate: bytes, key: bytes, *, where: str, now: dt.datetime, below: int = 0) -> Authority:
    """Return an authority from PEM; InputError when it can sign nothing that holds.

    `below` is how many levels of authorities it has to allow below itself.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate)
        secret = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError):
        raise errors.InputError(  # not chained: the cause may quote the key
            "this is no certificate authority",
            where=where,
            why="it takes one certificate and its private key in PEM, the key without a passphrase",
            remedy="name a folder with ca.crt and ca.key, or one file with both: --ca PATH",
        ) from None
    if why := _unfit(found, secret, now, below):
        raise errors.InputError(
            "this authority cannot sign for the mesh",
            where=where,
            why=why,
            remedy="name another one: --ca PATH",
        )
    assert isinstance(secret, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return Authority(found, secret)


def load_key(text: bytes) -> PrivateKey:
    """Return a private key from PEM; ValueError where it is none that signs here."""
    try:
        found = serialization.load_pem_private_key(text, None)
    except TypeError:
        raise ValueError("it has a passphrase") from None
    if isinstance(found, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return found
    raise ValueError("it is neither ECDSA nor RSA")


def key_id(certificate: x509.Certificate) -> str:
    """Return the SubjectKeyId of a certificate in hex; of one without it what it would be."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(_public(certificate)).digest.hex()


def depth(certificate: x509.Certificate) -> int:
    """Return how many levels of authorities may be below a certificate; -1 where it may sign nothing."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return -1
    return -1 if not found.ca else _ENDLESS if found.path_length is None else found.path_length


def _unfit(certificate: x509.Certificate, key: object, now: dt.datetime, below: int) -> str:
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return "its key is neither ECDSA nor RSA"
    if _spki(key.public_key()) != _spki(_public(certificate)):
        return "the key is not that of the certificate"
    allowed = depth(certificate)
    if allowed < 0:
        return "the certificate may not sign others (basicConstraints CA is not set)"
    if allowed < below:
        return "it may have no authority below itself (pathlen of basicConstraints is 0)"
    if certificate.not_valid_after_utc <= now:
        return f"it ended at {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def _deterministic(key: PrivateKey) -> bool | None:
    return True if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _constraints(*, signs: bool) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=signs, path_length=0 if signs else None)


def _public(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return public


def _spki(public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_key(random: Random) -> ec.EllipticCurvePrivateKey:
    """Return a new private key on P-256."""
    # FIPS 186-5 A.2.1: 64 bits beyond the order make the bias of the remainder negligible.
    number = int.from_bytes(random(40), "big") % (_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as it is kept: PKCS #8, without a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    *,
    random: Random,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    serial = int.from_bytes(random(20), "big") >> 1 or 1  # RFC 5280 4.1.2.2: positive, at most 20 octets
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(bytes.fromhex(key_id(certificate)), None, None)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
