"""Public keys as the text that two places of a plan can compare: kind and base64, without the comment.

Only the shape is judged here (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4); the mathematics are in `clients`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

ED25519: Final = "ssh-ed25519"
RSA: Final = "ssh-rsa"
ED25519_BYTES: Final = 32
"""RFC 8032 §5.1.5."""

MIN_RSA_BITS: Final = 2048
"""NIST SP 800-131A rev. 2 table 2: less is disallowed for signatures."""


def canonical(text: str) -> str:
    """Return `kind base64` of a line of authorized_keys; ValueError says what is wrong with it."""
    kind, _, rest = text.partition(" ")
    written = rest.partition(" ")[0]
    try:
        blob = base64.b64decode(written, validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError):
        raise ValueError("its base64 is cut or damaged") from None
    if not fields or fields[0] != kind.encode():
        raise ValueError(f"its base64 holds no {kind} key")
    _sized(kind, fields[1:])
    return f"{kind} {base64.b64encode(blob).decode()}"


def fingerprint(key: str) -> str:
    """Return `SHA256:...` of a canonical key, as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(base64.b64decode(key.partition(" ")[2])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _fields(blob: bytes) -> list[bytes]:
    """Return the length-prefixed strings of a key (RFC 4251 §5); ValueError when one is cut."""
    fields: list[bytes] = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("cut")
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def _sized(kind: str, fields: list[bytes]) -> None:
    if kind == ED25519 and [len(each) for each in fields] != [ED25519_BYTES]:
        raise ValueError(f"an ed25519 key has {ED25519_BYTES} bytes")
    if kind != ED25519 and len(fields) != 2:
        raise ValueError("its base64 is cut or damaged")
    if kind == RSA and int.from_bytes(fields[1], "big").bit_length() < MIN_RSA_BITS:
        raise ValueError(f"an RSA key below {MIN_RSA_BITS} bits is no signature; make an ed25519 key")
