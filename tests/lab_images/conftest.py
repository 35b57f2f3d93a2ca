"""A cache of images of a test's own, beside the programs and packages that every test shares."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import binaries, build, place
from isthmus.lab.images import debian

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("pause", "probe", "containerd", "containerd-shim-runc-v2", "ctr", "runc")


@pytest.fixture(scope="session")
def programs() -> Path:
    """The cache of programs, with those that small images and their import need."""
    if binaries.missing(PROGRAMS) and shutil.which("go") is None:
        pytest.skip("Go is not on PATH")
    build.ensure(PROGRAMS)
    return place.cache()


@pytest.fixture(scope="session")
def packages() -> Path:
    """The unpacked Debian packages."""
    if not debian.target().is_dir() and shutil.which("apt-get") is None:
        pytest.skip("apt-get is not on PATH")
    with place.locked(place.cache("images") / ".lock", "the cache of images", seconds=300):
        return debian.root(lambda _: None)


@pytest.fixture
def cache(programs: Path, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = place.cache("images")
    folder.mkdir(parents=True)
    place.cache().symlink_to(programs)
    (folder / packages.name).symlink_to(packages)
    return folder


@pytest.fixture
def root() -> None:
    """Nothing, where containerd may mount."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount overlayfs")
