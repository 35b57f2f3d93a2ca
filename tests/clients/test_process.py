from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from isthmus.clients import process
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"]}
# The shell starts a child of its own, writes both numbers and waits.
FAMILY = 'sleep 60 & echo "$$ $!" >"$1"; wait'


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


def written(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


async def family(path: Path) -> list[int]:
    await until(lambda: bool(written(path)))
    return written(path)


async def until_gone(pid: int) -> None:
    await until(lambda: is_gone(pid))


async def test_output_and_exit_code_come_back() -> None:
    done = await process.run(["sh", "-c", "cat; echo no >&2; exit 3"], env=ENV, deadline=10, stdin=b"yes")

    assert (done.code, done.stdout, done.stderr) == (3, b"yes", b"no\n")


async def test_large_input_to_a_program_that_does_not_read_is_no_failure() -> None:
    done = await process.run(["true"], env=ENV, deadline=10, stdin=b"x" * 1_000_000)

    assert done.code == 0


async def test_a_program_gets_only_the_environment_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "top")

    done = await process.run(["env"], env=ENV, deadline=10)

    assert b"SECRET" not in done.stdout


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program"])
async def test_a_missing_program_is_told(name: str) -> None:
    with pytest.raises(errors.ToolError, match="is missing") as caught:
        await process.run([name], env=ENV, deadline=1)

    assert caught.value.remedy


async def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\x00\x01")
    path.chmod(0o755)

    with pytest.raises(errors.ToolError, match="Exec format error"):
        await process.run([str(path)], env=ENV, deadline=1)


async def test_a_deadline_ends_the_program_and_its_children(tmp_path: Path) -> None:
    with pytest.raises(errors.DeadlineError, match=r"did not end in 0\.5 s"):
        await process.run(["sh", "-c", FAMILY, "sh", str(tmp_path / "pids")], env=ENV, deadline=0.5)

    for pid in await family(tmp_path / "pids"):
        await until_gone(pid)


async def test_a_program_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    begin = time.monotonic()

    with pytest.raises(errors.DeadlineError):
        await process.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], env=ENV, deadline=0.3)

    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("steps", range(8))
async def test_a_cancellation_in_the_act_of_starting_leaves_nothing(tmp_path: Path, steps: int) -> None:
    argv = ["sh", "-c", FAMILY, "sh", str(tmp_path / "pids")]
    running = asyncio.create_task(process.run(argv, env=ENV, deadline=60))
    for _ in range(steps):
        await asyncio.sleep(0)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    for pid in written(tmp_path / "pids"):
        await until_gone(pid)


async def test_a_cancellation_ends_the_program_and_its_children(tmp_path: Path) -> None:
    argv = ["sh", "-c", FAMILY, "sh", str(tmp_path / "pids")]
    running = asyncio.create_task(process.run(argv, env=ENV, deadline=60))
    pids = await family(tmp_path / "pids")

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    for pid in pids:
        await until_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel can kill a child with its parent")
@pytest.mark.parametrize("announced", [False, True])
async def test_a_program_dies_with_its_killed_parent(tmp_path: Path, announced: bool) -> None:
    code = (
        "import asyncio, sys; from isthmus.clients import process\n"
        "hear = (lambda started: None) if sys.argv[2] == 'True' else None\n"
        "argv = ['sh', '-c', 'echo $$ >\"$1\"; exec sleep 60', 'sh', sys.argv[1]]\n"
        "asyncio.run(process.run(argv, env={'PATH': '/usr/bin:/bin'}, deadline=60, on_start=hear))"
    )
    args = [sys.executable, "-c", code, str(tmp_path / "pids"), str(announced)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(args, env=env) as parent:  # noqa: ASYNC220 - a parent that is no part of this loop
        (pid,) = await family(tmp_path / "pids")
        parent.kill()
        parent.wait()

    await until_gone(pid)


async def test_nothing_is_done_before_it_is_announced(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    seen: list[process.Started] = []

    async def hear(started: process.Started) -> None:
        await asyncio.sleep(0.3)
        seen.append(started)
        assert not mark.exists()
        assert process.is_running(started)

    done = await process.run(
        ["sh", "-c", 'echo $$ >"$1"', "sh", str(mark)], env=ENV, deadline=10, on_start=hear
    )

    assert done.code == 0
    assert int(mark.read_text()) == seen[0].pid
    assert not process.is_running(seen[0])


async def test_a_program_whose_announcement_fails_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def refuse(_: process.Started) -> None:
        raise errors.DeniedError("the journal is full")

    with pytest.raises(errors.DeniedError, match="the journal is full"):
        await process.run(["touch", str(mark)], env=ENV, deadline=10, on_start=refuse)
    await asyncio.sleep(0.2)

    assert not mark.exists()


async def test_no_descriptor_is_left_open() -> None:
    await process.run(["true"], env=ENV, deadline=10, on_start=lambda _: None)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted at once

    for _ in range(5):
        await process.run(["true"], env=ENV, deadline=10, on_start=lambda _: None)

    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208 - same
