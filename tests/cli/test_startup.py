from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("rich", "pydantic", "lightkube", "httpx2", "yaml", "cryptography", "asyncio")


def _imported_by(arguments: list[str]) -> set[str]:
    run = "main.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    program = f"import sys; from isthmus.cli import main; {run}"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_what_the_root_shows_needs_no_heavy_library(arguments: list[str]) -> None:
    assert _imported_by(arguments).isdisjoint(HEAVY)


def test_help_of_the_root_imports_no_verb() -> None:
    verbs = {name for name in _imported_by(["--help"]) if name.startswith("isthmus.cli.")}

    assert verbs == {"isthmus.cli.main", "isthmus.cli.border", "isthmus.cli.prose"}
