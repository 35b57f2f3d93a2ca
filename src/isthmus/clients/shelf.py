"""The folder `signatures` beside the documents: what was signed, and by whom, as small text files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "signatures"
SUFFIXES: Final = (".txt", ".sig")


def folder(source: Path) -> Path:
    """Return the folder of signatures of a folder of documents, or of the one file given."""
    return (source.parent if source.is_file() else source) / FOLDER


def read(source: Path) -> dict[str, str]:
    """Return the texts and signatures by file name; none where there is no such folder."""
    place = folder(source)
    try:
        names = sorted(each.name for each in place.iterdir() if each.suffix in SUFFIXES and each.is_file())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise errors.InputError(
            "cannot read the signatures",
            where=str(place),
            why=files.reason(error),
            remedy="Check the path and its rights.",
        ) from error
    # Bytes that are no text are a bad signature, and no reason to tell nothing of the others.
    return {name: files.read_bytes(place / name).decode(errors="replace") for name in names}


def write(source: Path, name: str, text: str) -> Path:
    """Write a text or a signature, and return where."""
    path = folder(source) / name
    files.write_atomic(path, text)
    return path


def drop(source: Path, name: str) -> None:
    """Remove a signature that no longer has a text."""
    path = folder(source) / name
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise files.refused(path, error) from error
