from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import main
from isthmus.model import folder
from isthmus.network import compare
from isthmus.network import plan as plans
from tests.plan import worlds

if TYPE_CHECKING:
    from pathlib import Path

LARGE = worlds.text("big 1 region: us-west4, nodes: 300")
SMALL = worlds.text(
    "a 1 region: us-west4, nodes: 100",
    "b 2 region: us-east1, nodes: 100",
    "c 3 region: europe-west1, nodes: 100",
)


def planned(text: str) -> plans.Plan:
    parsed = folder.parse([("fleet.yaml", text)])
    assert parsed.folder is not None, parsed.findings
    return plans.plan(parsed.folder)


def values(text: str) -> dict[str, float | None]:
    return {each.key: each.value for each in compare.measures(planned(text))}


def many(count: int) -> str:
    return worlds.text(*(f"c{number} {number}" for number in range(1, count + 1)))


# Worked out by hand: 300 nodes of /24 need a /15 (512 blocks), 100 need a /17 (128); clouds keep 5 addresses
# of a node range, so 300 nodes take a /23 and 100 a /25; a service range is a /20.
@pytest.mark.parametrize(
    ("measure", "a", "b", "difference"),
    [
        ("clusters", 1, 3, 2),
        ("nodes", 300, 300, 0),
        ("pods_used", 2**17, 3 * 2**15, -(2**15)),
        ("pods_left", 2**22 - 2**17, 2**22 - 3 * 2**15, 2**15),
        ("services_used", 2**12, 3 * 2**12, 2**13),
        ("nodes_used", 2**9, 3 * 2**7, -(2**7)),
        ("clusters_fit", 31, 125, 94),
        ("identities", 65535, 65535, 0),
        ("identities_total", 65535, 196605, 131070),
        ("mesh_pairs", 0, 3, 3),
        ("cluster_loss", 100.0, 33.3, -66.7),
        ("regions", 1, 3, 2),
        ("region_loss", 100.0, 33.3, -66.7),
        ("voters", 1, 3, 2),
        ("voters_spare", 0, 1, 1),
        ("underlay_mtu", 1500, 1500, 0),
        ("pod_mtu", None, 1450, None),
    ],
)
def test_one_large_cluster_beside_three_small_ones(
    measure: str, a: float | None, b: float | None, difference: float | None
) -> None:
    lines = {each.key: each for each in compare.compare(planned(LARGE), planned(SMALL))}

    line = lines[measure]
    assert (line.a, line.b, line.difference) == (a, b, difference)


def test_firewall_rows_are_what_the_plan_has() -> None:
    for text in (LARGE, SMALL, many(16)):
        assert values(text)["firewall_rows"] == len(planned(text).firewall)


def test_a_fleet_with_one_row_for_all_clusters_is_counted_as_if_each_pair_had_its_own() -> None:
    """With n clusters there are a·n² + b·n + c rows, which three sizes below the limit fix."""
    one, two, three, seventeen = (values(many(count))["firewall_rows"] for count in (14, 15, 16, 17))
    assert one is not None
    assert two is not None
    assert three is not None

    assert len(planned(many(17)).firewall) < one
    assert seventeen == three + (three - two) + ((three - two) - (two - one))


def test_a_plan_beside_itself_has_no_difference() -> None:
    lines = compare.compare(planned(SMALL), planned(SMALL))

    assert {each.difference for each in lines} == {0}


def test_the_largest_region_counts_and_not_the_largest_cluster_alone() -> None:
    found = values(
        worlds.text(
            "a 1 region: east, nodes: 30", "b 2 region: east, nodes: 30", "c 3 region: west, nodes: 40"
        )
    )

    assert (found["cluster_loss"], found["region_loss"], found["voters_spare"]) == (40.0, 60.0, 1)


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        (worlds.text("a 1", "b 2", "c 3"), {"regions", "region_loss"}),
        (
            worlds.text("a 1 region: x", addressing=""),
            {"pods_used", "pods_left", "services_left", "nodes_left", "clusters_fit"},
        ),
        (
            worlds.text("a 1", "b 2").replace("  clusters:", "  network: {cni: none}\n  clusters:"),
            {"identities", "identities_total", "mesh_pairs", "pod_mtu"},
        ),
    ],
)
def test_what_a_plan_does_not_know_is_no_number(text: str, absent: set[str]) -> None:
    found = values(text)

    assert {key for key in absent if found[key] is not None} == set()


def test_quotas_are_counted_over_all_accounts() -> None:
    aws = "provider: aws, account: '1'"
    one = planned(worlds.text(f"a 1 region: us-east-1, vpc: v1, {aws}"))
    two = planned(
        worlds.text(
            f"a 1 region: us-east-1, vpc: v1, {aws}", f"b 2 region: us-east-1, vpc: v2, {aws}", "c 3"
        ).replace("  clusters:", "  paths: [{between: [a, b], via: aws-peering}]\n  clusters:")
    )
    lines = {each.key: (each.a, each.b) for each in compare.compare(one, two)}

    assert lines["accounts"] == (1, 1)
    assert lines["quota_vpc_peerings"] == (0, 2)  # each VPC counts its end
    assert "quota_transit_gateway_attachments" not in lines


def test_a_witness_is_a_voter() -> None:
    assert values(worlds.text("a 1", "b 2", witness=True))["voters_spare"] == 1


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, text in (("large", LARGE), ("small", SMALL), ("wrong", "a: [")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fleet.yaml").write_text(text)
    return tmp_path


def run(*args: object) -> int:
    return main.main([str(each) for each in args])


def test_text_is_a_table_with_the_difference(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders)
    assert run("plan", "compare", "large", "small") == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["large", "small", "DIFFERENCE"]
    assert ["clusters", "1", "3", "+2"] in rows
    assert ["nodes", "today", "300", "300", "="] in rows
    assert ["pods:", "addresses", "taken", "(IPv4)", "131,072", "98,304", "-32,768"] in rows


def test_json_has_the_shape_of_the_contract(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "compare", folders / "large", folders / "small", "-o", "json") == 0

    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["sides", "measures"]
    assert told["sides"][0] == {"folder": str(folders / "large"), "fleet": "shop"}
    assert told["measures"][0] == {
        "measure": "clusters",
        "label": "clusters",
        "unit": None,
        "a": 1,
        "b": 3,
        "difference": 2,
    }


def test_a_folder_that_cannot_be_read_leaves_with_two(folders: Path) -> None:
    assert run("plan", "compare", folders / "large", folders / "wrong") == 2
    assert run("plan", "compare", folders / "large", folders / "missing") == 2
