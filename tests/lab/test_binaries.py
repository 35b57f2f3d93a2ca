from __future__ import annotations

import dataclasses
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import binaries, build
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = pytest.mark.parametrize("family", binaries.FAMILIES, ids=lambda family: family.name)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, an empty PATH and no named folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(binaries.ENVIRONMENT, raising=False)
    (tmp_path / "bin").mkdir()
    return tmp_path


def _program(path: Path, words: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{words}'\n")
    path.chmod(0o755)
    return path


def test_a_program_that_is_nowhere_must_be_built(nowhere: Path) -> None:
    assert binaries.missing(["etcd", "kwok"]) == ("etcd", "kwok")
    assert build.estimate(["etcd"]).programs == ("etcd",)


@pytest.mark.parametrize(
    ("program", "words", "taken"),
    [
        ("etcd", "etcd Version: 3.4.30", True),
        ("etcd", "etcd Version: 3.3.25", False),
        ("kube-apiserver", "Kubernetes v1.36.0", True),
        ("kube-apiserver", "Kubernetes v1.35.9", False),
        ("kwok", "kwok version v0.8.1 go1.26", True),
        ("helm", "v3.18.4+gd80839c", True),
        ("helm", "v2.17.0", False),
        ("etcd", "no version at all", False),
    ],
)
def test_a_program_on_path_is_taken_in_a_version_that_was_proved(
    nowhere: Path, program: str, words: str, *, taken: bool
) -> None:
    path = _program(nowhere / "bin" / program, words)

    assert binaries.find(program) == (path.resolve() if taken else None)


def test_the_cache_comes_before_path(nowhere: Path) -> None:
    _program(nowhere / "bin" / "etcd", "etcd Version: 3.6.0")
    built = _program(binaries.family("etcd").folder / "etcd", "etcd Version: 3.7.3")

    assert binaries.find("etcd") == built


def test_a_named_folder_comes_first_and_alone(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(nowhere / "bin" / "kwok", "kwok version v0.8.0")
    etcd = _program(nowhere / "own" / "etcd", "anything")
    monkeypatch.setenv(binaries.ENVIRONMENT, str(nowhere / "own"))

    assert binaries.find("etcd") == etcd.resolve()
    with pytest.raises(errors.ToolError, match="kwok is not in"):
        binaries.find("kwok")


def test_without_go_the_error_says_what_to_install(nowhere: Path) -> None:
    with pytest.raises(errors.ToolError, match="Go is missing") as caught:
        build.ensure(["etcd"])

    assert "install Go 1.26 or later" in caught.value.remedy


def test_an_unknown_program_is_refused_with_those_there_are() -> None:
    with pytest.raises(errors.InputError, match="builds no 'dockerd'") as caught:
        binaries.family("dockerd")

    assert "kube-apiserver" in caught.value.remedy


@FAMILIES
def test_other_pins_or_flags_give_another_cache_folder(family: binaries.Family) -> None:
    assert family.folder != dataclasses.replace(family, stamps=(*family.stamps, "a.b=c")).folder


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")
@FAMILIES
def test_the_sums_of_the_pins_are_complete(family: binaries.Family) -> None:
    done = subprocess.run(
        ["go", "list", *family.flags, "-deps", *family.packages.values()],
        cwd=family.pins,
        env=build.environment(family),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")
def test_two_builds_at_once_build_once_with_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("GOCACHE", go.stdout.strip())  # what Go compiled before is under XDG_CACHE_HOME too
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(binaries.ENVIRONMENT, raising=False)
    heard: list[build.Progress] = []
    threads = [
        threading.Thread(target=build.ensure, args=(["etcd"],), kwargs={"report": heard.append})
        for _ in range(2)
    ]
    # PATH keeps go, and must offer no etcd of its own.
    monkeypatch.setattr(shutil, "which", lambda name: _which(name) if name == "go" else None)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    path = binaries.cached("etcd")
    assert path is not None
    assert binaries.version("etcd", path) >= (3, 7)
    assert [each.what for each in heard].count("done") == 1
    assert [each.name for each in path.parent.iterdir()] == ["etcd"]


_which = shutil.which
