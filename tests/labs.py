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
    if SHARED in os.environ or hasattr(config, "workerinput"):
        return
    myself = psutil.Process()
    os.environ[OWNER] = owner(myself)
    os.environ["ISTHMUS_HOME"] = str(Path(tempfile.gettempdir()) / f"isthmus-tests-{os.getuid()}")


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
        _sweep()
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


def _sweep() -> None:
    """Remove labs of runs that were killed."""
    for name in labs.names():
        match = re.match(rf"{PREFIX}(\d+)-(\d+)", name)
        if match and not _is_alive(int(match[1]), int(match[2])):
            labs.down(name)


def _is_alive(pid: int, created: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return abs(int(psutil.Process(pid).create_time()) % 1_000_000 - created) <= 2
    return False


def _wait_for(lab: labs.Lab, cluster: str, path: str) -> Any:
    deadline = time.monotonic() + 30
    while True:
        found = lab.api(cluster).get(path)
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"{path} did not appear in {cluster}"
        time.sleep(0.05)
