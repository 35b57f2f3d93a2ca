"""Runs other programs so that none outlives what it was started for.

A program runs in its own session and process group. On Linux the kernel kills it when our process dies, even
by SIGKILL; a deadline or a cancellation stops the whole group. Output is returned, never printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import inspect
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

GRACE = 2.0  # seconds between SIGTERM and SIGKILL: helm marks its release as failed in that time
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# The shell waits for a line from us before it becomes the program, so that `on_start` can record a process
# that has not done anything yet. End of file means that we died or failed: the program never runs.
_GATE = 'IFS= read -r go </dev/fd/"$1" || exit 125; shift; exec "$@"'


@dataclasses.dataclass(frozen=True)
class Started:
    """Names a process so that nobody takes another one, with the same number, for it."""

    host: str
    pid: int
    start_time: float
    """Seconds since the epoch."""


@dataclasses.dataclass(frozen=True)
class Completed:
    """What a program left."""

    code: int
    """Exit code; negative is the signal that ended it."""
    stdout: bytes = dataclasses.field(repr=False)
    stderr: bytes = dataclasses.field(repr=False)


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    deadline: float,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    on_start: Callable[[Started], Awaitable[None] | None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a program to its end, at most `deadline` seconds.

    With `on_start` the program does nothing before that call has returned, and never runs when it fails.
    """
    program = _found(argv[0], env)
    with _gate(wanted=on_start is not None) as gate:
        command = (
            [program, *argv[1:]]
            if gate is None
            else ["/bin/sh", "-c", _GATE, "sh", str(gate[0]), program, *argv[1:]]
        )
        fds = (*pass_fds, gate[0]) if gate else tuple(pass_fds)
        process = await _begin(command, env=env, cwd=cwd, fds=fds, has_input=stdin is not None)
        try:
            async with asyncio.timeout(deadline):
                if on_start is not None and gate is not None:
                    await _announce(on_start, process.pid)
                    os.write(gate[1], b"\n")
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError as error:
            await _stop(process)
            raise errors.DeadlineError(
                f"{_name(program)} did not end in {deadline:g} s",
                why="it was stopped with everything it had started",
                remedy="See what it waits for; then repeat with a longer deadline.",
            ) from error
        except BaseException:  # a cancellation too: whatever ends the call ends the program
            await _stop(process)
            raise
    assert process.returncode is not None
    return Completed(process.returncode, stdout, stderr)


def is_running(started: Started) -> bool:
    """Say whether that very process still runs on this host."""
    import psutil  # noqa: PLC0415 - 15 ms that only the start of a program pays

    try:
        return started.host == socket.gethostname() and _start_time(started.pid) == started.start_time
    except psutil.Error:
        return False


def _start_time(pid: int) -> float:
    import psutil  # noqa: PLC0415 - as above

    return float(psutil.Process(pid).create_time())


async def _announce(on_start: Callable[[Started], Awaitable[None] | None], pid: int) -> None:
    import psutil  # noqa: PLC0415 - as above

    try:
        started = Started(host=socket.gethostname(), pid=pid, start_time=_start_time(pid))
    except psutil.Error as error:
        raise errors.ToolError("the program ended before it started", why=str(error)) from error
    answer = on_start(started)
    if inspect.isawaitable(answer):
        await answer


def which(program: str, env: Mapping[str, str]) -> Path | None:
    """Return the program's path on PATH, or None."""
    found = shutil.which(program, path=env.get("PATH", os.defpath))
    return Path(found) if found else None


def _found(program: str, env: Mapping[str, str]) -> str:
    path = shutil.which(program, path=env.get("PATH", os.defpath))
    if path is None:
        raise errors.ToolError(
            f"{program} is missing",
            why="no executable file of that name was found",
            remedy="Install it, or put its folder on PATH.",
        )
    return path


def _name(program: str) -> str:
    return os.path.basename(program)  # noqa: PTH119 - a string in, a string out


@contextlib.contextmanager
def _gate(*, wanted: bool) -> Iterator[tuple[int, int] | None]:
    if not wanted:
        yield None
        return
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


async def _begin(command: Sequence[str], **options: Any) -> asyncio.subprocess.Process:
    """Start the program; cancelled in between, asyncio waits for ever for pipes that it never made."""
    spawning = asyncio.create_task(_spawn(command, **options))
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        await asyncio.wait({spawning})
        if spawning.exception() is None:
            await _stop(spawning.result())
        raise


async def _spawn(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, fds: Sequence[int], has_input: bool
) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe if has_input else asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            pass_fds=tuple(fds),
            preexec_fn=_leash(),
        )
    except OSError as error:
        raise errors.ToolError(
            f"cannot start {_name(command[0])}",
            why=files.reason(error),
            remedy="Check that the file is a program for this machine, and the limits on processes.",
        ) from error


def _leash() -> Callable[[], None] | None:
    """Return what the child runs before it becomes the program: it asks the kernel to die with us."""
    if sys.platform != "linux":
        return None
    prctl: Any = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: the child must not allocate much
    parent = os.getpid()

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # we died between the fork and the call above
            os._exit(125)

    return die_with_parent


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the group to end, then end it; a second cancellation skips the asking."""
    try:
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await process.wait()
    finally:
        _signal(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):  # a process in uninterruptible sleep cannot be waited for
                await process.communicate()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
