"""A folder of requests that somebody else signs: NAME.csr goes, NAME.crt comes back, NAME.key stays.

`root.crt` has the roots. Keys are readable by their owner alone and are never written over.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.clients import files, keyfiles

if TYPE_CHECKING:
    from pathlib import Path

ROOT: Final = "root.crt"
REQUEST, CERTIFICATE, KEY = ".csr", ".crt", ".key"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """What lies in the folder for one name, PEM texts; None for what is not there."""

    request: bytes | None
    certificate: bytes | None
    key: bytes | None = dataclasses.field(repr=False)
    is_open: bool
    """Whether others of this machine may read the key."""


def read(folder: Path, name: str) -> Piece:
    """Return what lies there for a name."""
    key = folder / f"{name}{KEY}"
    found = _maybe(key)
    return Piece(
        request=_maybe(folder / f"{name}{REQUEST}"),
        certificate=_maybe(folder / f"{name}{CERTIFICATE}"),
        key=found,
        is_open=found is not None and keyfiles.is_open(key),
    )


def names(folder: Path) -> tuple[str, ...]:
    """Return the names of all requests in a folder, sorted."""
    return tuple(sorted(path.name.removesuffix(REQUEST) for path in folder.glob(f"*{REQUEST}")))


def roots(folder: Path) -> bytes | None:
    """Return the roots; None where nobody brought them."""
    return _maybe(folder / ROOT)


def write_request(folder: Path, name: str, *, request: bytes, key: bytes | None) -> None:
    """Write a request, and its key where that is new."""
    if key is not None:
        files.write_atomic(folder / keyfiles.IGNORE, "*.key\n")
        files.write_atomic(folder / f"{name}{KEY}", key, mode=0o600)
    files.write_atomic(folder / f"{name}{REQUEST}", request)


def write_certificate(folder: Path, name: str, certificate: bytes) -> None:
    """Write what was signed."""
    files.write_atomic(folder / f"{name}{CERTIFICATE}", certificate)


def write_roots(folder: Path, certificates: bytes) -> None:
    """Write the roots."""
    files.write_atomic(folder / ROOT, certificates)


def _maybe(path: Path) -> bytes | None:
    return files.read_bytes(path) if files.is_file(path) else None
