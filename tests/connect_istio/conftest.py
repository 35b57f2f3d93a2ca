"""One mesh of two real clusters with Istio for the tests of this folder; elsewhere they are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connect_istio import meshes
from tests.lab_network.conftest import ground, own_home

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ground"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes the mesh down after the other tests of its file, in whatever order these are."""
    mine = [place for place, item in enumerate(items) if "connect_istio/test_mesh" in item.nodeid]
    wanted = sorted((items[place] for place in mine), key=lambda item: item.name.startswith("test_down"))
    for place, item in zip(mine, wanted, strict=True):
        items[place] = item


@pytest.fixture(scope="module")
def mesh(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[meshes.Mesh]:
    """Two clusters with Cilium, ClusterMesh and Istio."""
    with own_home():
        yield meshes.make(tmp_path_factory.mktemp("shop"), "istio")
