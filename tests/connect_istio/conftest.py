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
    """Split the mesh after what needs it whole, and take it down last, in whatever order these are.

    Files with a lab of their own come first: no two stand side by side.
    """
    mine = [place for place, item in enumerate(items) if "connect_istio/" in item.nodeid]
    wanted = sorted((items[place] for place in mine), key=_turn)
    for place, item in zip(mine, wanted, strict=True):
        items[place] = item


def _turn(item: pytest.Item) -> int:
    if item.name.startswith("test_down"):
        return 3
    return next((turn for turn, file in enumerate(FILES, start=1) if file in item.nodeid), 0)


FILES = ("test_mesh", "test_networks")
"""That share the mesh, in this order."""


@pytest.fixture(scope="package")
def mesh(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[meshes.Mesh]:
    """Two clusters with Cilium, ClusterMesh and Istio."""
    with own_home():
        yield meshes.make(tmp_path_factory.mktemp("shop"), "istio")
