"""Private keys for signing: an OpenSSH file by ourselves, all others through ssh-keygen and the agent.

No passphrase is ever asked for: an encrypted key signs through `ssh-agent`, whose job it is to hold it.
"""

from __future__ import annotations

import base64
import dataclasses
import os
from typing import TYPE_CHECKING, Final

from isthmus.clients import files, process, signature
from isthmus.model import errors
from isthmus.network.consent import keys, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DEADLINE: Final = 120.0
"""Seconds for ssh-keygen: an agent may wait until a person confirms or touches a token."""

_OFFLINE: Final = (
    "Or sign elsewhere what `isthmus plan sign --print` prints, and bring it with `--signature FILE`."
)


@dataclasses.dataclass(frozen=True)
class Private:
    """A private key that is open: its public half, and how it signs bytes as SSH writes signatures."""

    public: str
    sign: Callable[[bytes], bytes] = dataclasses.field(repr=False)

    @property
    def blob(self) -> bytes:
        """The public half in bytes."""
        return base64.b64decode(self.public.partition(" ")[2])


@dataclasses.dataclass(frozen=True)
class Signer:
    """A key to sign with, opened or behind the agent; `public` is canonical."""

    public: str
    path: Path
    private: Private | None = None

    async def sign(self, text: str, *, env: Mapping[str, str] | None = None) -> str:
        """Return the armored signature of a text, proved before it is returned."""
        if self.private is not None:
            armored = signature.sign(self.private, text)
        else:
            armored = await _through_agent(self.path, text, os.environ if env is None else env)
        found = signature.verify(armored, text)
        if found.key != self.public:
            raise errors.ToolError(
                "the signature that was made is not good",
                where=str(self.path),
                why=found.why or "another key made it",
                remedy="Check that the .pub file beside the key is its own.",
            )
        return armored


def read(path: Path, *, agent: bool = False) -> Signer:
    """Return the signer of a key file; a .pub file and an encrypted key sign through the agent."""
    if path.suffix != ".pub" and not agent:
        private = _open(path)
        if private is not None:
            return Signer(private.public, path, private)
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return Signer(keys.canonical(files.read_text(public).strip()), public)
    except ValueError as error:
        raise errors.InputError(
            "the file is no public key", where=str(public), why=str(error), remedy="Give another --key."
        ) from error


def _open(path: Path) -> Private | None:
    """Return the key of an OpenSSH file, or None when it is encrypted."""
    from cryptography import exceptions  # noqa: PLC0415  # 40 ms that only signing pays
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # same

    try:
        key = serialization.load_ssh_private_key(files.read_bytes(path), None)
        line = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        public = keys.canonical(line.decode())
    except TypeError:  # what cryptography raises for a key with a passphrase
        return None
    except (ValueError, exceptions.UnsupportedAlgorithm):
        raise errors.InputError(
            "the file is no private key that OpenSSH writes",
            where=str(path),
            remedy="Make one: ssh-keygen -t ed25519. " + _OFFLINE,
        ) from None  # the cause may quote the file
    return Private(public, _way(key))


def _way(key: object) -> Callable[[bytes], bytes]:
    """Return how a key signs, in the form of PROTOCOL.sshsig."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415  # as above
        ec,
        ed25519,
        padding,
        rsa,
        utils,
    )

    def pack(kind: bytes, raw: bytes) -> bytes:
        return signature.string(kind) + signature.string(raw)

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return lambda message: pack(b"ssh-ed25519", key.sign(message))
    if isinstance(key, rsa.RSAPrivateKey):
        return lambda message: pack(b"rsa-sha2-512", key.sign(message, padding.PKCS1v15(), hashes.SHA512()))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        hashed = getattr(hashes, signature.CURVE_HASHES[key.curve.key_size])()

        def sign(message: bytes) -> bytes:
            numbers = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashed)))
            raw = b"".join(signature.string(_number(each)) for each in numbers)
            return pack(signature.curve(key.public_key()), raw)

        return sign
    raise errors.InputError("keys of this kind do not sign plans", remedy="Make one: ssh-keygen -t ed25519.")


def _number(value: int) -> bytes:
    """Return a positive number as SSH writes it: a first bit that is set gets a zero before it."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


async def _through_agent(public: Path, text: str, env: Mapping[str, str]) -> str:
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(public), "-n", seal.NAMESPACE]
    done = await process.run(argv, env=env, deadline=DEADLINE, stdin=text.encode())
    if done.code != 0:
        private = public.with_suffix("")
        raise errors.ToolError(
            "the agent did not sign",
            where=str(public),
            why=done.stderr.decode(errors="replace").strip(),
            remedy=f"Put the key into the agent: ssh-add {private}. {_OFFLINE}",
        )
    return done.stdout.decode(errors="replace")
