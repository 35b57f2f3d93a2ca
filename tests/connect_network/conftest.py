"""A lab with real nodes that `isthmus connect up` has connected; elsewhere tests are skipped and say why."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tests.connect_network import worlds
from tests.lab_network.conftest import ground, own_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab_network import nets
    from tests.shops import Done

__all__ = ["ground"]


@dataclasses.dataclass(frozen=True)
class Connected:
    """The mesh as the command line has it, and the lab below it."""

    mesh: worlds.Mesh
    net: nets.Net
    first: Done
    """What the first `connect up` said."""


@pytest.fixture(scope="package")
def connected(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    """Two clusters, bare at first, that the product has connected; the tests of the run share them."""
    with own_home() as home:
        mesh = worlds.Mesh(tmp_path_factory.mktemp("shop"), worlds.environment(home))
        mesh.write()
        net = mesh.up_lab()
        yield Connected(mesh, net, mesh.connect("up", "--yes"))
