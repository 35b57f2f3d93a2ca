"""What names this machine and its processes, so that nobody takes one process for another."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def name() -> str:
    """Return the host's name."""
    return socket.gethostname()


def boot() -> str:
    """Return what changes with every boot; where the system tells none, the boot time in seconds."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    import psutil  # noqa: PLC0415 - only systems without /proc pay for it

    return str(int(psutil.boot_time()))


def pid_namespace() -> str:
    """Return what a process number counts in: containers on one host have their own."""
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def started(number: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is no such process.

    Unlike a wall-clock time it is the same for every reader (proc(5), field 22 of stat).
    """
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return _started_without_proc(number) if not Path("/proc/self/stat").exists() else None
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold spaces
    return None if fields[0] == "Z" else int(fields[19])


def _started_without_proc(number: int) -> int | None:
    import psutil  # noqa: PLC0415 - only systems without /proc pay for it

    try:
        return int(psutil.Process(number).create_time() * 100)
    except psutil.NoSuchProcess:
        return None


def pid() -> int:
    """Return the number of this process."""
    return os.getpid()
