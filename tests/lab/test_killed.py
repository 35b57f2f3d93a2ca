"""A lab killed at any moment is found and removed, by recorded processes alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs

if TYPE_CHECKING:
    from tests.lab.conftest import Home

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

TIMES = (0.5, 1.5, 4.0)  # seconds, from the first files to nodes that register, depending on the machine

# Calls after which `up` kills itself, and how often each has been made by then: the first files and the last,
# a program at its gate without a record, one with a record that has not been let through, one let in.
CALLS = [
    *[("isthmus.lab.place.write", count) for count in (1, 2, 20, 40)],
    *[("os.posix_spawn", count) for count in (1, 2, 3, 4, 5, 8)],
    *[("isthmus.lab.place.write_json", count) for count in (1, 9, 10, 11)],
    *[("os.write", count) for count in (1, 2, 3, 4)],
]

SELF_KILL = """
import importlib, os, signal, sys, threading
from isthmus.lab import labs, spec
path, count = sys.argv[1], int(sys.argv[2])
module, _, name = path.rpartition(".")
owner, lock, made = importlib.import_module(module), threading.Lock(), [0]
real = getattr(owner, name)

def counted(*args, **named):
    with lock:
        found = real(*args, **named)
        made[0] += 1
        if made[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(owner, name, counted)
labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(2)))
"""


def _kill_up(home: Home, seconds: float) -> None:
    with subprocess.Popen(
        home.command("up", "--name", "a", "--clusters", "2"), env=home.env, stdout=subprocess.DEVNULL
    ) as running:
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
    _gates_close()


def _gates_close() -> None:
    time.sleep(0.5)  # a program at its gate sees that the pipe is closed


@pytest.mark.parametrize("seconds", TIMES)
def test_down_cleans_what_a_killed_up_left(home: Home, seconds: float) -> None:
    _kill_up(home, seconds)

    labs.down("a")

    assert home.processes() == []
    assert home.files() == []


@pytest.mark.parametrize(("call", "count"), CALLS)
def test_down_cleans_what_an_up_left_that_was_killed_between_two_steps(
    home: Home, call: str, count: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SELF_KILL, call, str(count)], env=home.env, check=False, timeout=100
    )
    assert done.returncode == -signal.SIGKILL
    _gates_close()

    labs.down("a")

    assert home.processes() == []
    assert home.files() == []


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_the_next_up_cleans_what_a_killed_up_left(home: Home, seconds: float) -> None:
    _kill_up(home, seconds)
    left = {each.pid for each in home.processes()}

    home.run("up", "--name", "a", "--clusters", "1")

    assert labs.get("a").is_up
    assert not left & {each.pid for each in home.processes()}
    assert len(home.processes()) == len(labs.get("a").clusters["west"].programs)


def test_a_down_that_is_killed_is_finished_by_the_next(home: Home) -> None:
    home.run("up", "--name", "a", "--clusters", "1")
    for seconds in (0.1, 0.15, 0.2, 0.25, 0.3):
        with subprocess.Popen(home.command("down", "--name", "a"), env=home.env) as running:
            time.sleep(seconds)
            running.kill()

    home.run("down", "--name", "a")

    assert home.processes() == []
    assert home.files() == []


def test_an_interrupted_up_removes_what_it_started(home: Home) -> None:
    with subprocess.Popen(
        home.command("up", "--name", "a", "--clusters", "2"),
        env=home.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while running.poll() is None and not home.processes():
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, words = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "Traceback" not in words
    assert home.processes() == []
    assert home.files() == []


def test_two_ups_of_one_lab_at_once_give_one_lab(home: Home) -> None:
    words = home.command("up", "--name", "a", "--clusters", "1")
    both = [subprocess.Popen(words, env=home.env, stdout=subprocess.DEVNULL) for _ in range(2)]

    assert [each.wait(timeout=120) for each in both] == [0, 0]
    assert len(home.processes()) == len(labs.get("a").clusters["west"].programs)
