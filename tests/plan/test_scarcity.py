"""Advice where space runs out, and the room that is left."""

from __future__ import annotations

import pytest

from isthmus.network.ipam import ranges
from tests.plan import worlds


def advice(*clusters: str, addressing: str) -> list[tuple[str, str]]:
    found = worlds.plan(*clusters, addressing=addressing).findings
    return [
        (each.severity.value, f"{each.message} → {each.remedy}")
        for each in found
        if each.code == "address-space-scarce"
    ]


def test_a_full_supernet_says_what_each_measure_would_free() -> None:
    clusters = ["a 1 nodes: 128, growth: 2", "b 2 nodes: 256"]
    [(severity, told)] = advice(*clusters, addressing="    pods: {supernets: [10.0.0.0/15]}\n")

    assert severity == "warning"
    assert "no room for the pods of one more cluster as large as the smallest" in told
    assert "`nodeMask: 25` where nothing is built: room for 2 more" in told
    assert "`nodeMask: 26` with at most 62 podsPerNode where nothing is built: room for 6 more" in told
    assert "100.64.0.0/10 (a second range, unless Tailscale or a carrier uses it): room for 64 more" in told
    assert "class E" in told


def test_less_growth_is_counted_and_a_small_newcomer_is_told() -> None:
    clusters = ["a 1 nodes: 128, growth: 2", "b 2 nodes: 50"]
    [(severity, told)] = advice(*clusters, addressing="    pods: {supernets: [10.0.0.0/16, 10.1.0.0/17]}\n")

    assert severity == "info"
    assert "as large as the largest, and for 1 as the smallest" in told
    assert "`growth: 1` everywhere: room for 1 more" in told


def test_gke_frees_by_fewer_pods_alone() -> None:
    [(_, told)] = advice(
        "a 1 nodes: 256, provider: gcp", addressing="    pods: {supernets: [10.0.0.0/16], nodeMask: 24}\n"
    )

    assert "`podsPerNode: 64` in GKE where nothing is built: room for 1 more" in told
    assert "nodeMask" not in told


@pytest.mark.parametrize(
    "addressing",
    ["    pods: {supernets: [10.0.0.0/10]}\n", "", "    pods: {supernets: [10.0.0.0/20]}\n"],
    ids=["room", "no addressing", "refused"],
)
def test_with_room_or_a_refusal_there_is_no_advice(addressing: str) -> None:
    assert advice("a 1 nodes: 100", addressing=addressing) == []


def test_each_cluster_knows_how_many_nodes_still_fit() -> None:
    planned = worlds.plan(
        "a 1 nodes: 30, growth: 3",
        "b 2 nodes: 30, pods: 10.32.0.0/21",
        "c 3 nodes: 2, nodeRange: 192.168.0.0/29",
        addressing="    pods: {supernets: [10.0.0.0/11]}\n",
    )

    room = [
        (each.cluster, each.nodes_now, each.nodes_planned, each.pods_fit, each.hosts_fit)
        for each in planned.room
    ]
    assert room == [("a", 30, 90, 128, None), ("b", 30, 30, 8, None), ("c", 2, 2, 2, 3)]
    assert [(each.nodes_fit, each.more) for each in planned.room] == [(128, 98), (8, -22), (2, 0)]


def test_room_without_any_range_is_unknown() -> None:
    [room] = worlds.plan("a 1", addressing="").room

    assert (room.nodes_fit, room.more) == (None, None)


def test_headroom_is_known_for_today_and_after_growth() -> None:
    planned = worlds.plan("a 1 nodes: 128, growth: 2", addressing="    pods: {supernets: [10.0.0.0/14]}\n")

    assert (planned.headroom[ranges.Role.PODS], planned.headroom_today[ranges.Role.PODS]) == (3, 7)
