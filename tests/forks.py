"""Starts Isthmus as forks of one warm process, for tests that need hundreds of processes.

Each is a process of its own, in a session of its own, that can be killed or frozen; only the half second of
imports is shared. What it says goes into a file, so that nobody has to read a pipe while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerProcess

REPO = Path(__file__).parent.parent
WARM = (
    "psutil", "lightkube", "tests.driver", "tests.forks", "isthmus.cli.main", "isthmus.cli.deploy",
    "isthmus.cli.progress", "isthmus.cli.connection", "isthmus.engine.deploy", "isthmus.engine.status",
    "isthmus.lab.labs", "isthmus.lab.binaries", "isthmus.clients.helm", "isthmus.render.deploy",
)  # fmt: skip

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(WARM))


@dataclasses.dataclass
class Child:
    """One process of Isthmus."""

    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Say whether it has not ended yet."""
        return self.process.is_alive()

    @property
    def said(self) -> str:
        """Everything it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def end(self, seconds: float) -> int:
        """Return its exit code, negative for the signal that ended it; fails after so many seconds.

        One thread alone may ask for the code: multiprocessing reads it from a pipe, also of other children
        whenever one starts, and gives 255 to the second of two that read at once.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.process.sentinel, ended.set)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), seconds)
        finally:
            loop.remove_reader(self.process.sentinel)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
        assert code is not None, f"still running after {seconds:g}s:\n{self.said}"
        return code


def driver(folder: Path, *args: str, env: Mapping[str, str]) -> Child:
    """Start tests/driver.py on a folder."""
    return _start("driver", (str(folder), *args), folder, env)


def deploy(folder: Path, verb: str, *args: str, env: Mapping[str, str]) -> Child:
    """Start `isthmus deploy VERB` on a folder, as a user has it."""
    yes = ("--yes",) if verb in {"up", "rollback", "down"} else ()
    return _start("cli", ("deploy", verb, *args, "-f", str(folder), *yes), folder, env)


def _start(what: str, argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> Child:
    handle, log = tempfile.mkstemp(dir=folder, prefix=f"{what}-", suffix=".log")
    os.close(handle)
    process = _context.Process(target=_become, args=(what, tuple(argv), str(folder), dict(env), log))
    process.start()
    return Child(process, Path(log))


def _become(what: str, argv: tuple[str, ...], folder: str, env: dict[str, str], log: str) -> None:
    """Be that program, in the child."""
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    from isthmus.cli import main
    from tests import driver as driving

    sys.exit(driving.main(argv) if what == "driver" else main.main(argv))
