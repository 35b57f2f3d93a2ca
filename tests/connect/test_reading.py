"""Which clusters an agent reads, by its own words, and when the gate `mesh` stands after a wave."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from isthmus.model import folder
from isthmus.rollout.connect import reading, system
from tests.connect.test_fleet import CLUSTERS, known, parse

ALL = {"nodes": True, "endpoints": True, "identities": True, "services": True}
# As an agent of Cilium 1.20 says it: what is false or zero is left out.
READY = {"name": "east", "connected": True, "ready": True, "status": "etcd: 1/1 connected", "synced": ALL}
STARTS = {"name": "east", "status": "Waiting for initial connection to be established", "synced": {}}
UNFETCHED = {
    "name": "east",
    "connected": True,
    "status": "etcd: 1/1 connected",
    "config": {"required": True},
    "num-failures": 1,
    "last-failure": "2026-11-28T00:26:02.123Z",
}
HALF = {"name": "east", "connected": True, "status": "etcd: 1/1 connected", "synced": {"nodes": True}}
CASES: list[tuple[list[dict[str, Any]], list[str]]] = [
    ([READY], []),
    ([READY, {"name": "north"}], []),
    ([STARTS], ["Waiting for initial connection"]),
    ([UNFETCHED], ["required and was not found", "1 failures, the last at 2026-11-28T00:26:02"]),
    ([HALF], ["not read yet: endpoints, identities, services"]),
    ([], ["has not been told of that cluster yet"]),
]


@pytest.mark.parametrize(("clusters", "words"), CASES)
def test_an_agent_reads_a_cluster_that_it_calls_ready_and_else_its_own_words_are_told(
    clusters: list[dict[str, Any]], words: list[str]
) -> None:
    found = reading.unread(reading.of_agent({"cluster-mesh": {"clusters": clusters}}), ["east"])

    assert sorted(found) == (["east"] if words else [])
    assert [each for each in words if each not in found["east"]] == []


def test_an_agent_without_a_mesh_reads_nobody() -> None:
    assert sorted(reading.unread(reading.of_agent({}), ["east", "north"])) == ["east", "north"]


def test_what_is_waited_for_names_agent_node_and_cluster_and_a_few_of_many() -> None:
    through = reading.Reader(pod="cilium-0", node="node-0")
    late = [
        reading.Reader(pod=f"cilium-{each}", node=f"node-{each}", unread={"east": "no route"})
        for each in range(1, 6)
    ]
    mute = reading.Reader(pod="cilium-9", node="node-9", silent="no connection")

    assert reading.waits("west", [through]) == ""
    assert reading.waits("west", [through, mute, late[0]]) == (
        "west: agent cilium-9 on node-9 cannot be asked: no connection; "
        "agent cilium-1 on node-1 does not read east: no route"
    )
    assert reading.waits("west", late).endswith("so do 2 more")


@pytest.mark.parametrize(
    ("stated", "clusters", "gates"),
    [
        ({}, 2, ["ready", "mesh"]),
        ({"rollout": {"timeout": "30s"}}, 2, ["ready", "mesh"]),
        ({"rollout": {"gates": ["ready"]}}, 2, ["ready"]),
        ({"rollout": {"gates": ["mesh", "approve"]}}, 2, ["mesh", "approve"]),
        ({}, 1, ["ready"]),
        ({"rollout": {"gates": ["ready", "mesh"]}}, 1, ["ready"]),
    ],
)
def test_clusters_have_read_one_another_after_each_wave_unless_the_fleet_says_otherwise(
    stated: dict[str, Any], clusters: int, gates: list[str]
) -> None:
    read = known(stated, *CLUSTERS[:clusters])

    assert [str(gate) for gate in system.shell(read).spec.rollout.gates] == gates


def test_an_app_has_no_such_gate() -> None:
    app = """
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {name: shop, namespace: shop}
spec: {chart: {path: chart}, clusters: {west: {}}, rollout: {gates: [ready, mesh]}}
"""

    fleet = {"apiVersion": "isthmus.dev/v1alpha1", "kind": "Fleet", "metadata": {"name": "shop"}}
    fleet |= {"spec": {"clusters": CLUSTERS}}
    said = folder.parse([("app.yaml", app), ("fleet.yaml", yaml.safe_dump(fleet))]).findings

    assert [each.code for each in said] == ["wrong-value"]
    assert "network.rollout.gates" in said[0].remedy
    assert parse({"rollout": {"gates": ["ready", "mesh"]}}).findings == ()
