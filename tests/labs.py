"""Real clusters for tests: one lab that all workers of a run share, and fresh ones to break.

`lab` is three clusters (west, east, central), started by the first test that asks and removed at the end of
the run; a lab that a killed run left is removed by the next. `namespace` is a new namespace in each of
them. A test that stops or freezes a server asks `new_lab` for a lab of its own.

`ISTHMUS_TEST_LAB=NAME` uses a lab that runs already (`isthmus lab up --name NAME`) and leaves it as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil
import pytest

from isthmus.lab import binaries, build, labs, place, spec

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "isthmus-test-"
OWNER = "ISTHMUS_TEST_OWNER"
SHARED = "ISTHMUS_TEST_LAB"


class NewLab(Protocol):
    """Starts a lab of a test's own."""

    def __call__(self, clusters: int = 1, *, etcd_quota: int | None = None) -> labs.Lab: ...


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a name that its workers inherit, and labs a home apart from the user's."""
    if hasattr(config, "workerinput"):
        return
    if SHARED not in os.environ:
        os.environ[OWNER] = owner(psutil.Process())
        os.environ["ISTHMUS_HOME"] = str(Path(tempfile.gettempdir()) / f"isthmus-tests-{os.getuid()}")
    _sweep()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the labs of this run when it is over; workers leave that to the process that started them."""
    if SHARED in os.environ or hasattr(config, "workerinput"):
        return
    owner = os.environ.pop(OWNER, None)
    for name in labs.names() if owner else ():
        if name.startswith(f"{PREFIX}{owner}"):
            labs.down(name)


@pytest.fixture(scope="session")
def lab() -> labs.Lab:
    """Three running clusters, west, east and central, which every test of the run shares."""
    shared = os.environ.get(SHARED)
    if shared:
        return labs.get(shared)
    build.ensure(binaries.CONTROL)
    with place.locked(place.home() / "shared.lock", "the lab of the tests", seconds=300):
        name = f"{PREFIX}{os.environ[OWNER]}"
        return labs.up(spec.LabSpec(name=name, clusters=spec.default_clusters(3)))


@pytest.fixture
def namespace(lab: labs.Lab) -> Iterator[str]:
    """A new namespace, the same name in every cluster of `lab`."""
    name = f"t-{secrets.token_hex(4)}"
    for cluster in lab.clusters:
        lab.api(cluster).create("/api/v1/namespaces", {"metadata": {"name": name}})
    for cluster in lab.clusters:
        _wait_for(lab, cluster, f"/api/v1/namespaces/{name}/serviceaccounts/default")
    yield name
    for cluster in lab.clusters:
        lab.api(cluster).delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def new_lab() -> Iterator[NewLab]:
    """Start labs that the test may break; they are removed after it."""
    mine = os.environ.get(OWNER) or owner(psutil.Process())
    build.ensure(binaries.CONTROL)
    made: list[str] = []

    def make(clusters: int = 1, *, etcd_quota: int | None = None) -> labs.Lab:
        made.append(f"{PREFIX}{mine}-{secrets.token_hex(2)}")
        wanted = spec.LabSpec(name=made[-1], clusters=spec.default_clusters(clusters), etcd_quota=etcd_quota)
        return labs.up(wanted)

    yield make
    for name in made:
        labs.down(name)


def owner(process: psutil.Process) -> str:
    """Return pid and start time (seconds, the last six digits) in a form that fits a lab's name."""
    return f"{process.pid}-{int(process.create_time()) % 1_000_000}"


def homes() -> Path:
    """Return the folder of homes that tests have for themselves, each named after its run."""
    return Path(tempfile.gettempdir()) / f"isthmus-tests-{os.getuid()}-homes"


def _sweep() -> None:
    """Remove labs of runs that were killed."""
    for name in labs.names():
        if name.startswith(PREFIX) and not _is_alive(name.removeprefix(PREFIX)):
            labs.down(name)
    usual = os.environ.get("ISTHMUS_HOME")
    for home in homes().glob("*"):
        if not _is_alive(home.name):
            os.environ["ISTHMUS_HOME"] = str(home)
            clear()
            shutil.rmtree(home, ignore_errors=True)
    if usual is None:
        os.environ.pop("ISTHMUS_HOME", None)
    else:
        os.environ["ISTHMUS_HOME"] = usual


def clear() -> None:
    """Remove every lab of the present home."""
    for name in labs.names():
        labs.down(name)


def _is_alive(run: str) -> bool:
    """Say whether the run that a lab or a home is named after, PID-START..., still goes on."""
    match = re.match(r"(\d+)-(\d+)", run)
    with contextlib.suppress(psutil.Error):
        created = int(psutil.Process(int(match[1])).create_time()) if match else 0
        return match is not None and abs(created % 1_000_000 - int(match[2])) <= 2
    return False


def _wait_for(lab: labs.Lab, cluster: str, path: str) -> Any:
    deadline = time.monotonic() + 30
    while True:
        found = lab.api(cluster).get(path)
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"{path} did not appear in {cluster}"
        time.sleep(0.05)
