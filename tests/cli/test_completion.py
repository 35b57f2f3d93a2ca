from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


ASK = """
source <(isthmus completion bash)
COMP_WORDS=(isthmus vers); COMP_CWORD=1
_isthmus_completion isthmus
echo "${COMPREPLY[@]}"
"""


def _complete(words: str) -> list[str]:
    environment = {
        **os.environ,
        "_ISTHMUS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "isthmus"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_the_shell_completes_verbs() -> None:
    assert _complete("isthmus vers") == ["version"]


def test_the_shell_completes_what_is_below_a_verb() -> None:
    assert "--output" in _complete("isthmus version --out")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_for_a_shell_is_printed_without_asking_which_shell_runs(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "completion", shell],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "_ISTHMUS_COMPLETE" in done.stdout


def test_the_script_for_bash_completes_in_a_real_bash(tmp_path: Path) -> None:
    program = tmp_path / "isthmus"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m isthmus "$@"\n')
    program.chmod(0o755)

    done = subprocess.run(
        [
            "bash",
            "-c",
            ASK,
        ],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == ["version"]
