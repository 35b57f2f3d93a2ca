from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import main
from tests.plan import worlds

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    text = worlds.text("west 1 region: us", "east 2 region: eu", "central 3 region: eu")
    (tmp_path / "fleet.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def run(*args: object) -> int:
    return main.main([str(each) for each in args])


def test_the_whole_plan_is_told_part_by_part(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "show", "-f", shop) == 0

    told = capsys.readouterr().out
    for each in ("CLUSTER  ID", "Addresses", "Pods 10.0.0.0/10", "MTU per path", "Firewall: "):
        assert each in told
    assert "\x1b" not in told
    assert all(line == line.rstrip() for line in told.splitlines())


def test_page_and_picture_are_written_to_files(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, picture = shop / "out" / "plan.html", shop / "out" / "plan.svg"

    assert run("plan", "show", "-f", shop, "--html", page, "--svg", picture) == 0

    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314  # made a line above
    told = capsys.readouterr()
    assert told.out == ""
    assert f"wrote {page}" in told.err


@pytest.mark.parametrize(("flag", "begin"), [("--html", "<!DOCTYPE html>"), ("--svg", "<svg ")])
def test_a_dash_is_standard_output(
    flag: str, begin: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "show", "-f", shop, flag, "-") == 0

    assert capsys.readouterr().out.startswith(begin)


@pytest.mark.parametrize(
    "flags",
    [
        ["--html", "-", "--only", "west"],
        ["--svg", "-", "-o", "json"],
        ["--html", "-", "--svg", "-"],
        ["--html", "/dev/null/plan.html"],
    ],
)
def test_what_cannot_be_done_is_refused_with_a_way_out(
    flags: list[str], shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "show", "-f", shop, *flags) in {1, 2}

    told = capsys.readouterr()
    assert told.out == ""
    assert "→" in told.err


def test_findings_still_count_when_a_page_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = worlds.text("west 1 pods: 10.1.0.0/16", "east 2 pods: 10.1.0.0/16", "central 3")
    (tmp_path / "fleet.yaml").write_text(text, encoding="utf-8")

    assert run("plan", "show", "-f", tmp_path, "--html", tmp_path / "plan.html") == 1
    assert "[ranges-overlap]" in capsys.readouterr().err
    assert "ranges-overlap" in (tmp_path / "plan.html").read_text(encoding="utf-8")


def test_json_is_that_of_check(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("plan", "show", "-f", shop, "-o", "json")
    shown = json.loads(capsys.readouterr().out)
    run("plan", "check", "-f", shop, "-o", "json")
    checked = json.loads(capsys.readouterr().out)

    assert shown == {key: checked[key] for key in shown}


def test_a_terminal_without_unicode_gets_ascii(shop: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "plan", "show", "-f", str(shop)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )

    assert b"[#" in done.stdout
    assert done.stdout.isascii()
