"""Reads files that other tools wrote: one that cannot be read is told and hides no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 256 << 20
"""Bytes of a file that is read at all: a state of thousands of resources has tens of megabytes."""


def read(
    paths: Sequence[Path], suffixes: tuple[str, ...]
) -> tuple[list[tuple[str, str]], list[errors.InputError]]:
    """Return name and text of each file, and of each in a folder that has one of the suffixes.

    Hidden folders (`.terraform`, `.git`) and Helm charts are left out.
    """
    texts: list[tuple[str, str]] = []
    failed: list[errors.InputError] = []
    for path in dict.fromkeys(file for given in paths for file in _files(given, suffixes)):
        try:
            texts.append((str(path), _text(path)))
        except errors.InputError as error:
            failed.append(error)
    return texts, failed


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise errors.InputError(
            "the file is too large to be a description of clusters",
            where=str(path),
            why=f"it has more than {LARGEST >> 20} MiB",
            remedy="Name the files that tell of clusters.",
        )
    return files.read_text(path)


def _files(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise errors.InputError(
            "no such file or folder", where=str(path), remedy="Give files or folders that exist."
        )
    for root, folders, names in os.walk(path):
        here = Path(root)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (here / name / "Chart.yaml").exists()
        )
        yield from (
            here / name for name in sorted(names) if name.endswith(suffixes) and not name.startswith(".")
        )
