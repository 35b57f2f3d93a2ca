"""SSH signatures of files, as `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` checks them.

The format is PROTOCOL.sshsig of OpenSSH: the signature covers a purpose ("namespace") and the hash of the
message. Keys are ed25519, ECDSA on a NIST curve, or RSA with SHA-2; SHA-1 and certificates are refused. Who
may sign what is decided in `network`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final

from isthmus.network.consent import keys, seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from isthmus.clients import signer

MAGIC: Final = b"SSHSIG"
VERSION: Final = 1
BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
END: Final = "-----END SSH SIGNATURE-----"
WIDTH: Final = 70
"""Columns of base64, as ssh-keygen writes them."""

LONGEST: Final = 20_000
"""Characters of an armored signature; that of an RSA key of 16384 bits has about 6,000."""

HASHES: Final = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
RSA_HASHES: Final = {b"rsa-sha2-512": "SHA512", b"rsa-sha2-256": "SHA256"}
CURVE_HASHES: Final = {256: "SHA256", 384: "SHA384", 521: "SHA512"}
"""RFC 5656 §6.2.1: the hash of a curve by its bits."""


def verify(armored: str, text: str, *, namespace: str = seal.NAMESPACE) -> seal.Seal:
    """Return the key that signed the text for that purpose, or why the signature proves nothing."""
    try:
        key, purpose, hashed, signature = _read(armored)
        known = keys.canonical(f"{_first(key).decode()} {base64.b64encode(key).decode()}")
    except ValueError as error:
        return seal.Seal(fault=seal.Fault.UNREADABLE, why=str(error) or "it is no SSH signature")
    if purpose != namespace.encode():
        what = ascii(purpose[:60].decode(errors="replace"))
        return seal.Seal(fault=seal.Fault.PURPOSE, why=f"it was made for {what}")
    if not _is_good(known, signature, _message(purpose, hashed, text.encode())):
        return seal.Seal(fault=seal.Fault.FORGED, why="it was not made over this text")
    return seal.Seal(known)


def sign(private: signer.Private, text: str, *, namespace: str = seal.NAMESPACE) -> str:
    """Return the armored signature of a text by a private key."""
    message = _message(namespace.encode(), b"sha512", text.encode())
    fields = (private.blob, namespace.encode(), b"", b"sha512", private.sign(message))
    blob = MAGIC + VERSION.to_bytes(4, "big") + b"".join(map(string, fields))
    packed = base64.b64encode(blob).decode()
    lines = [packed[at : at + WIDTH] for at in range(0, len(packed), WIDTH)]
    return "\n".join([BEGIN, *lines, END]) + "\n"


def string(value: bytes) -> bytes:
    """Return bytes with their length before them (RFC 4251 §5)."""
    return len(value).to_bytes(4, "big") + value


def _message(purpose: bytes, hashed: bytes, message: bytes) -> bytes:
    digest = HASHES[hashed](message).digest()
    return MAGIC + b"".join(map(string, (purpose, b"", hashed, digest)))


def _read(armored: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Return key, purpose, hash and signature of an armored signature; ValueError when it is none."""
    body = armored.strip()
    if len(body) > LONGEST or not body.startswith(BEGIN) or not body.endswith(END):
        raise ValueError(f"it does not stand between '{BEGIN}' and '{END}'")
    try:
        blob = base64.b64decode("".join(body[len(BEGIN) : -len(END)].split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("its base64 is damaged") from None
    if not blob.startswith(MAGIC + VERSION.to_bytes(4, "big")):
        raise ValueError(f"it is no SSH signature of version {VERSION}")
    rest = blob[len(MAGIC) + 4 :]
    fields: list[bytes] = []
    for _ in range(5):
        field, rest = _cut(rest)
        fields.append(field)
    key, purpose, _reserved, hashed, signature = fields
    if rest or hashed not in HASHES:
        raise ValueError("it holds more or other than a signature does")
    return key, purpose, hashed, signature


def _cut(blob: bytes) -> tuple[bytes, bytes]:
    """Return the first string of a blob and what follows it."""
    size = int.from_bytes(blob[:4], "big")
    if len(blob) < 4 + size:
        raise ValueError("it is cut")
    return blob[4 : 4 + size], blob[4 + size :]


def _first(blob: bytes) -> bytes:
    kind, _ = _cut(blob)
    if not kind.isascii():
        raise ValueError("its key is damaged")
    return kind


def _is_good(key: str, signature: bytes, message: bytes) -> bool:
    """Say whether the inner signature is that key's over the message."""
    from cryptography import exceptions  # noqa: PLC0415  # 40 ms that only signed plans pay
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # same

    try:
        kind, rest = _cut(signature)
        raw, rest = _cut(rest)
        public = serialization.load_ssh_public_key(key.encode())
        if rest:
            return False
        _verify(public, kind, raw, message)
    except (exceptions.InvalidSignature, exceptions.UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify(public: object, kind: bytes, raw: bytes, message: bytes) -> None:
    """Raise unless the raw signature is of that key; ValueError when its kind does not fit the key."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415  # as above

    if isinstance(public, ed25519.Ed25519PublicKey) and kind == b"ssh-ed25519":
        public.verify(raw, message)
    elif isinstance(public, rsa.RSAPublicKey) and kind in RSA_HASHES:
        public.verify(raw, message, padding.PKCS1v15(), getattr(hashes, RSA_HASHES[kind])())
    elif isinstance(public, ec.EllipticCurvePublicKey) and kind == curve(public):
        hashed = getattr(hashes, CURVE_HASHES[public.curve.key_size])()
        public.verify(_der(raw), message, ec.ECDSA(hashed))
    else:
        raise ValueError("the signature is of another kind than its key")


def curve(public: ec.EllipticCurvePublicKey) -> bytes:
    """Return what SSH calls a key on that curve."""
    return f"ecdsa-sha2-nistp{public.curve.key_size}".encode()


def _der(raw: bytes) -> bytes:
    """Return the two numbers of an ECDSA signature as X9.62 has them; SSH has them as strings."""
    from cryptography.hazmat.primitives.asymmetric import utils  # noqa: PLC0415  # as above

    one, rest = _cut(raw)
    two, rest = _cut(rest)
    if rest:
        raise ValueError("it is damaged")
    return utils.encode_dss_signature(int.from_bytes(one, "big"), int.from_bytes(two, "big"))
