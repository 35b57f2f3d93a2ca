"""One mesh of two real clusters with a global service, which each fault leaves as it found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.doctor_network import worlds
from tests.lab_network.conftest import ground, own_home

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ground"]


@pytest.fixture(scope="package")
def world(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    """Two clusters with Cilium, ClusterMesh and one global service."""
    with own_home():
        yield worlds.make(tmp_path_factory.mktemp("shop"))
