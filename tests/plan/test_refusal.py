"""Where no range is left: the words, and the proof that each change proposed makes it fit."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.model import folder
from isthmus.network.ipam import addresses, give, ranges, refusal
from tests.plan import worlds


def parse(*clusters: str, addressing: str) -> folder.Folder:
    parsed = folder.parse([("fleet.yaml", worlds.text(*clusters, addressing=addressing))])
    assert parsed.folder is not None, parsed.findings
    return parsed.folder


REFUSED: dict[str, tuple[list[str], str, list[str]]] = {
    "held by many": (
        [
            "west 1 nodes: 30, growth: 3",
            "east 2 pods: 10.8.0.0/13",
            "north 3 nodes: 90, growth: 20",
        ],
        "    avoid: [10.4.0.0/14]\n    pods: {supernets: [10.0.0.0/12]}\n",
        [
            "no free /13 for the pods of 'north': it needs a /13 for 1800 nodes × /24",
            "of 10.0.0.0/12 the largest free block is /15 because 'east' pins 10.8.0.0/13",
            ", and the Fleet avoids 10.4.0.0/14, and 'west' needs a /17 for 90 nodes × /24",
            "the smallest change that fits: write 10.0.0.0/11 for 10.0.0.0/12",
            "or write `growth: 1` for north",
            "or plan 'north' for 512 nodes in all",
        ],
    ),
    "smaller blocks": (
        ["a 1 nodes: 200", "b 2 nodes: 200", "c 3"],
        "    pods: {supernets: [10.0.0.0/15]}\n",
        ["write 10.0.0.0/14 for 10.0.0.0/15", "or write `nodeMask: 25` in `addressing.pods`", "(moves 2"],
    ),
    "larger than all": (
        ["a 1"],
        "    pods: {supernets: [10.0.0.0/24, 10.1.0.0/24]}\n",
        ["needs a /22 for 3 nodes × /24, and that is larger than 10.0.0.0/24, 10.1.0.0/24"],
    ),
    "two changes at once": (
        ["a 1"],
        "    pods: {supernets: [10.0.0.0/24], nodeMask: 8}\n",
        ["write `nodeMask: 25` in `addressing.pods`, and add 10.0.2.0/23 to"],
    ),
    "smaller blocks alone": (
        ["a 1", "b 2"],
        "    pods: {supernets: [10.0.0.0/10], nodeMask: 9}\n",
        ["or write `nodeMask: 25` in `addressing.pods`"],
    ),
    "more than there is": (
        ["a 1 nodes: 100000, growth: 1000"],
        "    pods: {supernets: [10.0.0.0/10]}\n",
        [
            "no range for the pods of 'a': it needs 34,359,738,368 addresses for 100000000 nodes",
            "IPv4 has no",
        ],
    ),
    "counted": (
        [f"c{number} {number}" for number in range(1, 10)],
        "    nodes: {supernets: [10.0.0.0/26]}\n",
        ["no free /29 for the nodes of 'c9'", "and 4 more hold 32 addresses", "write 10.0.0.0/25"],
    ),
    "services": (
        ["a 1", "b 2"],
        "    services: {supernets: [10.0.0.0/20]}\n",
        ["no free /20 for the services of 'b': it needs a /20", "or write `mask: 21`"],
    ),
    "IPv6 of two families": (
        ["a 1", "b 2"],
        "    pods: {supernets: [10.0.0.0/10, 'fd00::/62']}\n",
        ["no free /62 for the pods of 'b'", "of fd00::/62 nothing is free", "write fd00::/61"],
    ),
    "VPC": (
        ["a 1 provider: aws, network: {ipam: eni}"],
        "    pods: {supernets: [10.0.0.0/24]}\n",
        ["needs a /23 for 3 nodes × 112 addresses", "write 10.0.0.0/23 for 10.0.0.0/24"],
    ),
}


@pytest.mark.parametrize(
    "supernet", ["169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/8", "8.8.8.0/24", "9.9.9.0/32"]
)
def test_no_change_takes_space_of_somebody_else(supernet: str) -> None:
    source = parse("a 1 nodes: 300", addressing=f"    pods: {{supernets: [{supernet}]}}\n")
    [found] = [each for each in addresses.plan(source).findings if each.code == "address-space-full"]

    assert f"for {supernet}" not in found.remedy
    assert "add 10.0.0.0/15" in found.remedy
    assert "/32" not in found.remedy


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_who_collides_and_what_would_fit(case: str) -> None:
    clusters, addressing, words = REFUSED[case]
    [found] = [
        each
        for each in worlds.plan(*clusters, addressing=addressing).findings
        if each.code == "address-space-full"
    ]
    told = f"{found.message} → {found.remedy}"

    assert [each for each in words if each not in told] == [], told
    assert (found.file, (found.line or 0) > 6) == ("fleet.yaml", True)


TIGHT = st.fixed_dictionaries(
    {
        "pods": st.lists(
            st.sampled_from(["10.0.0.0/18", "10.0.128.0/20", "10.1.0.0/16", "fd00::/60", "fd00:1::/58"]),
            min_size=1,
            max_size=3,
            unique=True,
        ),
        "services": st.sampled_from(["10.96.0.0/18", "10.96.0.0/20"]),
        "nodes": st.sampled_from(["10.64.0.0/24", "10.64.0.0/26", "10.64.0.0/28"]),
        "mask": st.sampled_from([22, 23, 24]),
    }
)
CLUSTERS = st.lists(
    st.tuples(
        st.integers(1, 120),
        st.sampled_from([1, 1.5, 8]),
        st.sampled_from(["", "provider: gcp, ", "provider: aws, network: {ipam: eni}, "]),
        st.sampled_from(["", "pods: 10.0.0.0/22, ", "pods: 10.1.0.0/18, ", "nodeRange: 10.64.0.0/29, "]),
    ),
    min_size=1,
    max_size=5,
)


def tight(space: dict[str, object], clusters: list[tuple[int, float, str, str]]) -> folder.Folder:
    lines = [
        f"c{number} {number} {provider}{pin}nodes: {nodes}, growth: {growth}"
        for number, (nodes, growth, provider, pin) in enumerate(clusters, start=1)
    ]
    supernets = ", ".join(f"'{each}'" for each in list(space["pods"]))  # type: ignore[call-overload]  # a list
    addressing = (
        f"    pods: {{supernets: [{supernets}], nodeMask: {space['mask']}, nodeMaskV6: 64}}\n"
        f"    services: {{supernets: [{space['services']}]}}\n"
        f"    nodes: {{supernets: [{space['nodes']}]}}\n"
    )
    return parse(*lines, addressing=addressing)


@settings(deadline=None, max_examples=60)
@given(TIGHT, CLUSTERS)
def test_each_change_proposed_makes_it_fit(
    space: dict[str, object], clusters: list[tuple[int, float, str, str]]
) -> None:
    source = tight(space, clusters)
    shares = give.shares(source.fleet)
    for share in shares:
        for change in refusal.changes(source.fleet, shares, share) if share.missed else ():
            planned = addresses.plan(folder.Folder(change.fleet))
            for each in planned.clusters:
                assert share.bits in {one.bits for one in each.of(share.role)}, change.text
            told = {found.code for found in planned.findings if found.severity.value == "error"}
            assert "supernets-overlap" not in told - {
                found.code for found in addresses.plan(source).findings
            }, change.text
            _apart(planned)


def _apart(planned: addresses.Addresses) -> None:
    """Look with the standard library whether what the plan gave is apart from all else."""
    pinned = {
        one for each in planned.clusters for role in ranges.Role for one in ranges.pinned(each.cluster, role)
    }
    texts = [
        (str(one), one in pinned)
        for each in planned.clusters
        for role in ranges.Role
        for one in each.of(role)
    ]
    networks = [(ipaddress.ip_network(text), is_pinned) for text, is_pinned in texts]
    for place, (one, is_pinned) in enumerate(networks):
        for other, was_pinned in networks[:place]:
            if one.version == other.version and not (is_pinned and was_pinned):
                assert not one.overlaps(other)


def test_every_refusal_of_a_small_fleet_has_a_way_out() -> None:
    for clusters, addressing, _ in REFUSED.values():
        source = parse(*clusters, addressing=addressing)
        shares = give.shares(source.fleet)
        for share in shares:
            assert not share.missed or next(refusal.changes(source.fleet, shares, share), None)
