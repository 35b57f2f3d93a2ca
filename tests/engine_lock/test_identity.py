from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from isthmus.clients import host, pids
from isthmus.engine import identity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells boots and pid namespaces")


@pytest.fixture
def child() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


def test_this_process_is_alive() -> None:
    assert identity.is_alive(identity.mine("op")) is True


def test_a_frozen_process_is_alive_and_a_dead_one_is_not(child: subprocess.Popen[bytes]) -> None:
    other = dataclasses.replace(identity.mine("op"), pid=child.pid, start_time=pids.ticks(child.pid))
    child.send_signal(signal.SIGSTOP)
    assert identity.is_alive(other) is True

    child.kill()
    deadline = time.monotonic() + 10
    while identity.is_alive(other) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert identity.is_alive(other) is False  # a zombie by now: nobody has waited for it
    child.wait()
    assert identity.is_alive(other) is False


def test_a_number_given_to_another_process_is_not_that_process() -> None:
    mine = identity.mine("op")

    assert identity.is_alive(dataclasses.replace(mine, start_time=mine.start_time - 1)) is False


@pytest.mark.parametrize("fields", [{"boot_id": "x"}, {"pid_namespace": "pid:[1]"}, {"start_time": 0}])
def test_nothing_is_known_of_processes_elsewhere(fields: dict[str, str | int]) -> None:
    body = dataclasses.asdict(identity.mine("op")) | {"pid": 2**22 - 1} | fields

    assert identity.is_alive(type(identity.mine("op"))(**body)) is None


def test_the_host_has_a_name_and_a_boot() -> None:
    assert host.name()
    assert host.boot()
    assert pids.ticks(os.getpid()) > 0
