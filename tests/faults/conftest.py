"""Apps that live and are killed, many at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import connection
from tests import shops
from tests.faults import lives

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from isthmus.clients import kube
    from isthmus.lab import labs


@pytest.fixture
async def servers(lab: labs.Lab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sequence[kube.Cluster]]:
    """Every cluster as the user."""
    monkeypatch.setenv("KUBECONFIG", str(lab.kubeconfig_path))
    pairs = tuple((name, cluster.context) for name, cluster in lab.clusters.items())
    async with connection.opened(pairs, with_helm=False) as world:
        yield tuple(world.clusters.values())


@pytest.fixture
def born(lab: labs.Lab, servers: Sequence[kube.Cluster], tmp_path: Path) -> lives.Born:
    """Make Apps, each in a namespace of its own that ends with the life."""

    @contextlib.asynccontextmanager
    async def life() -> AsyncIterator[lives.Life]:
        async with lives.namespace(servers) as name:
            folder = tmp_path / name
            folder.mkdir()
            yield lives.Life(shops.make(lab, folder, name), servers)

    return life
