from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.lab.images import elf


def test_a_program_names_its_loader_and_what_ldd_finds_first() -> None:
    shell = Path("/bin/sh").resolve()

    found = elf.needs(shell)
    loaded = subprocess.run(["ldd", str(shell)], capture_output=True, text=True, check=True).stdout

    assert found is not None
    assert found.loader in loaded
    assert found.libraries
    assert all(name in loaded for name in found.libraries)


def test_a_static_program_needs_nothing(programs: Path) -> None:
    pause = shutil.which("pause", path=":".join(str(each) for each in programs.glob("pods-*")))

    assert pause is not None
    assert elf.needs(Path(pause)) == elf.Needs()


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01", b"\x7fEL"])
def test_another_file_is_no_program(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert elf.needs(path) is None


@pytest.mark.parametrize("kept", [6, 40, 64, 400])
def test_a_program_that_was_cut_short_is_no_program(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(Path(sys.executable).resolve().read_bytes()[:kept])

    assert elf.needs(path) is None
