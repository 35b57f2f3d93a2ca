"""Local files: folders of documents, atomic writes, private temporary folders.

A write either leaves the whole new text or the old one, and a disk that refuses is a `DiskError` with the
path. Nothing here knows what is in a file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIXES = (".yaml", ".yml")
_PREFIX = "isthmus-run-"
_LOCK = ".in-use"


class Unread(NamedTuple):
    """A file of a folder that cannot be read: its name there, the line if one is to blame, and why."""

    name: str
    line: int | None
    why: str
    remedy: str


def read_text(path: Path) -> str:
    """Return the text of a file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise errors.InputError(
            "the file is not UTF-8 text", where=str(path), why=str(error), remedy="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise errors.InputError(
            "cannot read the file",
            where=str(path),
            why=reason(error),
            remedy="Check the path and its rights.",
        ) from error


def is_file(path: Path) -> bool:
    """Say whether there is such a file."""
    return path.is_file()


def is_folder(path: Path) -> bool:
    """Say whether there is such a folder."""
    return path.is_dir()


def absolute(path: Path) -> Path:
    """Return the path from the root on."""
    return path.absolute()


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.InputError(
            "cannot read the file",
            where=str(path),
            why=reason(error),
            remedy="Check the path and its rights.",
        ) from error


def read_folder(path: Path) -> list[tuple[str, str]]:
    """Return name (relative to the folder) and text of each YAML file, sorted by name, or of the one file.

    Folders that are Helm charts are skipped, because their templates are no documents; so are hidden ones.
    """
    return [(name, read_text(file)) for name, file in _named(path)]


def read_documents(path: Path) -> tuple[list[tuple[str, str]], list[Unread]]:
    """Return what `read_folder` does, of the files that can be read, and why the others cannot."""
    read: list[tuple[str, str]] = []
    unread: list[Unread] = []
    for name, file in _named(path):
        found = _document(name, file)
        if isinstance(found, Unread):
            unread.append(found)
        else:
            read.append((name, found))
    return read, unread


def _document(name: str, file: Path) -> str | Unread:
    check = "check the path and its rights"
    try:
        if file.exists() and not file.is_file():  # to open a pipe would wait for ever
            return Unread(name, None, "this is no file but a pipe, a socket or a device", "take it out")
        content = file.read_bytes()
    except OSError as error:
        return Unread(name, None, f"the file cannot be read: {reason(error)}", check)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        why = f"the byte 0x{content[error.start]:02x} is not UTF-8 text"
        return Unread(name, line, why, "save the file as UTF-8; is it binary?")


def _named(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    if not path.is_dir():
        raise errors.InputError(
            "no such file or folder",
            where=str(path),
            remedy="Give a folder with `-f`, or start one: `isthmus init`.",
        )
    return [(str(file.relative_to(path)), file) for file in sorted(_documents(path))]


def _closed(error: OSError) -> None:
    """Refuse a folder that cannot be listed, since what it holds would be missed in silence."""
    raise errors.InputError(
        "cannot read the folder",
        where=str(error.filename or ""),
        why=reason(error),
        remedy="Check the path and its rights.",
    ) from error


def _documents(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, onerror=_closed):
        here = Path(root)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (here / name / "Chart.yaml").exists()
        )
        yield from (here / name for name in names if name.endswith(_SUFFIXES) and not name.startswith("."))


def write_atomic(path: Path, text: str | bytes, mode: int = 0o644) -> None:
    """Write a file so that a reader, a crash or a full disk sees the old text or the new one, never half."""
    content = text.encode() if isinstance(text, str) else text
    scratch: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        Path(scratch).replace(path)
        scratch = None
    except OSError as error:
        raise refused(path, error) from error
    finally:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)


@contextlib.contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that only this user can read; it is removed at the end.

    A process that is killed cannot remove its folder, so the next one does: a folder in use is locked,
    and a lock dies with its owner.
    """
    base = parent or Path(tempfile.gettempdir())
    try:
        sweep(base)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError as error:
        raise refused(base, error) from error
    try:
        lock = _claim(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise refused(folder, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _claim(folder: Path) -> int:
    """Lock the folder for the life of this process; the lock has its name only once it is held."""
    scratch = folder / f"{_LOCK}.new"
    handle = os.open(scratch, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        scratch.rename(folder / _LOCK)
    except OSError:
        os.close(handle)
        raise
    return handle


def sweep(base: Path) -> None:
    """Remove private folders whose process is gone; one without a lock file is being made, so it stays."""
    for folder in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def refused(path: Path, error: OSError) -> errors.DiskError:
    """Return the error of a disk that did not take a write."""
    return errors.DiskError(
        "the disk refused a write",
        where=str(path),
        why=reason(error),
        remedy="Free space on that file system, or check that it is writable; then run the command again.",
    )


def full(path: Path) -> errors.DiskError:
    """Return the error of a disk that another program found full."""
    return refused(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def reason(error: OSError) -> str:
    """Return the operating system's words without the path, which the caller names."""
    return error.strerror or type(error).__name__
