from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[process.Process]:
    started = _spawn(tmp_path, ["sleep", "60"])
    yield started
    process.end([started], patience=0)


def _spawn(folder: Path, argv: list[str]) -> process.Process:
    return process.spawn(argv, record=folder / "run" / "x.json", log=folder / "x.log", env=ENV)


def _until(condition: object, seconds: float = 5) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_program_runs_in_its_own_session_with_its_record_on_disk(
    tmp_path: Path, sleeper: process.Process
) -> None:
    assert process.Process.read(tmp_path / "run" / "x.json") == sleeper
    assert os.getsid(sleeper.pid) == sleeper.pid
    assert sleeper.is_running()


def test_a_program_keeps_no_descriptor_of_who_started_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # noqa: FBT003  # os says so; as flock(1) leaves its lock, a shell its pipe

    started = _spawn(tmp_path, ["sleep", "60"])
    os.close(writer)
    os.set_blocking(reader, False)
    try:
        _until(lambda: os.read(reader, 1) == b"")  # nobody else has the other end
    finally:
        process.end([started], patience=0)
        os.close(reader)


def test_a_program_whose_record_cannot_be_written_never_runs(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    mark = tmp_path / "ran"

    with pytest.raises(Exception, match="cannot write"):
        _spawn(tmp_path, ["touch", str(mark)])

    time.sleep(0.3)
    assert not mark.exists()


def test_a_program_whose_starter_is_killed_before_the_record_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = f"""
import os, pathlib, signal
from isthmus.lab import place, process
place.write_json = lambda path, data: os.kill(os.getpid(), signal.SIGKILL)
folder = pathlib.Path({str(tmp_path)!r})
process.spawn(["touch", {str(mark)!r}], record=folder / "r.json", log=folder / "x.log", env={ENV!r})
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=20)

    assert done.returncode == -signal.SIGKILL
    time.sleep(0.3)
    assert not mark.exists()


def test_a_frozen_program_is_told_and_ended(sleeper: process.Process) -> None:
    sleeper.signal(signal.SIGSTOP)
    _until(sleeper.is_frozen)

    process.end([sleeper], patience=1)

    assert not sleeper.is_running()


def test_a_program_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    stubborn = _spawn(tmp_path, ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
    _until((tmp_path / "x.log").read_text)

    process.end([stubborn], patience=0.2)

    assert not stubborn.is_running()


def test_another_process_under_a_recorded_pid_is_left_alone(sleeper: process.Process) -> None:
    stranger = dataclasses.replace(sleeper, created=sleeper.created - 60)

    assert not stranger.is_running()
    process.end([stranger], patience=0)
    assert sleeper.is_running()
