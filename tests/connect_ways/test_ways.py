"""Each way between clusters that this kernel has carries what the plan says; what it lacks is not proved."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

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


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "geneve": ("ip link add g0 type geneve id 1 remote 127.0.0.1", {"encapsulation": "geneve"}),
    "wireguard": ("ip link add w0 type wireguard", {"encryption": "wireguard"}),
}


@pytest.mark.parametrize("way", ASKED)
def test_a_way_that_this_kernel_lacks_is_told_before_anything_starts_and_one_that_it_has_carries_packets(
    way: str, ground: None, tmp_path: Path
) -> None:
    trial, network = ASKED[way]
    made = meshes.Ground(name=way, network=network)
    meshes.write(tmp_path, made)
    has_it = subprocess.run(["unshare", "--net", *trial.split()], capture_output=True, check=False).returncode
    with own_home() as home:
        if has_it == 0:
            states = meshes.states(meshes.make(tmp_path, made).verify())
            assert states == {(one, other): "ok" for one in meshes.CLUSTERS for other in meshes.CLUSTERS}
            return
        words = ["lab", "up", "--name", way, "--profile", "network", "-f", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "isthmus", *words], capture_output=True, text=True, check=False
        )

        assert done.returncode == 1
        assert f"{way}: not proved on this kernel" in done.stderr
        assert "run the lab on a kernel that has it" in done.stderr
        assert not list(home.rglob("*"))
