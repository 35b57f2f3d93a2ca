"""Labs with real nodes, on a Linux machine as root; elsewhere these tests are skipped and say why."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING

import psutil
import pytest

from isthmus.lab import labs, profiles, spec
from isthmus.model import errors
from tests import labs as shared
from tests.lab_network import nets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def ground() -> None:
    """Skip where no real node can run, or nothing is there to run on it."""
    profile = profiles.get(spec.LabSpec(profile=spec.NETWORK))
    try:
        profile.check()
        profile.find(None)
    except errors.ToolError as lacking:
        pytest.skip(f"{lacking.brief}; {lacking.remedy}")


def new_home() -> Path:
    """Return a folder for labs of this run alone, which `shared.clear` knows."""
    run = os.environ.get(shared.OWNER) or shared.owner(psutil.Process())
    folder = shared.homes() / f"{run}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def own_home() -> Iterator[Path]:
    """Give labs a home of their own until the end, when no lab and no file of it is left."""
    folder = new_home()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISTHMUS_HOME", str(folder))
        try:
            yield folder
        finally:
            shared.clear()
            shutil.rmtree(folder)


@pytest.fixture
def home(ground: None) -> Iterator[Path]:
    """A home of its own, without a lab again after the test."""
    with own_home() as folder:
        yield folder


@pytest.fixture(scope="package")
def net(ground: None) -> Iterator[nets.Net]:
    """One cluster with Cilium, which the tests of the run share and each leaves as it found it."""
    with own_home() as folder:
        net = nets.Net(labs.up(nets.wanted("one")), folder)
        net.install("west")
        yield net
