from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.address import prefix, space
from isthmus.network.ipam import give, ranges
from tests.plan import worlds


def test_each_cluster_gets_what_its_nodes_pods_and_growth_need() -> None:
    planned = worlds.plan("west 1 nodes: 30, growth: 3", "east 2 nodes: 30", "central 3")

    assert [each.to_json() for each in planned.clusters] == [
        {"name": "west", "id": 1, "pods": "10.0.0.0/17", "services": "10.96.0.0/20", "nodes": "10.64.0.0/25"},
        {
            "name": "east",
            "id": 2,
            "pods": "10.0.128.0/19",
            "services": "10.96.16.0/20",
            "nodes": "10.64.0.128/26",
        },
        {
            "name": "central",
            "id": 3,
            "pods": "10.0.160.0/22",
            "services": "10.96.32.0/20",
            "nodes": "10.64.0.192/29",
        },
    ]
    assert worlds.told(planned) == []


def test_pinned_ranges_stay_and_others_go_around_them() -> None:
    planned = worlds.plan(
        "west 1", "east 2 pods: 10.0.0.0/16, nodeRange: 10.64.0.0/24, services: 10.96.0.0/20"
    )

    assert planned.clusters[1].to_json()["pods"] == "10.0.0.0/16"
    assert [planned.clusters[0].text(role) for role in ranges.Role] == [
        "10.1.0.0/22",
        "10.96.16.0/20",
        "10.64.1.0/29",
    ]


def test_nothing_is_given_from_the_avoid_list_or_reserved_ranges() -> None:
    addressing = (
        "    avoid: [172.16.0.0/16, 172.17.0.0/24]\n    pods: {supernets: [169.254.0.0/16, 172.16.0.0/15]}\n"
    )

    assert worlds.plan("a 1", addressing=addressing).clusters[0].to_json()["pods"] == "172.17.4.0/22"


def test_ipv6_is_planned_alike() -> None:
    addressing = (
        "    pods: {supernets: ['fd00:10::/48']}\n"
        "    services: {supernets: ['fd00:20::/64']}\n"
        "    nodes: {supernets: [10.64.0.0/12]}\n"
    )

    assert worlds.plan("a 1", addressing=addressing).clusters[0].to_json() == {
        "name": "a",
        "id": 1,
        "pods": "fd00:10::/62",
        "services": "fd00:20::/112",
        "nodes": "10.64.0.0/29",
    }


def test_a_fleet_without_addressing_keeps_what_is_pinned() -> None:
    planned = worlds.plan("a 1 pods: 10.1.0.0/16", "b 2", "c 3", addressing="")

    assert [each.to_json()["pods"] for each in planned.clusters] == ["10.1.0.0/16", None, None]
    assert planned.findings == ()


def test_the_order_in_the_file_does_not_matter() -> None:
    clusters = ("a 1 nodes: 9", "b 2 nodes: 90", "c 3")
    forward, backward = worlds.plan(*clusters), worlds.plan(*reversed(clusters))

    assert forward.clusters == tuple(reversed(backward.clusters))


DUAL = (
    "    avoid: [10.0.64.0/18, 172.17.0.0/16, 'fd00:10:0:40::/58']\n"
    "    pods: {supernets: [10.0.0.0/14, 'fd00:10::/48'], nodeMask: 25}\n"
    "    services: {supernets: ['fd00:20::/64', 10.96.0.0/14], mask: 22, maskV6: 116}\n"
    "    nodes: {supernets: [10.64.0.0/14]}\n"
)


def test_two_families_give_a_range_of_each() -> None:
    planned = worlds.plan("a 1 nodes: 30", "b 2 pods: 10.0.0.0/18", addressing=DUAL)

    assert [each.to_json() for each in planned.clusters] == [
        {
            "name": "a",
            "id": 1,
            "pods": "10.0.128.0/20,fd00:10::/59",
            "services": "10.96.0.0/22,fd00:20::/116",
            "nodes": "10.64.0.0/26",
        },
        {
            "name": "b",
            "id": 2,
            "pods": "10.0.0.0/18,fd00:10:0:20::/62",
            "services": "10.96.4.0/22,fd00:20::1000/116",
            "nodes": "10.64.0.64/29",
        },
    ]
    assert worlds.told(planned) == []


def test_nodes_of_ipv6_get_a_network_of_the_usual_size() -> None:
    planned = worlds.plan("a 1", "b 2", addressing="    nodes: {supernets: ['fd00::/48', 10.0.0.0/24]}\n")

    assert planned.clusters[1].text(ranges.Role.NODES) == "10.0.0.8/29,fd00:0:0:1::/64"


def test_a_mask_of_ipv6_alone_may_stand_in_either_field() -> None:
    for field in ("nodeMask", "nodeMaskV6"):
        addressing = f"    pods: {{supernets: ['fd00::/48'], {field}: 80}}\n"

        assert worlds.plan("a 1", addressing=addressing).clusters[0].text(ranges.Role.PODS) == "fd00::/78"


@st.composite
def fleets(draw: st.DrawFn) -> list[str]:
    """Draw clusters with ids in any order and gaps, some with pins of either family."""
    pins = [
        "pods: 10.0.128.0/17",
        "pods: 'fd00:10:0:100::/56'",
        "pods: '192.168.0.0/16,fd00:99::/56'",
        "services: 10.97.0.0/20",
        "nodeRange: [10.65.0.0/24, 'fd00:98::/64']",
    ]
    ids = draw(st.lists(st.integers(1, 200), min_size=1, max_size=7, unique=True))
    free = draw(st.permutations(pins))
    lines = []
    for place, number in enumerate(ids):
        pin = f"{free[place]}, " if place < len(free) and draw(st.booleans()) else ""
        nodes, growth = draw(st.integers(1, 60)), draw(st.sampled_from([1, 1.5, 3]))
        lines.append(f"c{number} {number} {pin}nodes: {nodes}, growth: {growth}")
    return lines


@settings(deadline=None)
@given(fleets(), st.integers(1, 900), st.sampled_from(["", "provider: gcp, "]))
def test_a_newcomer_with_the_highest_id_moves_nobody_in_either_family(
    clusters: list[str], nodes: int, provider: str
) -> None:
    before = worlds.plan(*clusters, addressing=DUAL).clusters
    after = worlds.plan(*clusters, f"new 201 {provider}nodes: {nodes}", addressing=DUAL).clusters

    assert after[: len(before)] == before


@settings(deadline=None)
@given(fleets(), st.integers(1, 900), st.sampled_from(["", "provider: gcp, ", "pods: 192.168.0.0/16, "]))
def test_a_newcomer_alone_gets_what_the_whole_plan_would_give(
    clusters: list[str], nodes: int, more: str
) -> None:
    clusters = [each for each in clusters if "192.168" not in each]
    before = worlds.plan(*clusters, "last 201", addressing=DUAL)
    whole = worlds.plan(*clusters, "last 201", f"new 202 {more}nodes: {nodes}", addressing=DUAL)
    alone = give.newcomer(before.fleet, before.clusters, whole.clusters[-1].cluster)

    assert alone == whole.clusters[-1]


@settings(deadline=None)
@given(fleets())
def test_what_is_given_is_apart_aligned_and_inside_as_the_standard_library_sees_it(
    clusters: list[str],
) -> None:
    planned = worlds.plan(*clusters, addressing=DUAL)
    space = planned.fleet.spec.addressing
    assert space is not None
    avoid = [ipaddress.ip_network(text) for text in space.avoid]
    seen: list[Network] = []
    for role in ranges.Role:
        supernets = [ipaddress.ip_network(str(each)) for each in ranges.supernets(space, role)]
        for each in planned.clusters:
            pins = ranges.pinned(each.cluster, role)
            assert set(pins) <= set(each.of(role))
            for one in each.of(role):
                network = ipaddress.ip_network(str(one))  # strict: no bits beyond the length
                if one not in pins:
                    assert any(_holds(outer, network) for outer in supernets)
                    assert not any(_meets(network, other) for other in avoid)
                assert not any(_meets(network, other) for other in seen)
                seen.append(network)
    assert worlds.told(planned) == []


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _holds(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and outer.supernet_of(inner)  # type: ignore[arg-type]  # one family


def _meets(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


NODES = st.lists(st.integers(1, 300), min_size=1, max_size=8)


@settings(deadline=None)
@given(NODES, st.integers(1, 3000), st.data())
def test_adding_a_cluster_moves_no_other(nodes: list[int], newcomer: int, data: st.DataObject) -> None:
    clusters = [f"c{number} {number} nodes: {count}" for number, count in enumerate(nodes, start=1)]
    added = [*clusters]
    added.insert(data.draw(st.integers(0, len(clusters))), f"new {len(clusters) + 1} nodes: {newcomer}")

    before = {each.cluster.name: each.to_json() for each in worlds.plan(*clusters).clusters}
    after = {each.cluster.name: each.to_json() for each in worlds.plan(*added).clusters}
    assert {name: after[name] for name in before} == before


@settings(deadline=None)
@given(NODES, st.sampled_from([1, 1.5, 4]))
def test_given_ranges_are_apart_large_enough_and_in_their_supernets(nodes: list[int], growth: float) -> None:
    clusters = [
        f"c{number} {number} nodes: {count}, growth: {growth}" for number, count in enumerate(nodes, start=1)
    ]
    planned = worlds.plan(*clusters)
    assert worlds.told(planned) == []

    for role, supernet in zip(ranges.Role, ("10.0.0.0/10", "10.96.0.0/12", "10.64.0.0/12"), strict=True):
        blocks = [block for each in planned.clusters for block in each.of(role)]
        assert len(blocks) == len(nodes)
        assert space.of(blocks).size == sum(each.size for each in blocks)
        assert all(prefix.contains(prefix.parse(supernet), each) for each in blocks)
    for each in planned.clusters:
        assert each.pods[0].size >= ranges.planned_nodes(each.cluster) * 256


def test_headroom_is_how_many_more_of_the_largest_fit() -> None:
    planned = worlds.plan("a 1 nodes: 256", "b 2 nodes: 1")

    assert planned.headroom[ranges.Role.PODS] == 62


@pytest.mark.parametrize(
    ("clusters", "witness", "codes"),
    [
        (["a 1"], False, []),
        (["a 1", "b 2"], False, ["two-voters"]),
        (["a 1"], True, ["two-voters"]),
        (["a 1", "b 2"], True, []),
        (["a 1", "b 2", "c 3"], False, []),
        (["a 1", "b 2", "c 3", "d 4"], False, ["even-voters"]),
        (["a 1", "b 2", "c 3", "d 4"], True, []),
    ],
)
def test_two_voters_are_an_error_and_an_even_number_is_a_warning(
    clusters: list[str], witness: bool, codes: list[str]
) -> None:
    planned = worlds.plan(*clusters, addressing="", witness=witness)

    assert [found.code for found in planned.findings] == codes
