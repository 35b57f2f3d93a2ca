"""A lab with real nodes that is killed at any moment leaves nothing that the next `down` does not remove."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs, place
from tests.lab_network import nets

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("network"),
]

# Calls after which `up` kills itself, and how often each has been made by then.
CALLS = [
    ("isthmus.lab.network.limits._write", 1),
    *[("isthmus.lab.network.tools.Tools.run", count) for count in (5, 6, 9, 14, 20, 27)],
    ("isthmus.lab.network.groups.make", 1),
    ("isthmus.lab.images.store.clone", 1),
    *[("os.posix_spawn", count) for count in (1, 3, 5)],
    *[("os.write", count) for count in (2, 4)],
]

SELF_KILL = """
import functools, importlib, os, signal, sys, threading
from isthmus.lab import labs
from isthmus.lab.network import profile
from tests.lab_network import nets
path, count = sys.argv[1], int(sys.argv[2])
lock, made = threading.Lock(), [0]
words = path.split(".")
for length in range(len(words) - 1, 0, -1):
    try:
        owner = importlib.import_module(".".join(words[:length]))
        break
    except ImportError:
        pass
owner = functools.reduce(getattr, words[length:-1], owner)
real = getattr(owner, words[-1])

def counted(*args, **named):
    with lock:
        found = real(*args, **named)
        made[0] += 1
        if made[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(owner, words[-1], counted)
labs.up(nets.wanted("a", 2))
"""

SLOW_TRIAL = """
from isthmus.lab.network import requirements
requirements.TRIALS = {"a moment": "sleep 2"}
requirements.check()
"""


def _keys() -> list[str]:
    """Return the key of the lab, if it was planned before it was killed."""
    state = place.read_json(place.labs() / "a" / "lab.json")
    return [state["layout"]["key"]] if state else []


@pytest.mark.parametrize(("call", "count"), CALLS)
def test_down_cleans_what_an_up_left_that_was_killed_between_two_steps(
    home: Path, call: str, count: int
) -> None:
    done = subprocess.run([sys.executable, "-c", SELF_KILL, call, str(count)], check=False, timeout=200)
    assert done.returncode == -signal.SIGKILL
    keys = _keys()

    labs.down("a")

    assert nets.traces(home, keys) == []


@pytest.mark.parametrize("seconds", [0.8, 1.5, 3.0, 6.0])
def test_down_cleans_what_an_up_left_that_was_killed_at_some_time(home: Path, seconds: float) -> None:
    words = ["up", "--name", "a", "--profile", "network", "--clusters", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "isthmus", "lab", *words],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
    ) as running:
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
    keys = _keys()

    labs.down("a")

    assert nets.traces(home, keys) == []


def test_down_waits_for_the_trial_of_an_up_that_was_killed_in_it(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW_TRIAL], env=dict(os.environ)) as running:
        nets.until(lambda: list(home.glob(".trial-*")))
        running.send_signal(signal.SIGKILL)
    assert [each for each in nets.traces(home, []) if "process" in each]

    labs.down("a")

    assert nets.traces(home, []) == []


def test_the_next_up_cleans_what_a_killed_up_left(home: Path) -> None:
    count = str(CALLS[-1][1])
    subprocess.run([sys.executable, "-c", SELF_KILL, "os.write", count], check=False, timeout=200)

    lab = labs.up(nets.wanted("a"))

    assert lab.is_up
    assert not [each for each in nets.traces(home, _keys()) if "east" in each and "file" not in each]


def test_down_leaves_nothing_of_a_lab_that_was_whole(home: Path) -> None:
    labs.up(nets.wanted("a", 2))
    keys = _keys()
    assert nets.traces(home, keys)

    labs.down("a")

    assert nets.traces(home, keys) == []


def test_a_stopped_lab_keeps_its_files_alone_and_starts_again(home: Path) -> None:
    lab = labs.up(nets.wanted("a"))
    lab.api("west").create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "note"}})

    labs.down("a", keep=True)
    left = nets.traces(home, _keys())
    again = labs.up(lab.spec)

    assert [each for each in left if not each.startswith("file")] == []
    assert again.api("west").get("/api/v1/namespaces/default/configmaps/note")
    assert again.is_up
