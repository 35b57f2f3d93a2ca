"""Faults that were killed while they were made, labs that go down with faults, and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs, place, process
from tests.lab_network import nets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab_fault.ends import Ends

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("network"),
]

# Makes a delay and kills itself right after the forwarder has started, before anything goes through it.
SELF_KILL = """
import os, signal
from isthmus.lab import labs, place, process
from isthmus.lab.faults import deeds, making, wires
real = wires.Wires.start
def start(self, ends):
    real(self, ends)
    os.kill(os.getpid(), signal.SIGKILL)
wires.Wires.start = start
with labs.held("a") as (lab, lock):
    deed = deeds.Delay(between=("west", "east"), round_trip=0.05, loss=0.0)
    making.Faults(lab, lock).make(making.Step(deed=deed))
"""


def _fault(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "lab", "fault", *words],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")


def _forwarders() -> list[process.Process]:
    """Return the forwarders of the lab that run."""
    found = map(process.Process.read, (place.labs() / "a" / "wires").glob("*.json"))
    return [each for each in found if each and each.is_running()]


def test_up_heals_what_a_killed_command_left_and_down_leaves_nothing_of_any_fault(home: Path) -> None:
    spec = labs.up(nets.wanted("a", 2)).spec
    key = nets.layout_of("a").key
    done = subprocess.run([sys.executable, "-c", SELF_KILL], check=False, timeout=100)
    assert done.returncode == -signal.SIGKILL
    listed = json.loads(_fault("list", "--name", "a", "-o", "json"))["faults"]
    assert [each["id"] for each in listed] == ["delay-1"]
    assert len(_forwarders()) == 1

    labs.up(spec)

    assert json.loads(_fault("list", "--name", "a", "-o", "json"))["faults"] == []
    assert _forwarders() == []
    _fault("delay", "west", "east", "80ms", "--loss", "1%", "--name", "a")
    _fault("cut", "west", "east", "--name", "a")
    _fault("freeze", "west", "west-node-1", "--name", "a")
    assert len(_forwarders()) == 1

    labs.down("a")

    assert nets.traces(home, [key]) == []


def test_the_command_line_makes_lists_and_heals(ends: Ends) -> None:
    name = ends.lab.name

    planned = _fault("delay", "west", "east", "40ms", "--loss", "2%", "--dry-run", "--name", name)
    nothing = _fault("list", "--name", name)
    made = _fault("delay", "west", "east", "40ms", "--loss", "2%", "--name", name)
    shown = _fault("list", "--name", name)
    healed = _fault("heal", "delay-1", "--name", name)

    assert planned == (
        "would be: the path west - east takes 40 ms more there and back, 2 % of packets lost each way\n"
    )
    assert nothing == f"lab {name}: no fault\n"
    assert f"heal it:  isthmus lab fault heal delay-1 --name {name}" in made
    assert "in force" in shown
    assert healed.startswith("healed delay-1: ")


def test_the_status_of_a_lab_names_its_faults(ends: Ends) -> None:
    name = ends.lab.name
    _fault("shrink", "west", "east", "1400", "--name", name)

    words = [sys.executable, "-m", "isthmus", "lab", "status", "--name", name, "-o", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)

    (found,) = json.loads(done.stdout)["labs"][0]["faults"]
    assert {**found, "since": ""} == {
        "id": "shrink-1",
        "kind": "shrink",
        "what": "the path west - east carries 1400 bytes, larger packets are answered with ICMP",
        "between": ["west", "east"],
        "cluster": None,
        "since": "",
        "state": "in force",
        "heal": f"isthmus lab fault heal shrink-1 --name {name}",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("cut", "west", "north"), "no region 'north'"),
        (("cut", "west", "west"), "same region"),
        (("shrink", "west", "east", "1500"), "cannot shrink to 1500"),
        (("delay", "west", "east", "0ms"), "no fault"),
        (("delay", "west", "east", "soon"), "no time"),
        (("delay", "west", "east", "1ms", "--loss", "200%"), "no part"),
        (("heal", "cut-9"), "no fault 'cut-9'"),
        (("thaw", "west", "etcd"), "was not frozen"),
        (("expire", "west", "admin"), "no certificate 'admin'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(ends: Ends, words: tuple[str, ...], told: str) -> None:
    assert told in _fault(*words, "--name", ends.lab.name, code=2)
