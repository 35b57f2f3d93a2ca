"""What names this machine and its pid namespace, so that nobody takes one process for another; see `pids`."""

from __future__ import annotations

import contextlib
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
