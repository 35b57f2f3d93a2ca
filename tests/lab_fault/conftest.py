"""One bare lab of two regions that the tests of a run share; each leaves it healed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs
from tests.lab_fault import ends as worlds
from tests.lab_network import nets
from tests.lab_network.conftest import ground, home, own_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["ground", "home"]


@pytest.fixture(scope="package")
def _lab(ground: None) -> Iterator[tuple[Path, worlds.Ends]]:
    with own_home() as folder:
        lab = labs.up(nets.wanted("faulty", 2))
        west, east = nets.layout_of("faulty").nodes
        with worlds.started(east, worlds.ECHO):
            yield folder, worlds.Ends(lab, west, east)


@pytest.fixture
def ends(_lab: tuple[Path, worlds.Ends], monkeypatch: pytest.MonkeyPatch) -> Iterator[worlds.Ends]:
    """The shared lab, healed after the test."""
    folder, found = _lab
    monkeypatch.setenv("ISTHMUS_HOME", str(folder))
    yield found
    found.heal()
    assert found.states() == {}
