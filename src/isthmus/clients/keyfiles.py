"""An authority's certificate and private key on this machine: a folder with both, or one file with both.

A key that is written here is readable by its owner alone. What it is good for is not judged here.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

PAIRS: Final = (("ca.crt", "ca.key"), ("tls.crt", "tls.key"))
"""As we write them, and as cert-manager's Secrets have them."""
IGNORE: Final = ".gitignore"
_KEY: Final = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\s*", re.DOTALL
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """PEM texts, where they lie, and whether others of this machine may read the key."""

    certificate: bytes
    key: bytes = dataclasses.field(repr=False)
    where: str
    is_open: bool


def read(path: Path) -> Pair | None:
    """Return what lies there, None where nothing does yet."""
    if files.is_file(path):
        content = files.read_bytes(path)
        found = _KEY.search(content)
        if found is None:
            raise _half(path, "the file holds no private key")
        return Pair(certificate=_KEY.sub(b"", content), key=found[0], where=str(path), is_open=is_open(path))
    for names in PAIRS:
        certificate, key = (path / name for name in names)
        present = (files.is_file(certificate), files.is_file(key))
        if all(present):
            return Pair(
                certificate=files.read_bytes(certificate),
                key=files.read_bytes(key),
                where=str(key),
                is_open=is_open(key),
            )
        if any(present):
            raise _half(
                path, f"{names[1 - present.index(False)]} is there and {names[present.index(False)]} is not"
            )
    return None


def write(folder: Path, *, certificate: bytes, key: bytes) -> None:
    """Keep a new authority in a folder; no key that is there is ever replaced, and git does not see it."""
    if files.is_file(folder):
        raise errors.InputError("this is a file", where=str(folder), remedy="name a folder: --ca DIR")
    names = PAIRS[0]
    if any(files.is_file(folder / name) for name in names):
        raise errors.ConflictError(
            "an authority lies here already", where=str(folder), remedy="look whose it is; then run it again"
        )
    files.write_atomic(folder / IGNORE, "*.key\n")
    files.write_atomic(folder / names[1], key, mode=0o600)
    files.write_atomic(folder / names[0], certificate)


def swap(folder: Path, new: Path) -> None:
    """Put a new authority in the place of the one in a folder; the old key is deleted.

    A crash between leaves the new one where it was, and the swap is done again.
    """
    pair = read(new)
    if pair is None:
        raise _half(new, "there is no new authority")
    certificate, key = PAIRS[0]
    files.write_atomic(folder / key, pair.key, mode=0o600)
    files.write_atomic(folder / certificate, pair.certificate)
    for name in (key, certificate, IGNORE):
        (new / name).unlink(missing_ok=True)
    new.rmdir()


def is_open(path: Path) -> bool:
    """Say whether others of this machine may read a file."""
    return bool(path.stat().st_mode & 0o077)


def _half(path: Path, why: str) -> errors.InputError:
    return errors.InputError(
        "only half of an authority is here",
        where=str(path),
        why=why,
        remedy="put certificate and key there: ca.crt and ca.key, or both in one file",
    )
