"""Times programs as a user waits for them: from start to exit, each in a fresh process."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# A user's Python keeps the bytecode it compiled; where this run is told not to, start-up would be another.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

DEADLINE = 600.0
"""Seconds; the slowest program here takes one tenth of it."""


class FailedError(Exception):
    """A program that was to be timed failed, so that its time means nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a program."""

    seconds: float
    cpu: float
    """Seconds of all cores; on a busy machine this says more than the clock."""
    peak: int
    """Bytes of the largest resident set of the program and of each child it waited for."""
    output: str = dataclasses.field(repr=False)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
    codes: Sequence[int] = (0,),
) -> Run:
    """Run a program to its end; FailedError with its last words when it ends with another code."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **(env or {})},
            cwd=cwd,
        )
        deadline = threading.Timer(DEADLINE, process.kill)
        deadline.start()
        if process.stdin:
            process.stdin.write(stdin.encode())
            process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        deadline.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read().decode(errors="replace")
    if process.returncode not in codes:
        words = "\n".join(output.strip().splitlines()[-12:])
        raise FailedError(f"{' '.join(str(word) for word in argv)}: exit {process.returncode}\n{words}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(seconds=seconds, cpu=cpu, peak=usage.ru_maxrss * 1024, output=output)


def isthmus(*words: str | Path, env: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)) -> Run:
    """Run the command line of this tree."""
    return run([f"{sys.prefix}/bin/isthmus", *words], env=env, codes=codes)


def median(times: int, work: Callable[[], Run]) -> Run:
    """Return the median seconds of several runs, the median of their work, and the largest peak."""
    runs = [work() for _ in range(times)]
    return Run(
        seconds=statistics.median(run.seconds for run in runs),
        cpu=statistics.median(run.cpu for run in runs),
        peak=max(run.peak for run in runs),
        output=runs[-1].output,
    )
