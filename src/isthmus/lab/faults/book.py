"""The book of a lab's faults: one file, written before a fault is made and after it is healed.

It changes nothing else; whoever writes holds the lab's lock.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from isthmus.lab import place
from isthmus.lab.faults import deeds

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path) -> tuple[deeds.Fault, ...]:
    """Return the faults of a lab, the oldest first."""
    data = place.read_json(_file(folder)) or {"faults": []}
    return tuple(deeds.Fault.from_json(each) for each in data["faults"])


def add(folder: Path, deed: deeds.Deed) -> deeds.Fault:
    """Write a fault down that is about to be made; no other that stands has its id."""
    known = read(folder)
    number = 1 + max((int(each.id.rpartition("-")[2]) for each in known), default=0)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    made = deeds.Fault(id=f"{deeds.kind(deed)}-{number}", since=now, deed=deed)
    _write(folder, (*known, made))
    return made


def strike(folder: Path, fault: deeds.Fault) -> None:
    """Strike out a fault that is healed."""
    _write(folder, tuple(each for each in read(folder) if each.id != fault.id))


def _write(folder: Path, known: tuple[deeds.Fault, ...]) -> None:
    if known:
        place.write_json(_file(folder), {"faults": [each.to_json() for each in known]})
    else:
        _file(folder).unlink(missing_ok=True)


def _file(folder: Path) -> Path:
    return folder / "faults.json"
