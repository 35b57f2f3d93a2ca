from __future__ import annotations

import os
import subprocess
import sys


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


def test_the_script_for_a_shell_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "_ISTHMUS_COMPLETE" in done.stdout
