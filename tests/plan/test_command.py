from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from isthmus.cli import main
from tests.plan import worlds

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ["code", "severity", "kind", "namespace", "name", "cluster", "file", "line", "message", "remedy"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path, worlds.text("west 1", "east 2", "central 3"))


def write(folder: Path, text: str) -> Path:
    (folder / "fleet.yaml").write_text(text, encoding="utf-8")
    return folder


def run(*args: object) -> int:
    return main.main([str(each) for each in args])


def test_json_has_the_shape_of_the_contract(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "check", "-f", shop, "-o", "json") == 0

    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["findings", "clusters", "paths", "firewall"]
    assert told["clusters"][0] == {
        "name": "west",
        "id": 1,
        "pods": "10.0.0.0/22",
        "services": "10.96.0.0/20",
        "nodes": "10.64.0.0/29",
    }
    assert [list(found) for found in told["findings"]] == [FIELDS]
    assert told["paths"][0] == {"between": ["west", "east"], "underlay_mtu": 1500, "pod_mtu": 1450}
    overlay = [each for each in told["firewall"] if each["port"] == "8472"]
    assert list(overlay[0]) == ["from", "to", "protocol", "port", "purpose", "team", "when"]
    assert ("west nodes", "east nodes") in {(each["from"], each["to"]) for each in overlay}


def test_yaml_says_the_same_as_json(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("plan", "check", "-f", shop, "-o", "json")
    told = json.loads(capsys.readouterr().out)
    run("plan", "check", "-f", shop, "-o", "yaml")

    assert yaml.safe_load(capsys.readouterr().out) == told


def test_one_file_will_do_instead_of_a_folder(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "check", "-f", shop / "fleet.yaml") == 0
    assert "3 clusters planned: 1 info" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("clusters", "flags", "code"),
    [
        (["a 1", "b 2", "c 3"], [], 0),
        (["a 1", "b 2", "c 3"], ["--fail-on", "warning"], 0),
        (["a 1", "b 2", "c 3"], ["--fail-on", "info"], 1),
        (["a 1", "b 2", "c 3", "d 4"], [], 0),
        (["a 1", "b 2", "c 3", "d 4"], ["--fail-on", "warning"], 1),
        (["a 1", "b 2"], [], 1),
        (["a 1", "b 2"], ["-o", "json"], 1),
        (["a 1", "b 1", "c 3"], [], 2),
        (["a 1", "b 1", "c 3"], ["-o", "json"], 2),
        (["a 1", "b 2", "c 3"], ["--only", "x"], 2),
    ],
)
def test_the_exit_code_follows_the_worst_finding(
    clusters: list[str], flags: list[str], code: int, tmp_path: Path
) -> None:
    shop = write(tmp_path, worlds.text(*clusters))

    assert run("plan", "check", "-f", shop, *flags) == code
    assert run("plan", "show", "-f", shop, *flags) == code


def test_documents_that_cannot_be_read_are_told_in_json_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "check", "-f", write(tmp_path, "a: [\n"), "-o", "json") == 2

    [found] = json.loads(capsys.readouterr().out)["findings"]
    assert (found["code"], found["severity"], found["file"]) == (
        "yaml-syntax",
        "error",
        str(tmp_path / "fleet.yaml"),
    )


def test_problems_are_told_with_place_reason_and_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, worlds.text("a 1 regoin: x", "b 2"))

    assert run("plan", "check", "-f", tmp_path) == 2
    told = capsys.readouterr().err
    assert f"error: {tmp_path}/fleet.yaml:10: spec.clusters[0].regoin: no such field [unknown-field]" in told
    assert "→ did you mean `region`?" in told


def test_show_is_a_plain_table_when_piped(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "show", "-f", shop, "--only", "west,central") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "CLUSTER  ID  REGION  NODES  PODS          SERVICES        NODE RANGE",
        "west     1   -       3      10.0.0.0/22*  10.96.0.0/20*   10.64.0.0/29*",
        "central  3   -       3      10.0.8.0/22*  10.96.32.0/20*  10.64.0.16/29*",
    ]
    assert "room for more" in lines[3]


def test_adding_a_cluster_changes_no_other_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("plan", "show", "-f", write(tmp_path, worlds.text("a 1", "b 2 nodes: 40")))
    before = capsys.readouterr().out.splitlines()[:3]
    run("plan", "show", "-f", write(tmp_path, worlds.text("a 1", "new 3 nodes: 900", "b 2 nodes: 40")))
    after = capsys.readouterr().out.splitlines()

    assert {" ".join(line.split()) for line in before} < {" ".join(line.split()) for line in after}


def test_a_file_that_cannot_be_read_is_a_finding_beside_the_others(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "notes.yaml").write_bytes(b"\xff\xfe")
    (shop / "fleet.yaml").write_text(worlds.text("west 1", "east 1"), encoding="utf-8")

    assert run("plan", "check", "-f", shop, "-o", "json") == 2

    told = json.loads(capsys.readouterr().out)["findings"]
    assert [(each["code"], each["line"]) for each in told] == [("duplicate-id", 11), ("file-unreadable", 1)]


def test_an_empty_file_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "fleet.yaml").write_text("# nothing\n")

    assert run("plan", "check", "-f", shop) == 2
    assert "fleet.yaml:1: there is no document here" in capsys.readouterr().err


def test_a_filter_of_nothing_is_refused(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "check", "-f", shop, "--only", " , ") == 2
    assert "west" in capsys.readouterr().err


def test_a_record_that_is_no_file_is_refused(shop: Path) -> None:
    (shop / "plan.lock.json").mkdir()

    assert run("plan", "check", "-f", shop) == 2
