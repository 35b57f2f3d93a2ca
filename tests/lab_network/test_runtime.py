"""What the script before runc takes out of a container's settings, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.lab.network import runtime

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS: dict[str, Any] = {
    "process": {
        "args": ["sh", "-c", "echo CAP_SYS_RESOURCE"],
        "capabilities": {
            "bounding": ["CAP_SYS_RESOURCE"],
            "effective": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
            "permitted": ["CAP_SYS_RESOURCE", "CAP_KILL"],
            "inheritable": ["CAP_BPF", "CAP_SYS_RESOURCE", "CAP_KILL"],
        },
    },
    "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"]}]}, "a": [1]},
}
LEFT = {
    "bounding": [],
    "effective": ["CAP_CHOWN"],
    "permitted": ["CAP_KILL"],
    "inheritable": ["CAP_BPF", "CAP_KILL"],
}


@pytest.mark.parametrize(
    ("file", "words"),
    [("config.json", ["create", "--bundle", "FOLDER", "x"]), ("exec", ["exec", "--process", "FILE", "x"])],
)
def test_what_this_machine_lacks_is_taken_out_and_runc_is_called_as_it_was(
    tmp_path: Path, file: str, words: list[str]
) -> None:
    (tmp_path / file).write_text(json.dumps(SETTINGS, separators=(",", ":")))
    (tmp_path / "script").write_text(runtime.script(["CAP_SYS_RESOURCE"]))
    (tmp_path / "runc").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "runc").chmod(0o755)
    called = [word.replace("FOLDER", str(tmp_path)).replace("FILE", str(tmp_path / file)) for word in words]

    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "script"), *called],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == called
    found = json.loads((tmp_path / file).read_text())
    assert found["process"]["capabilities"] == LEFT
    assert found["process"]["args"] == SETTINGS["process"]["args"]
    assert "seccomp" not in found["linux"]
    assert found["linux"]["a"] == [1]


def test_a_machine_that_lacks_nothing_changes_no_capability() -> None:
    assert "CAP_" not in runtime.script(runtime.lacking((1 << 41) - 1))


@given(st.integers(0, (1 << 41) - 1))
def test_each_bit_that_is_missing_is_one_capability(bounding: int) -> None:
    assert len(runtime.lacking(bounding)) == 41 - bounding.bit_count()


def test_bit_24_is_the_right_to_exceed_limits() -> None:
    assert runtime.lacking(((1 << 41) - 1) & ~(1 << 24)) == ["CAP_SYS_RESOURCE"]
