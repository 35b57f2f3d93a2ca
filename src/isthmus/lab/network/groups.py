"""The cgroup folders of a lab: one for each node in every hierarchy that is mounted, v1, v2 or both.

A node's processes never leave its folders, so they are found there after anything; and its pods hang below
them, so that programs attached to a node's cgroup see no other node.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path("/sys/fs/cgroup")
_GONE_WITHIN: Final = 20.0  # seconds for killed processes to leave
_POLL: Final = 0.02  # seconds
_CPUSETS: Final = ("cpuset.cpus", "cpuset.mems")


@dataclasses.dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup file system: where, and its options as `mount -o` takes them ('' is v2)."""

    path: Path
    options: str

    @property
    def is_v2(self) -> bool:
        """Say whether it is the one hierarchy of cgroup v2, alone or beside others."""
        return not self.options


def hierarchies() -> tuple[Hierarchy, ...]:
    """Return what is mounted at or below /sys/fs/cgroup."""
    found: dict[Path, Hierarchy] = {}
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        path = Path(where)
        if kind in {"cgroup", "cgroup2"} and path.is_relative_to(ROOT):
            found[path] = Hierarchy(path, "" if kind == "cgroup2" else _controllers(options))
    return tuple(found.values())


def make(group: str) -> tuple[Path, ...]:
    """Make a folder in every hierarchy, ready to take processes; return them."""
    return tuple(_make(each, Path(group)) for each in hierarchies())


def end(group: str) -> None:
    """Kill every process in these folders, and remove them with all below."""
    deadline = time.monotonic() + _GONE_WITHIN
    for each in hierarchies():
        _end(each.path / group, deadline)


def processes(group: str) -> set[int]:
    """Return the processes in a group and below it; containers may come and go meanwhile."""
    # Not rglob: up to Python 3.12 it fails where a folder vanishes before it is looked into.
    return {
        pid for each in hierarchies() for folder in _below(each.path / group) for pid in _processes(folder)
    }


def _controllers(options: str) -> str:
    """Return the options that name a v1 hierarchy, without those of any mount."""
    names = [each for each in options.split(",") if each not in {"rw", "ro", "relatime", "xattr"}]
    usual = [
        each for each in names if not each.startswith(("nosuid", "nodev", "noexec", "release_agent", "clone"))
    ]
    return ",".join(["none", *usual] if any(each.startswith("name=") for each in usual) else usual)


def _make(hierarchy: Hierarchy, group: Path) -> Path:
    folder = hierarchy.path
    for part in group.parts:
        if hierarchy.is_v2:
            _enable_controllers(folder)
        above, folder = folder, folder / part
        folder.mkdir(exist_ok=True)
        for name in _CPUSETS:  # v1 takes no process into a folder without processors
            if not hierarchy.is_v2 and (folder / name).exists():
                (folder / name).write_text((above / name).read_text(encoding="ascii"), encoding="ascii")
    return folder


def _enable_controllers(folder: Path) -> None:
    for name in (folder / "cgroup.controllers").read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):  # one that somebody else's setting keeps away is not needed
            (folder / "cgroup.subtree_control").write_text(f"+{name}", encoding="ascii")


def _end(top: Path, deadline: float) -> None:
    """Remove a folder; processes may start others until they are dead, so look again and again."""
    while top.exists():
        for folder in _below(top):
            for pid in _processes(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                folder.rmdir()
        if time.monotonic() > deadline:
            left = [pid for folder in _below(top) for pid in _processes(folder)]
            raise errors.DeadlineError(
                f"processes of the lab did not end: {left or 'none is named'}",
                where=str(top),
                remedy="a process in state D waits for a disk or a file server; repeat `isthmus lab down`",
            )
        if top.exists():
            time.sleep(_POLL)


def _below(top: Path) -> Iterator[Path]:
    """Yield every folder, the deepest first."""
    for folder, _, _ in os.walk(top, topdown=False):
        yield Path(folder)


def _processes(folder: Path) -> list[int]:
    with contextlib.suppress(OSError):
        return [
            int(pid) for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split() if pid != "0"
        ]
    return []
