"""`connect up` ends when the agents have read one another; where they cannot, it says who and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connect_network import test_trust as agents
from tests.connect_network import worlds

if TYPE_CHECKING:
    from tests.connect_network.conftest import Connected

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("connected"),
]


def test_the_first_up_has_waited_until_agents_read_one_another(connected: Connected) -> None:
    assert "gate mesh passed: 2 agents in 2 clusters read the others" in connected.first.said


@pytest.mark.long
def test_a_mesh_that_cannot_be_read_holds_the_operation_and_resume_goes_on_there(
    connected: Connected,
) -> None:
    mesh, name = connected.mesh, connected.net.lab.name
    before = dict(mesh.network)
    # New mesh etcds know nothing of the other cluster until they have read it.
    note = {"clustermesh": {"apiserver": {"podAnnotations": {"isthmus.dev/test": "again"}}}}
    waits = {"waves": [list(worlds.CLUSTERS)], "timeout": "60s", "onFailure": "hold"}
    mesh.write(values={**worlds.VALUES, **note}, rollout=waits)

    mesh.run("lab", "fault", "cut", "west", "east", "--name", name)
    held = mesh.connect("up", "--yes", code=4)
    mesh.run("lab", "fault", "heal", "--name", name)
    done = mesh.connect("resume")

    mesh.network = before
    mesh.write()
    for cluster, other in (("west", "east"), ("east", "west")):
        told = f"on {cluster}-node-1 does not read {other}: Waiting for initial connection"
        assert told in held.out
        assert agents.whole(connected.net, cluster)
    assert "isthmus connect status" in held.out
    assert "gate mesh passed" in done.said
    assert "upgrade cilium" not in done.said
