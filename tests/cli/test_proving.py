"""What `connect verify` shows as it goes: a view on a terminal, lines in a pipe, nothing beside a document.

No cluster answers here: the way of a run through its phases, and what it leaves on the terminal, is the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("west", "east")
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""What a terminal is told of its cursor (xterm, DECTCEM)."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A Fleet whose API servers are away, and the kubeconfig that says so."""
    clusters = [
        {"name": name, "id": number, "context": name, "nodes": 1} for number, name in enumerate(NAMES, 1)
    ]
    fleet = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": "shop"},
        "spec": {
            "addressing": {
                "pods": {"supernets": ["10.0.0.0/10"]},
                "services": {"supernets": ["10.96.0.0/12"]},
            },
            "network": {"cni": "cilium"},
            "witness": {"context": "ops"},
            "clusters": clusters,
        },
    }
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(fleet), encoding="utf-8")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "away", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "away", "user": "me"}} for name in NAMES],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config), encoding="utf-8")
    return tmp_path


def _command(shop: Path, *more: str) -> tuple[list[str], dict[str, str]]:
    mine = {"KUBECONFIG": str(shop / "kubeconfig"), "NO_PROXY": "*", "TERM": "xterm", "COLUMNS": "90"}
    env = {**os.environ, **mine}
    return [sys.executable, "-m", "isthmus", "connect", "verify", "-f", str(shop), *more], env


def _piped(shop: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command, env = _command(shop, *more)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def _on_a_terminal(shop: Path) -> str:
    """Return all that a terminal is sent."""
    command, env = _command(shop)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # Linux says EIO when the other end is closed
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert process.wait(30) == 3
    return said.decode()


def test_on_a_terminal_the_view_is_gone_and_the_cursor_is_back_before_the_matrix_is_printed(
    shop: Path,
) -> None:
    said = _on_a_terminal(shop)

    assert "making probes" in said
    assert said.count(HIDDEN) == said.count(SHOWN) == 1
    after = said[said.index(SHOWN) :]
    assert "legs known" not in after
    assert re.search(r"FROM \\ TO +west +east", after)


def test_in_a_pipe_it_is_lines_without_any_escape(shop: Path) -> None:
    done = _piped(shop)

    assert "\x1b" not in done.stdout + done.stderr
    assert "legs known" not in done.stderr
    assert {line.partition(":")[0] for line in done.stderr.splitlines()} == set(NAMES)
    assert done.stdout.startswith("FROM \\ TO")


def test_beside_a_document_nothing_is_said(shop: Path) -> None:
    done = _piped(shop, "-o", "json")

    assert done.stderr == ""
    assert {each["cluster"] for each in json.loads(done.stdout)["clusters"]} == set(NAMES)
