"""Where labs and binaries live on disk, and how files get there whole.

A lab's state is under `$ISTHMUS_HOME/labs/NAME`, else `$XDG_STATE_HOME/isthmus/labs/NAME`; binaries under
`$XDG_CACHE_HOME/isthmus/bin`, images and charts beside them, which labs of every home share. Nothing here
knows what the files mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL = 0.05  # seconds between two tries for a lock
_TRIAL_WITHIN = 60.0  # seconds: a trial takes less than one


def home() -> Path:
    """Return the folder of everything a lab remembers."""
    own = os.environ.get("ISTHMUS_HOME")
    if own:
        return Path(own)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "isthmus"


def labs() -> Path:
    """Return the folder that holds one folder for each lab."""
    return home() / "labs"


def cache(kind: str = "bin") -> Path:
    """Return the folder of what was made here and every lab shares: `bin`, `images`, `charts`."""
    own = os.environ.get("XDG_CACHE_HOME")
    return (Path(own) if own else Path.home() / ".cache") / "isthmus" / kind


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into the user's words."""
    try:
        yield
    except OSError as error:
        raise errors.DiskError(
            f"cannot write {path}",
            why=error.strerror or str(error),
            remedy="free space or rights there, or set ISTHMUS_HOME to another folder",
        ) from error


def write(path: Path, data: str | bytes) -> None:
    """Write a file that only its owner can read: whole, on disk, or not at all."""
    raw = data.encode() if isinstance(data, str) else data
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def write_json(path: Path, data: Any) -> None:
    """Write one JSON document; JSON is YAML too, so Kubernetes reads it as its own."""
    write(path, json.dumps(data, indent=1) + "\n")


def write_json_stream(path: Path, documents: list[Any]) -> None:
    """Write several documents as one YAML stream."""
    write(path, "".join(f"---\n{json.dumps(document, indent=1)}\n" for document in documents))


def copy(source: Path, target: Path) -> None:
    """Copy a file with its rights: whole or not at all."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with writing(target):
        shutil.copy2(source, draft)
        draft.replace(target)


def link(source: Path, target: Path) -> None:
    """Make a file the same as another; a copy of it on another file system."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        draft.hardlink_to(source)
    except OSError:
        copy(source, target)
        return
    with writing(target):
        draft.replace(target)
        draft.unlink(missing_ok=True)  # two links to one file stay both when one replaces the other


def read_json(path: Path) -> Any:
    """Return the document, or None when the file is missing or was cut short."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def locked(path: Path, what: str, *, seconds: float) -> Iterator[int]:
    """Hold `path` as a lock between processes and remove the file afterwards; yield its descriptor.

    The kernel drops the lock of a process that dies, so no lock outlives its holder, and the children that it
    gave the descriptor to.
    """
    handle = _take(path, what, seconds)
    try:
        yield handle
    finally:
        # Removed while still held: whoever waits on this inode sees that the path has moved on, and tries
        # again.
        path.unlink(missing_ok=True)
        os.close(handle)


def trying() -> contextlib.AbstractContextManager[int]:
    """Hold the lock of whoever tries out what this machine can do; a killed trial holds it to its end."""
    return locked(home() / ".trial.lock", "a trial of this machine", seconds=_TRIAL_WITHIN)


def _take(path: Path, what: str, seconds: float) -> int:
    end = time.monotonic() + seconds
    while True:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # the last lab took the folder with it
                continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode().strip()
            os.close(handle)
            if time.monotonic() > end:
                raise errors.ConflictError(
                    f"{what} is being changed by process {holder or 'unknown'}",
                    why=f"it did not finish within {seconds:.0f} s",
                    remedy="wait for it or end it, then repeat",
                ) from None
            time.sleep(_POLL)
            continue
        if _is_current(path, handle):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            return handle
        os.close(handle)


def _is_current(path: Path, handle: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False
