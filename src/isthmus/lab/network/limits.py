"""The one setting of the host that real nodes need raised, and set back when the last lab goes.

A kubelet, a containerd and an agent each watch files, and the kernel counts that for all of root. Labs of
every home note themselves in one file, so that none takes the room from another. Nothing else of the host is
changed (`machine` masks what programs of nodes would write).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from isthmus.lab import place

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOM: Final = Path("/proc/sys/fs/inotify/max_user_instances")
_WANTED: Final = 4096
"""Of the kernel's 128; a cluster with a node takes about 50, and other programs of root count as well."""
_NOTES: Final = Path("/run/isthmus")
_WITHIN: Final = 30.0  # seconds


def take(key: str, folder: Path) -> None:
    """Note that a lab needs room, and make it."""
    with _noted() as notes:
        notes["labs"][key] = str(folder)
        now = int(_ROOM.read_text(encoding="ascii"))
        if now < _WANTED:
            notes["was"] = now
            _write(notes)  # before it is done, so that it is undone after a kill
            _ROOM.write_text(str(_WANTED), encoding="ascii")


def give_back(key: str) -> None:
    """Note that a lab is gone; the last sets back what was. Labs without a folder count as gone."""
    if not _NOTES.is_dir():
        return
    with _noted() as notes:
        notes["labs"].pop(key, None)


@contextlib.contextmanager
def _noted() -> Iterator[dict[str, Any]]:
    with place.locked(_NOTES.with_name("isthmus.lock"), "the host's limits", seconds=_WITHIN):
        notes = place.read_json(_NOTES / "limits.json") or {"was": None, "labs": {}}
        yield notes
        notes["labs"] = {key: text for key, text in notes["labs"].items() if Path(text).is_dir()}
        if notes["labs"]:
            _write(notes)
            return
        if notes["was"] is not None and int(_ROOM.read_text(encoding="ascii")) == _WANTED:
            _ROOM.write_text(str(notes["was"]), encoding="ascii")
        (_NOTES / "limits.json").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            _NOTES.rmdir()


def _write(notes: dict[str, Any]) -> None:
    place.write_json(_NOTES / "limits.json", notes)
