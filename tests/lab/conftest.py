"""A home of a test's own, the command line in it, and a look for what a lab left."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from isthmus.lab import binaries, build
from tests import labs as shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Home:
    """A folder for labs, and `isthmus` run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "ISTHMUS_HOME": str(folder), "COLUMNS": "100"}

    def command(self, *args: str) -> list[str]:
        """Return the words of one command."""
        return [sys.executable, "-m", "isthmus", "lab", *args]

    def run(self, *args: str, code: int = 0) -> str:
        """Run a command that ends with `code` and return its output."""
        done = subprocess.run(
            self.command(*args), env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def processes(self) -> list[psutil.Process]:
        """Return every process on this machine that mentions this home: programs and gates alike."""
        found = []
        for each in psutil.process_iter(["cmdline", "status"]):
            words = " ".join(each.info["cmdline"] or [])
            if str(self.folder) in words and each.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(each)
        return found

    def files(self) -> list[Path]:
        """Return every file and folder below this home."""
        return list(self.folder.rglob("*"))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home of its own, empty again after the test; the next run clears it when this one is killed."""
    build.ensure(binaries.CONTROL)
    run = os.environ.get(shared.OWNER) or shared.owner(psutil.Process())
    folder = shared.homes() / f"{run}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ISTHMUS_HOME", str(folder))
    yield Home(folder)
    shared.clear()
    shutil.rmtree(folder)
