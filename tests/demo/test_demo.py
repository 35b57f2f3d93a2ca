"""The demo tells the main job to its end, on fake nodes and on real ones, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import demoground
from isthmus.lab import labs
from isthmus.model import errors
from tests import labs as shared
from tests.lab_network.conftest import ground, new_home

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ground"]


def run(home: Path, *words: str) -> str:
    """Run the demo to its end and return what it printed."""
    env = {**os.environ, "ISTHMUS_HOME": str(home), "NO_PROXY": "*", "NO_COLOR": "1", "COLUMNS": "120"}
    env.pop("KUBECONFIG", None)
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "demo", str(home / "shop"), "--stop", *words], env=env,
        capture_output=True, text=True, timeout=800, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def rows(said: str, command: str) -> list[list[str]]:
    """Return the cells of what the last run of a command printed."""
    after = said.rpartition(f"$ isthmus {command} ")[2].partition("$ isthmus ")[0]
    return [line.split() for line in after.splitlines()[1:] if line.strip()]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose labs are removed by the next run even when this one is killed."""
    folder = new_home()
    monkeypatch.setenv("ISTHMUS_HOME", str(folder))
    return folder


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_fake_nodes_a_bad_version_takes_all_clusters_back(home: Path) -> None:
    said = run(home, "--profile", "control")

    assert "7. All three clusters are back" in said
    assert [row[:4] for row in rows(said, "deploy status")][2:5] == [
        [name, "3", "deployed", "cassandra-0.1.0"] for name in ("west", "east", "central")
    ]
    assert labs.names() == ()


@pytest.mark.lab
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_on_real_nodes_three_clusters_are_connected_and_proved_before_it(ground: None, home: Path) -> None:
    try:
        said = run(home, "--profile", "network")
    finally:
        shared.clear()

    names = ["west", "east", "central"]
    assert [row for row in rows(said, "connect verify") if row[1:] == ["ok"] * 3] == [
        [name, "ok", "ok", "ok"] for name in names
    ]
    assert [row[:3] for row in rows(said, "deploy status")][2:5] == [
        [name, "3", "deployed"] for name in names
    ]
    assert "9. All three clusters are back" in said
    assert labs.names() == ()


def test_where_no_real_node_can_run_the_demo_says_why_and_takes_fake_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path / "a:b"))  # a colon means something else to mount

    chosen = demoground.choose(demoground.Choice.AUTO)

    assert chosen.profile == "control"
    assert "cannot run here" in chosen.why
    assert demoground.choose(demoground.Choice.CONTROL).why == ""
    with pytest.raises(errors.ToolError, match="cannot run here"):
        demoground.choose(demoground.Choice.NETWORK)
