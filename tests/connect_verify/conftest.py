"""One mesh of two real clusters for tests that ask from real pods; elsewhere they are skipped and say why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connect_verify import meshes
from tests.lab_network.conftest import ground, own_home

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ground"]


@pytest.fixture(scope="module")
def mesh(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[meshes.Mesh]:
    """Two clusters with Cilium and ClusterMesh, which each test leaves as it found them."""
    with own_home():
        yield meshes.make(tmp_path_factory.mktemp("shop"))
