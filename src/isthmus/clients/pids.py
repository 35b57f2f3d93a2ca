"""Says whether a process of this machine is gone, and only when that is certain.

A wrong "gone" would hand its lock to another process, so every doubt is answered with None. A start time in
seconds since the epoch moves when the wall clock is set; the kernel's ticks since boot do not.
"""

from __future__ import annotations

import os
from pathlib import Path

_DEAD = frozenset("ZX")  # proc(5): zombie, dead


def ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 where nobody tells, or it is dead."""
    fields = _stat(pid).rpartition(")")[2].split()  # a program's name may hold anything, so from its end on
    return int(fields[19]) if len(fields) > 19 and fields[0] not in _DEAD else 0


def is_running(pid: int, started: int) -> bool | None:
    """Say whether the process that started at that tick still runs; None when nobody can tell."""
    try:
        os.kill(pid, 0)  # unlike /proc, this also sees the processes that hidepid hides
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # somebody else's, or no number of ours: /proc decides
    return ticks(pid) == started if _stat(pid) else None


def _stat(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
