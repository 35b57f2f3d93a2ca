"""Names and addresses of a lab with real nodes, which are planned before anything is made."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import prefix
from isthmus.lab import spec
from isthmus.lab.network import layout
from isthmus.model import errors

HOST = ("192.168.0.0/24", "198.19.0.0/17", "10.0.0.0/8")


def _plan(clusters: int = 2, nodes: int = 2, *, seed: str = "/labs/a", node_range: str = "") -> layout.Layout:
    own = tuple(
        spec.ClusterSpec(name=f"c{number}", nodes=nodes, region=f"r{number % 3}", node_range=node_range)
        for number in range(clusters)
    )
    wanted = spec.LabSpec(name="a", profile=spec.NETWORK, clusters=own)
    return layout.plan(wanted, seed=seed, taken=HOST)


@given(st.integers(1, 12), st.integers(0, 5))
def test_no_two_ranges_meet_and_every_address_is_in_its_own(clusters: int, nodes: int) -> None:
    found = _plan(clusters, nodes)

    ranges = [prefix.parse(found.block)]
    for place in found.places:
        ranges += [prefix.parse(text) for text in (place.node_range, place.pod_range, place.service_range)]
        assert all(_holds(place.node_range, node.address) for node in place.nodes)
        assert _holds(found.block, place.server)
    assert not any(prefix.overlap(one, other) for one, other in itertools.combinations(ranges, 2))


@given(st.integers(1, 12), st.integers(0, 5))
def test_no_name_and_no_address_is_given_twice(clusters: int, nodes: int) -> None:
    found = _plan(clusters, nodes)

    addresses = [
        found.host,
        *(each.server for each in found.places),
        *(each.gateway for each in found.regions),
        *(node.address for node in found.nodes),
    ]
    names = [*found.namespaces, *(each.link for each in found.places)]
    assert len(set(addresses)) == len(addresses)
    assert len(set(names)) == len(names)
    assert all(len(place.link) <= 15 for place in found.places)  # what Linux takes


@given(st.integers(1, 12))
def test_every_two_regions_have_one_path(clusters: int) -> None:
    found = _plan(clusters)

    pairs = {frozenset(path.between) for path in found.paths}
    names = [region.name for region in found.regions]
    assert pairs == {frozenset(pair) for pair in itertools.combinations(names, 2)}
    assert len(found.paths) == len(pairs)


def test_the_block_is_free_on_the_host() -> None:
    block = prefix.parse(_plan().block)

    assert not any(prefix.overlap(block, prefix.parse(text)) for text in HOST)


def test_two_labs_share_no_name_and_seldom_a_block() -> None:
    one, other = _plan(seed="/labs/a"), _plan(seed="/labs/b")

    assert not set(one.namespaces) & set(other.namespaces)
    assert one.group != other.group
    assert one.block != other.block


def test_stated_ranges_stay_and_others_keep_off_them() -> None:
    wanted = spec.LabSpec(
        name="a",
        profile=spec.NETWORK,
        clusters=(
            spec.ClusterSpec(name="a", nodes=1),
            spec.ClusterSpec(name="b", nodes=1, node_range="10.64.0.0/23", pod_range="10.0.0.0/12"),
        ),
    )

    one, other = layout.plan(wanted, seed="s", taken=()).places

    assert (other.node_range, other.pod_range) == ("10.64.0.0/23", "10.0.0.0/12")
    assert (one.node_range, one.pod_range) == ("10.64.2.0/24", "10.16.0.0/16")


def test_a_layout_outlives_its_file() -> None:
    found = _plan(3)

    assert layout.Layout.from_json(found.to_json()) == found


def test_a_path_has_the_mtu_that_is_stated_whoever_is_named_first() -> None:
    wanted = spec.LabSpec(
        name="a",
        profile=spec.NETWORK,
        clusters=spec.default_clusters(3, 1),
        paths=(spec.PathSpec(between=("east", "west"), mtu=1400),),
    )

    found = layout.plan(wanted, seed="s", taken=())

    assert {path.between: path.mtu for path in found.paths} == {
        ("west", "east"): 1400,
        ("west", "central"): 1500,
        ("east", "central"): 1500,
    }


def test_node_ranges_that_overlap_are_refused_as_no_router_could_tell_them_apart() -> None:
    with pytest.raises(errors.InputError, match="overlap"):
        _plan(2, node_range="10.70.0.0/24")


def test_a_region_that_cannot_be_a_label_is_refused() -> None:
    wanted = spec.LabSpec(profile=spec.NETWORK, clusters=(spec.ClusterSpec(name="a", region="US West"),))

    with pytest.raises(errors.InputError, match="cannot be a node's label"):
        layout.plan(wanted, seed="s", taken=())


def test_more_nodes_than_their_range_has_room_for_are_refused() -> None:
    with pytest.raises(errors.InputError, match="no room in"):
        _plan(1, 5, node_range="10.70.0.0/30")


def _holds(outer: str, address: str) -> bool:
    return prefix.contains(prefix.parse(outer), prefix.parse(address))
