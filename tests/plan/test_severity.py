"""How bad it is when two ranges are one: each pair of roles, within a cluster and across two."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.network.ipam import ranges
from tests.plan import worlds

FIELDS = {role.field: role for role in ranges.Role}
PAIRS = list(itertools.combinations_with_replacement(FIELDS, 2))


@pytest.mark.parametrize("text", ["10.1.0.0/16", "'fd00:1::/48'"])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_only_two_service_ranges_may_be_one_across_clusters(one: str, other: str, text: str) -> None:
    planned = worlds.plan(f"a 1 {one}: {text}", f"b 2 {other}: {text}", "c 3", addressing="")
    told = [(each.severity.value, each.line) for each in planned.findings if "overlap" in each.code]

    assert told == [("warning" if one == other == "services" else "error", 7)]


@pytest.mark.parametrize("text", ["10.1.0.0/16", "'fd00:1::/48'"])
@pytest.mark.parametrize(("one", "other"), [(one, other) for one, other in PAIRS if one != other])
def test_within_a_cluster_no_two_ranges_may_be_one(one: str, other: str, text: str) -> None:
    planned = worlds.plan(f"a 1 {one}: {text}, {other}: {text}", addressing="")
    told = [(each.severity.value, each.line) for each in planned.findings if "overlap" in each.code]

    assert told == [("error", 6)]


PINS = st.lists(
    st.tuples(st.sampled_from(list(FIELDS)), st.integers(0, 7), st.integers(21, 24)), min_size=2, max_size=6
)


@settings(deadline=None)
@given(PINS)
def test_a_fleet_has_an_error_exactly_when_two_ranges_that_must_be_apart_meet(
    pins: list[tuple[str, int, int]],
) -> None:
    texts = [(field, f"10.1.{(index << (24 - length)) % 64}.0/{length}") for field, index, length in pins]
    clusters = [f"c{number} {number} {field}: {text}" for number, (field, text) in enumerate(texts, start=1)]
    planned = worlds.plan(*clusters, addressing="")

    meeting = {
        one == other == "services"
        for (one, first), (other, second) in itertools.combinations(texts, 2)
        if _meet(first, second)
    }
    told = {each.severity.value for each in planned.findings if "overlap" in each.code}
    assert told == {"warning" if are_services else "error" for are_services in meeting}


def _meet(one: str, other: str) -> bool:
    return ipaddress.ip_network(one).overlaps(ipaddress.ip_network(other))
