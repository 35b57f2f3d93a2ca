"""What pods can send between clusters: tables as data, and what the plan says where it is wrong."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.mesh import overheads, settings
from isthmus.model import datapath
from tests.plan import meshes

FILE = Path(__file__).parents[3] / "shared" / "data" / "net-planning" / "cases.json"
CASES: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["mtu"] if FILE.exists() else {}
Json = dict[str, Any]

# --- the bytes of headers ------------------------------------------------------------------------
NATIVE: Json = {"routing": "native"}
TUNNEL: Json = {"routing": "tunnel"}
V6: Json = {"underlay": "ipv6"}
WIREGUARD: Json = {"encryption": "wireguard"}
IPSEC: Json = {"encryption": "ipsec"}
OLD: Json = {"version": "1.18"}

COLUMNS: list[Json] = [
    NATIVE,
    TUNNEL,
    TUNNEL | V6,
    NATIVE | WIREGUARD,
    TUNNEL | WIREGUARD,
    NATIVE | IPSEC,
    TUNNEL | IPSEC,
    NATIVE | WIREGUARD | OLD,
    TUNNEL | WIREGUARD | OLD,
]
ROWS = [
    (9001, [9001, 8951, 8931, 8906, 8856, 8924, 8874, 8921, 8871]),
    (8896, [8896, 8846, 8826, 8801, 8751, 8819, 8769, 8816, 8766]),
    (8500, [8500, 8450, 8430, 8405, 8355, 8423, 8373, 8420, 8370]),
    (1500, [1500, 1450, 1430, 1405, 1355, 1423, 1373, 1420, 1370]),
    (1460, [1460, 1410, 1390, 1365, 1315, 1383, 1333, 1380, 1330]),
    (1446, [1446, 1396, 1376, 1351, 1301, 1369, 1319, 1366, 1316]),
    (1400, [1400, 1350, 1330, 1305, 1255, 1323, 1273, 1320, 1270]),
    (1390, [1390, 1340, 1320, 1295, 1245, 1313, 1263, 1310, 1260]),
]


@pytest.mark.parametrize(("underlay", "expected"), ROWS)
def test_pods_get_what_headers_leave(underlay: int, expected: list[int]) -> None:
    path = {"between": ["a", "b"], "mtu": underlay}
    found = [meshes.paths("a", "b", network=each, paths=[path]).pairs[0] for each in COLUMNS]

    assert [each.pod_mtu for each in found] == expected
    assert {each.underlay_mtu for each in found} == {underlay}


@pytest.mark.parametrize(
    ("version", "overhead"),
    [("1.18", 80), ("1.19.0", 80), ("1.19.4", 80), ("1.19.5", 95), ("1.19", 95), ("1.20", 95), (None, 95)],
)
def test_wireguard_costs_more_since_a_version(version: str | None, overhead: int) -> None:
    path = settings.Datapath(
        routing=datapath.Routing.NATIVE, encryption=datapath.Encryption.WIREGUARD, version=version
    )
    assert overheads.size(path) == overhead


@pytest.mark.skipif(not CASES, reason="../shared/data/net-planning is missing")
def test_cilium_comes_to_the_same_numbers() -> None:
    for case in CASES["cases"]:
        path = settings.Datapath(
            datapath.Routing.TUNNEL if case["tunnel"] else datapath.Routing.NATIVE,
            underlay=datapath.Underlay.IPV6 if case["tunnel_over_ipv6"] else datapath.Underlay.IPV4,
            encryption=datapath.Encryption(case["encryption"] or "none"),
        )
        key = case["ipsec_auth_key_bytes"] or overheads.AUTH_KEY
        assert case["base_mtu"] - overheads.cost(path, auth_key=key).size == case["route_mtu"], case
        assert case["device_mtu"] == case["base_mtu"]  # why the Helm value is the underlay's
    facts = CASES["overheads"]
    assert facts["TunnelOverheadIPv4"] == overheads.TUNNEL[datapath.Underlay.IPV4]
    assert facts["TunnelOverheadIPv6"] == overheads.TUNNEL[datapath.Underlay.IPV6]
    assert facts["DsrTunnelOverhead"] == overheads.DSR
    assert facts["IPv6MinMTU"] == overheads.IPV6_MIN


def test_only_geneve_has_the_option_of_direct_server_return() -> None:
    geneve = settings.Datapath(encapsulation=datapath.Encapsulation.GENEVE)
    assert overheads.cost(geneve, dsr=True).size == 62
    assert overheads.cost(settings.Datapath(), dsr=True).size == 50


def test_the_price_of_headers_and_who_can_carry_it() -> None:
    cost = overheads.cost(settings.Datapath(encryption=datapath.Encryption.WIREGUARD))

    assert [round(cost.lost(mtu), 4) for mtu in overheads.SHOWN] == [0.0967, 0.0161]
    assert [each.name for each in cost.headers] == ["VXLAN over IPv4", "WireGuard"]
    assert "tx-udp_tnl-segmentation" in cost.headers[0].offload
    assert cost.headers[1].offload.startswith("none")
    assert [each.size for each in overheads.choices(settings.Datapath())] == [0, 50, 77, 95, 127, 145]
    assert round(overheads.cost(settings.Datapath()).lost(1500), 3) == 0.033  # Cilium's own example


# --- the underlay of a pair ----------------------------------------------------------------------
def between(region: str, other: str, **said: Any) -> Json:
    return {"between": [region, other], **said}


UNDERLAYS: dict[str, tuple[list[str], list[Json], int, str]] = {
    "nothing stated": (["a", "b"], [], 1500, "Ethernet"),
    "in Google's cloud": (["a provider: gcp", "b provider: gcp"], [], 1460, "vpc/docs/mtu"),
    "in one region of AWS": (
        ["a provider: aws, region: r", "b provider: aws, region: r"],
        [],
        9001,
        "jumbo",
    ),
    "in two regions of AWS": (
        ["a provider: aws, region: r", "b provider: aws, region: s"],
        [],
        1500,
        "no source for more",
    ),
    "in regions of AWS that nobody states": (["a provider: aws", "b provider: aws"], [], 1500, "no source"),
    "in Azure": (["a provider: azure", "b provider: azure"], [], 1500, "Azure"),
    "between clouds": (["a provider: gcp", "b provider: aws"], [], 1460, "vpc/docs/mtu"),
    "the narrower node": (["a mtu: 9000", "b mtu: 1400"], [], 1400, "nodes' own"),
    "one node unknown": (["a mtu: 9000", "b"], [], 1500, "Ethernet"),
    "by clusters": (["a", "b"], [between("b", "a", mtu=1300)], 1300, "stated between b and a"),
    "by regions": (["a region: r", "b region: s"], [between("s", "r", mtu=1300)], 1300, "s and r"),
    "within a region": (["a region: r", "b region: r"], [between("r", "r", mtu=1300)], 1300, "r and r"),
    "clusters before regions": (
        ["a region: r", "b region: s"],
        [between("r", "s", mtu=1300), between("a", "b", mtu=1350)],
        1350,
        "a and b",
    ),
    "a cluster and a region": (
        ["a region: r", "b region: s"],
        [between("s", "a", mtu=1300)],
        1300,
        "s and a",
    ),
    "a cluster named like its region": (
        ["r region: r", "b region: s"],
        [between("r", "s", mtu=1300)],
        1300,
        "r and s",
    ),
    "a path wider than its nodes": (
        ["a mtu: 1400", "b"],
        [between("a", "b", mtu=9000)],
        1400,
        "below the 9000",
    ),
    "a path wider than the provider's default": (
        ["a provider: gcp", "b provider: gcp"],
        [between("a", "b", mtu=8896)],
        8896,
        "stated",
    ),
    "latency alone": (["a", "b"], [between("a", "b", latency="60ms")], 1500, "Ethernet"),
    "a measurement before a way": (["a", "b"], [between("a", "b", mtu=1444, via="aws-vpn")], 1444, "stated"),
    "over a way wider than the nodes": (
        ["a mtu: 1300", "b"],
        [between("a", "b", via="aws-tgw")],
        1300,
        "own",
    ),
    "in a wide VPC of Google's": (
        ["a provider: gcp, mtu: 8896", "b provider: gcp, mtu: 8896"],
        [between("a", "b", via="gcp-vpc")],
        8896,
        "gcp-vpc",
    ),
    "peering in a region": (
        ["a region: r", "b region: r"],
        [between("a", "b", via="aws-peering")],
        9001,
        "peering in one region",
    ),
    "peering over regions": (
        ["a region: r", "b region: s"],
        [between("a", "b", via="aws-peering")],
        1500,
        "no source for more",
    ),
}
WAYS = {
    "gcp-vpc": 1460,
    "gcp-vpn": 1390,
    "aws-vpc": 9001,
    "aws-tgw": 8500,
    "aws-vpn": 1446,
    "azure-vnet": 1500,
    "azure-vpn": 1400,
    "internet": 1296,
}


@pytest.mark.parametrize("case", UNDERLAYS)
def test_the_underlay_of_a_pair(case: str) -> None:
    clusters, stated, expected, why = UNDERLAYS[case]
    pairs = meshes.paths(*clusters, paths=stated).pairs
    found = next(each for each in pairs if each.between[0] != each.between[1])

    assert found.underlay_mtu == expected
    assert why in found.why


@pytest.mark.parametrize("way", WAYS)
def test_each_way_has_its_figure(way: str) -> None:
    [found] = meshes.paths("a", "b", paths=[between("a", "b", via=way)]).pairs
    assert (found.underlay_mtu, way in found.why) == (WAYS[way], True)


# --- the pairs -----------------------------------------------------------------------------------
def test_every_pair_once_in_the_order_of_the_fleet() -> None:
    found = meshes.paths("c", "a", "b")
    assert [each.between for each in found.pairs] == [("c", "a"), ("c", "b"), ("a", "b")]
    assert found.to_json({"a", "b"}) == [{"between": ["a", "b"], "underlay_mtu": 1500, "pod_mtu": 1450}]


def test_a_stated_path_inside_a_region_is_told_of_each_cluster_there() -> None:
    found = meshes.paths("a region: r", "b region: r", "c", paths=[between("r", "r", mtu=1400)])
    assert [(each.between, each.underlay_mtu) for each in found.pairs] == [
        (("a", "a"), 1400),
        (("a", "b"), 1400),
        (("a", "c"), 1500),
        (("b", "b"), 1400),
        (("b", "c"), 1500),
    ]


def test_without_cilium_there_is_nothing_to_say_of_pods() -> None:
    found = meshes.paths("a", "b", network={"cni": "none"}, paths=[between("a", "x", mtu=1400)])
    assert (found.pairs, found.fleet_mtu, found.cost) == ((), None, None)
    assert [each.code for each in found.findings] == ["unknown-path-end"]


@pytest.mark.parametrize(
    ("network", "expected"), [({}, 1400), ({"mtu": 1390}, 1390), (TUNNEL | WIREGUARD, 1400)]
)
def test_the_mtu_to_set_is_the_underlays_since_cilium_takes_the_headers_off(
    network: Json, expected: int
) -> None:
    found = meshes.paths("a", "b", "c", network=network, paths=[between("a", "b", mtu=1400)])
    assert (found.fleet_mtu, found.smallest) == (expected, 1400)


def test_a_single_cluster_has_an_mtu_too() -> None:
    found = meshes.paths("a provider: aws", network={})
    assert (found.pairs, found.fleet_mtu, found.findings) == ((), 9001, ())


ENDS = st.builds(
    lambda region, provider, mtu: ", ".join(
        [f"region: {region}", f"provider: {provider}"] + ([f"mtu: {mtu}"] if mtu else [])
    ),
    st.sampled_from(["r", "s"]),
    st.sampled_from(["gcp", "aws", "azure", "kubeadm"]),
    st.none() | st.integers(1280, 9001),
)
STATED = st.lists(
    st.builds(
        lambda ends, mtu: between(*ends, mtu=mtu),
        st.tuples(st.sampled_from(["a", "b", "r", "s"]), st.sampled_from(["a", "b", "r", "s"])),
        st.integers(1280, 9001),
    ),
    max_size=3,
)


def test_of_two_paths_that_are_as_near_the_first_counts() -> None:
    stated = [between("a", "r", mtu=1280), between("b", "r", mtu=1281)]
    for names in (("a", "b"), ("b", "a")):
        found = meshes.paths(*(f"{each} region: r" for each in names), paths=stated).pairs
        assert [each.underlay_mtu for each in found if len(set(each.between)) == 2] == [1280]


@given(one=ENDS, other=ENDS, stated=STATED)
def test_a_pair_is_the_same_from_both_sides(one: str, other: str, stated: list[Json]) -> None:
    here = meshes.paths(f"a {one}", f"b {other}", paths=stated)
    there = meshes.paths(f"b {other}", f"a {one}", paths=stated)
    seen = [
        {frozenset(each.between): (each.underlay_mtu, each.pod_mtu) for each in found.pairs}
        for found in (here, there)
    ]
    assert seen[0] == seen[1]
    assert here.smallest == there.smallest


@given(first=st.integers(1280, 9001), second=st.integers(1280, 9001), column=st.sampled_from(COLUMNS))
def test_a_wider_path_never_gives_pods_less(first: int, second: int, column: Json) -> None:
    low, high = (
        meshes.paths("a", "b", network=column, paths=[between("a", "b", mtu=mtu)]).pairs[0].pod_mtu
        for mtu in sorted((first, second))
    )
    assert high - low == abs(first - second)


@given(size=st.integers(1, 12), kinds=st.integers(1, 4))
def test_pairs_are_all_pairs(size: int, kinds: int) -> None:
    clusters = [f"c{each} mtu: {1400 + each % kinds}" for each in range(1, size + 1)]
    found = meshes.paths(*clusters)
    names = [each.split()[0] for each in clusters]
    assert [each.between for each in found.pairs] == list(itertools.combinations(names, 2))
    assert all(each.underlay_mtu <= 1400 + kinds for each in found.pairs)


@pytest.mark.parametrize(
    ("nodes", "network", "expected"),
    [
        ({"supernets": ["fd00:3::/48"]}, {}, 1430),
        ({"supernets": ["10.64.0.0/16", "fd00:3::/48"]}, {}, 1450),
        ({"supernets": ["fd00:3::/48"]}, {"underlay": "ipv4"}, 1450),
        ({"supernets": ["10.64.0.0/16"]}, {}, 1450),
    ],
)
def test_the_underlay_is_of_ipv6_where_nodes_have_nothing_else(
    nodes: Json, network: Json, expected: int
) -> None:
    found = meshes.paths("a", "b", addressing={"nodes": nodes}, network=network)
    assert found.pairs[0].pod_mtu == expected
    assert found.cost is not None
    assert found.cost.size == 1500 - expected


def test_a_pinned_node_range_says_the_underlay_too() -> None:
    found = meshes.paths("a nodeRange: 'fd00::/64'", "b nodeRange: 'fd01::/64'")
    assert found.pairs[0].pod_mtu == 1430


# --- what is wrong -------------------------------------------------------------------------------
DUAL = {"pods": {"supernets": ["10.0.0.0/10", "fd00::/40"]}}
NARROW = [between("a", "b", mtu=1400)]
JUDGED: dict[str, tuple[list[str], Json, list[tuple[str, str, int, str]]]] = {
    "IPv6 that does not fit": (
        ["a pods: 'fd00::/48'", "b"],
        {"network": TUNNEL | WIREGUARD, "paths": NARROW},
        [("ipv6-under-1280", "error", 6, "1255 bytes are left for pods between 'a' and 'b'")],
    ),
    "IPv6 from a supernet": (
        ["a", "b"],
        {"addressing": DUAL, "network": TUNNEL | WIREGUARD, "paths": NARROW},
        [("ipv6-under-1280", "error", 7, "1400 (stated between a and b) less 145 of headers")],
    ),
    "IPv6 under the tunnel": (
        ["a", "b"],
        {"network": V6, "paths": [between("a", "b", mtu=1349)]},
        [("ipv6-under-1280", "error", 6, "1279")],
    ),
    "IPv6 that just fits": (["a", "b"], {"network": V6, "paths": [between("a", "b", mtu=1350)]}, []),
    "IPv4 through a VPN with all headers": (
        ["a", "b"],
        {"network": TUNNEL | WIREGUARD, "paths": [between("a", "b", via="azure-vpn")]},
        [("pod-mtu-under-1280", "warning", 6, "never have IPv6")],
    ),
    "less than IPv4 allows": (
        ["a", "b"],
        {"network": TUNNEL, "paths": [between("a", "b", mtu=600)]},
        [("pod-mtu-under-576", "error", 6, "550 bytes")],
    ),
    "narrow nodes": (
        ["a", "b mtu: 600"],
        {"network": TUNNEL},
        [("pod-mtu-under-576", "error", 8, "and on other paths like it")],
    ),
    "more than a path carries": (
        ["a", "b"],
        {"network": {"mtu": 1500}, "paths": NARROW},
        [("mtu-too-large", "error", 5, "1500 is more than the 1400 bytes between 'a' and 'b' (stated")],
    ),
    "less than every path carries": (
        ["a", "b"],
        {"network": {"mtu": 1300}, "paths": NARROW},
        [("mtu-smaller", "info", 5, "less than the 1400")],
    ),
    "a cluster's own mtu": (
        ["a network: {mtu: 1500}", "b", "c"],
        {"network": {"mtu": 1400}, "paths": NARROW},
        [("mtu-too-large", "error", 8, "1400 bytes between 'a' and 'b'")],
    ),
    "a name of nothing": (
        ["a region: us-west4", "b"],
        {"paths": [between("us-west", "b", mtu=1400)]},
        [("unknown-path-end", "error", 5, "us-west4")],
    ),
    "a path twice": (
        ["a", "b"],
        {"paths": [between("a", "b", mtu=1400), between("b", "a", mtu=1500)]},
        [("path-twice", "error", 5, "fleet.yaml:5")],
    ),
    "between clouds": (
        ["a provider: gcp", "b provider: aws", "c provider: azure"],
        {"network": {}},
        [("path-not-measured", "info", 6, "aws and azure (between 'b' and 'c'); aws and gcp (between")],
    ),
    "between clouds, latency alone": (
        ["a provider: gcp", "b provider: aws"],
        {"paths": [between("a", "b", latency="60ms")]},
        [("path-not-measured", "info", 5, "cilium#47176")],
    ),
    "between clouds, measured": (
        ["a provider: gcp", "b provider: aws"],
        {"network": {}, "paths": [between("a", "b", mtu=1400)]},
        [],
    ),
    "jumbo between regions of AWS": (
        ["a provider: aws, mtu: 9001, region: r", "b provider: aws, mtu: 9001, region: s"],
        {"network": {}},
        [("path-not-measured", "info", 6, "regions of aws")],
    ),
    "tunnel and native": (
        ["a", "b network: {routing: native}", "c"],
        {"network": TUNNEL},
        [("mixed-routing", "error", 8, "routing is native in 'b', tunnel elsewhere")],
    ),
    "two encapsulations": (
        ["a", "b network: {encapsulation: geneve}", "c network: {encapsulation: geneve}"],
        {"network": TUNNEL},
        [("mixed-encapsulation", "error", 7, "vxlan in 'a', geneve elsewhere")],
    ),
    "an encapsulation that native routing does not use": (
        ["a", "b network: {encapsulation: geneve}"],
        {"network": NATIVE},
        [],
    ),
    "two families below": (
        ["a", "b network: {underlay: ipv6}"],
        {},
        [("mixed-underlay", "error", 7, "one family")],
    ),
    "encrypted in one": (
        ["a", "b network: {encryption: wireguard}"],
        {"network": {}},
        [("mixed-encryption", "error", 8, "wireguard in 'b'")],
    ),
    "encrypted in all but one": (
        ["a", "b", "c network: {encryption: none}"],
        {"network": WIREGUARD},
        [("mixed-encryption", "error", 9, "none in 'c', wireguard elsewhere")],
    ),
    "one cluster": (["a network: {routing: native}"], {"network": TUNNEL}, []),
    "nothing stated": (["a provider: gcp", "b provider: aws, mtu: 600"], {}, []),
}


@pytest.mark.parametrize("case", JUDGED)
def test_each_problem_is_told_once_where_it_can_be_changed(case: str) -> None:
    clusters, sections, expected = JUDGED[case]
    found = meshes.paths(*clusters, **sections).findings

    assert [(each.code, each.severity.value, each.line) for each in found] == [
        (code, severity, line) for code, severity, line, _ in expected
    ]
    for each, (_, _, _, words) in zip(found, expected, strict=True):
        assert words in f"{each.message} → {each.remedy}"


def test_many_bad_pairs_are_one_finding() -> None:
    clusters = [f"c{each} region: r" for each in range(1, 41)]
    found = meshes.paths(*clusters, network=TUNNEL, paths=[between("r", "r", mtu=600)])
    assert [each.code for each in found.findings] == ["pod-mtu-under-576"]
