"""Processes that outlive us, and that are known by pid and start time before they may run.

A program is started behind a gate: a shell waits for one line on its standard input, and that line is sent
only after the pid is on disk. A lab killed at any moment therefore leaves no process that its folder does
not name; one that waits at the gate ends when the pipe closes. Only processes that match pid and start time
are signalled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from isthmus.lab import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_GATE = 'read -r _ && exec "$@" </dev/null'
_CLOCK_STEP = 2.0  # seconds: psutil adds the boot time, which a step of the clock moves
_POLL = 0.02  # seconds


@dataclasses.dataclass(frozen=True)
class Process:
    """A recorded process: what `run/NAME.json` holds."""

    pid: int
    created: float
    argv: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Process | None:
        """Read a record; None when there is none."""
        data = place.read_json(path)
        if data is None:
            return None
        return cls(pid=data["pid"], created=data["created"], argv=tuple(data["argv"]))

    def live(self) -> psutil.Process | None:
        """Return the process if it is this one and has not ended: frozen counts, a zombie does not.

        The first thread of a killed program is a zombie before the others have ended and closed its ports.
        """
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) <= _CLOCK_STEP
            over = found.status() == psutil.STATUS_ZOMBIE and found.num_threads() <= 1
        except psutil.Error:
            return None
        return found if same and not over else None

    def is_running(self) -> bool:
        """Say whether the process still exists."""
        return self.live() is not None

    def is_frozen(self) -> bool:
        """Say whether the process is stopped by a signal."""
        found = self.live()
        with contextlib.suppress(psutil.Error):
            return found is not None and found.status() == psutil.STATUS_STOPPED
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process is still this one."""
        found = self.live()
        if found is not None:
            with contextlib.suppress(psutil.Error):
                found.send_signal(number)


def spawn(argv: Sequence[str], *, record: Path, log: Path, env: Mapping[str, str]) -> Process:
    """Start a program in a session of its own; it runs only once `record` is on disk."""
    with place.writing(log):
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    gate, opener = os.pipe()
    try:
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _GATE, "sh", *argv],
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, gate, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                *((os.POSIX_SPAWN_CLOSE, handle) for handle in _inherited()),
            ],
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGTERM],
            setsigmask=[],
        )
        started = Process(pid=pid, created=psutil.Process(pid).create_time(), argv=tuple(argv))
        place.write_json(record, dataclasses.asdict(started))
        os.write(opener, b"\n")
    finally:
        for handle in (gate, opener, output):
            os.close(handle)
    return started


def _inherited() -> list[int]:
    """Return what a child would inherit beyond the three: a lock of who started us, a pipe somebody reads."""
    found = []
    for path in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that listed them
            if int(path.name) > 2 and os.get_inheritable(int(path.name)):
                found.append(int(path.name))
    return found


def end(processes: Iterable[Process], *, patience: float) -> None:
    """End processes together: ask, wait `patience` seconds, then kill; with no patience kill at once."""
    asked = list(processes)
    if patience > 0:
        for each in asked:
            each.signal(signal.SIGTERM)
            each.signal(signal.SIGCONT)  # a frozen process takes the request only once it runs again
        _wait(asked, patience)
    for each in asked:
        each.signal(signal.SIGKILL)
    _wait(asked, 10.0)


def _wait(processes: Iterable[Process], seconds: float) -> None:
    left = list(processes)
    deadline = time.monotonic() + seconds
    while True:
        left = [each for each in left if not _is_gone(each)]
        if not left or time.monotonic() > deadline:
            return
        time.sleep(_POLL)


def _is_gone(process: Process) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)  # ours to reap only if we started it
    return not process.is_running()
