"""A lab killed at any moment is found and removed, by recorded processes alone."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs

if TYPE_CHECKING:
    from tests.lab.conftest import Home

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

MOMENTS = (0.15, 0.25, 0.4, 0.6, 1.0, 2.0, 4.0)  # seconds: from Python's own start to nodes that register


def _kill_up(home: Home, seconds: float) -> None:
    with subprocess.Popen(
        home.command("up", "--name", "a", "--clusters", "2"), env=home.env, stdout=subprocess.DEVNULL
    ) as running:
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
    time.sleep(0.2)  # a gate sees its pipe close


@pytest.mark.parametrize("seconds", MOMENTS)
def test_down_cleans_what_a_killed_up_left(home: Home, seconds: float) -> None:
    _kill_up(home, seconds)

    home.run("down", "--name", "a")

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
        time.sleep(1.0)
        running.send_signal(signal.SIGINT)
        _, words = running.communicate(timeout=30)

    assert running.returncode == 130
    assert "Traceback" not in words
    assert home.processes() == []
    assert home.files() == []


def test_two_ups_of_one_lab_at_once_give_one_lab(home: Home) -> None:
    words = home.command("up", "--name", "a", "--clusters", "1")
    both = [subprocess.Popen(words, env=home.env, stdout=subprocess.DEVNULL) for _ in range(2)]

    assert [each.wait(timeout=120) for each in both] == [0, 0]
    assert len(home.processes()) == len(labs.get("a").clusters["west"].programs)
