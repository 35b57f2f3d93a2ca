"""Each way between clusters that this kernel has carries what the plan says, to the byte.

Geneve, WireGuard and IPsec are not here: most kernels of labs lack them, and then nothing is proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connect_verify import meshes
from tests.lab_network.conftest import ground, own_home

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ground"]

pytestmark = [pytest.mark.lab, pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(900)]

WAYS = {
    "VXLAN over jumbo frames": (meshes.Ground(name="jumbo", path=9000, nodes=9000), 8950),
    "routed, with no tunnel": (meshes.Ground(name="native", path=1400, network={"routing": "native"}), 1400),
}


@pytest.mark.parametrize(
    "way", ["routed, with no tunnel", pytest.param("VXLAN over jumbo frames", marks=pytest.mark.long)]
)
def test_pods_reach_each_other_with_the_largest_packet_that_is_planned(
    way: str, ground: None, tmp_path: Path
) -> None:
    made, largest = WAYS[way]
    with own_home():
        found = meshes.make(tmp_path, made).verify()

    pairs = {(one, other): "ok" for one in meshes.CLUSTERS for other in meshes.CLUSTERS}
    assert meshes.states(found) == pairs
    for pair in (("west", "east"), ("east", "west")):
        assert meshes.proof(found, *pair, "packet")["figures"] == {"planned": largest, "largest": largest}
