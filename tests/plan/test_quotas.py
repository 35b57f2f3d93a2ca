"""What must be asked of each account, as tables of a Fleet against counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import main
from isthmus.model import finding, folder
from isthmus.network.ipam import addresses
from isthmus.network.needs import asks, firewall, quotas
from tests.plan import worlds

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = "  network: {routing: native}\n"
AT = "provider: aws, account: prod, region: us"
AWS = (f"west 1 vpc: a, growth: 3, {AT}", f"east 2 vpc: b, {AT}", f"far 3 vpc: c, {AT}")
GCP = (
    "west 1 provider: gcp, account: shop, vpc: main, region: r1, nodes: 10",
    "east 2 provider: gcp, account: shop, vpc: main, region: r1, nodes: 5",
    "far 3 provider: gcp, account: shop, vpc: lab, region: r2",
)


def text(*clusters: str, spec: str = "") -> str:
    return worlds.text(*clusters).replace("  clusters:\n", f"{spec}  clusters:\n")


def judge(*clusters: str, spec: str = "") -> quotas.Quotas:
    parsed = folder.parse([("fleet.yaml", text(*clusters, spec=spec))])
    assert parsed.folder is not None, parsed.findings
    given = addresses.plan(parsed.folder).clusters
    return quotas.quotas(parsed.folder, given, firewall.rows(parsed.folder, given))


def counted(made: quotas.Quotas, what: str) -> dict[tuple[str, str, str, str], int]:
    return {
        (ask.provider, ask.account, ask.region, ask.vpc): ask.count for ask in made.asks if ask.what == what
    }


def test_nodes_are_those_after_growth_by_account_and_region() -> None:
    made = judge(*AWS, "home 4 provider: gcp, account: other, region: eu")

    assert counted(made, asks.NODES) == {("aws", "prod", "us", "-"): 15, ("gcp", "other", "eu", "-"): 3}
    (why,) = [ask.why for ask in made.asks if ask.what == asks.NODES and ask.provider == "aws"]
    assert why == "9 today and 15 after growth, of west, east, far"


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("", 3),
        ("  network: {exposure: NodePort}\n", None),
        ("  network: {cni: none}\n", None),
        ("  mesh: {istio: {}}\n", 3),
        ("  network: {cni: none}\n  mesh: {istio: {topology: primary-remote}}\n", 1),
    ],
)
def test_load_balancers_are_those_of_the_exposure_and_of_gateways(spec: str, count: int | None) -> None:
    clusters = AWS
    if "remote" in spec:
        clusters = (AWS[0], f"{AWS[1]}, istio: {{primary: west}}", f"{AWS[2]}, istio: {{primary: west}}")

    assert counted(judge(*clusters, spec=spec), asks.BALANCERS).get(("aws", "prod", "us", "-")) == count


def test_several_networks_of_a_mesh_need_a_gateway_each() -> None:
    clusters = [f"{each}, istio: {{network: n{number}}}" for number, each in enumerate(AWS)]

    made = judge(*clusters, spec="  mesh: {istio: {}}\n")

    (ask,) = [each for each in made.asks if each.what == asks.BALANCERS]
    assert (ask.count, ask.default) == (6, 50)
    assert ask.why == "clustermesh-apiserver of west, east, far; east-west gateway of west, east, far"


def test_gke_takes_two_secondary_ranges_a_cluster_and_its_networks_are_peered_once_for_all_regions() -> None:
    made = judge(*GCP)

    assert counted(made, asks.SECONDARY) == {
        ("gcp", "shop", "r1", "main"): 4,
        ("gcp", "shop", "r2", "lab"): 2,
    }
    assert counted(made, asks.PEERINGS) == {
        ("gcp", "shop", "global", "main"): 1,
        ("gcp", "shop", "global", "lab"): 1,
    }


@pytest.mark.parametrize(
    ("spec", "clusters", "routes"),
    [
        ("", AWS, {}),
        (NATIVE, AWS, {"a": 9, "b": 3, "c": 3}),
        (NATIVE, tuple(f"{each}, network: {{ipam: eni}}" for each in AWS), {}),
        (NATIVE, GCP, {}),
        (NATIVE, ("home 1 provider: kubeadm, vpc: x",), {}),
    ],
)
def test_a_cloud_keeps_a_route_a_node_where_pods_are_not_of_its_subnets(
    spec: str, clusters: tuple[str, ...], routes: dict[str, int]
) -> None:
    made = counted(judge(*clusters, spec=spec), asks.NODE_ROUTES)

    assert {vpc: count for (*_, vpc), count in made.items()} == routes


@pytest.mark.parametrize(
    ("paths", "peerings", "attachments", "vpns"),
    [
        ("", {"a": 2, "b": 2, "c": 2}, {}, {}),
        ("  paths: [{between: [us, us], via: aws-tgw}]\n", {}, {"a": 1, "b": 1, "c": 1}, {}),
        (
            "  paths: [{between: [west, east], via: aws-vpn}]\n",
            {"a": 1, "b": 1, "c": 2},
            {},
            {"a": 1, "b": 1},
        ),
    ],
)
def test_vpcs_are_joined_as_the_paths_say(
    paths: str, peerings: dict[str, int], attachments: dict[str, int], vpns: dict[str, int]
) -> None:
    made = judge(*AWS, spec=paths)

    def by_vpc(what: str) -> dict[str, int]:
        return {vpc: count for (*_, vpc), count in counted(made, what).items()}

    assert by_vpc(asks.PEERINGS) == peerings
    assert by_vpc(asks.ATTACHMENTS) == attachments
    assert by_vpc(asks.VPNS) == vpns
    assert by_vpc(asks.ROUTES) == {"a": 2, "b": 2, "c": 2}


def test_native_routing_doubles_the_routes_between_vpcs() -> None:
    assert set(counted(judge(*AWS, spec=NATIVE), asks.ROUTES).values()) == {4}


def test_clouds_are_joined_by_no_peering() -> None:
    made = judge(AWS[0], GCP[2])

    assert counted(made, asks.PEERINGS) == {}
    assert set(counted(made, asks.VPNS).values()) == {1}


def test_aws_counts_rules_by_range_and_others_by_port() -> None:
    made = {
        ask.vpc: ask
        for ask in judge(AWS[0], "east 2 provider: azure, account: x, vpc: y").asks
        if ask.what == asks.RULES
    }

    assert (made["a"].count, made["a"].default, made["a"].most) == (13, 60, 1000)
    assert (made["y"].count, made["y"].default) == (6, 1000)
    assert "limit: docs.aws.amazon.com" in made["a"].source


def test_more_than_a_cloud_can_give_is_an_error_with_a_way_out() -> None:
    clusters = [f"c{number} {number} vpc: v{number}, {AT}" for number in range(1, 130)]

    found = [each for each in judge(*clusters).findings if each.severity is finding.Severity.ERROR]

    assert {each.code for each in found} == {"quota-cannot-be-given"}
    assert len(found) == 129
    assert "128 VPC peerings are needed and 125 are the most" in found[0].message
    assert "aws-tgw" in found[0].remedy
    assert (found[0].file, bool(found[0].line)) == ("fleet.yaml", True)


def test_what_a_fleet_does_not_say_is_said() -> None:
    made = judge("west 1", "east 2 provider: aws", "home 3 provider: kubeadm")

    assert [(each.code, each.severity.value, each.file, bool(each.line)) for each in made.findings] == [
        ("no-account", "info", "fleet.yaml", True),
        ("no-vpc", "info", "fleet.yaml", True),
    ]
    assert "'west' and 1 more" in made.findings[0].message
    assert {ask.account for ask in made.asks} == {"-"}


def test_every_ask_says_why_and_who_says_so() -> None:
    made = judge(*AWS, "home 4 provider: gcp, vpc: z", spec="  mesh: {istio: {}}\n")

    assert [ask.what for ask in made.asks if not ask.why or not ask.source or ask.count < 1] == []


def test_the_command_prints_a_table_and_the_same_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(text(*AWS), encoding="utf-8")

    assert main.main(["plan", "quotas", "-f", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["PROVIDER", "ACCOUNT", "REGION", "VPC", "WHAT", "COUNT", "DEFAULT", "WHY"]
    assert lines[1].split()[:6] == ["aws", "prod", "us", "-", "nodes", "15"]

    assert main.main(["plan", "quotas", "-f", str(tmp_path), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["findings", "quotas"]
    assert told["quotas"][0] == {
        "provider": "aws",
        "account": "prod",
        "region": "us",
        "vpc": "-",
        "what": "nodes",
        "count": 15,
        "why": "9 today and 15 after growth, of west, east, far",
        "source": "the Fleet: nodes times growth",
        "default": None,
        "most": None,
        "clusters": ["west", "east", "far"],
    }


def test_only_keeps_what_concerns_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text(text(*AWS), encoding="utf-8")

    main.main(["plan", "quotas", "-f", str(tmp_path), "--only", "east", "-o", "json"])

    told = json.loads(capsys.readouterr().out)["quotas"]
    assert {each["vpc"] for each in told} == {"-", "b"}
