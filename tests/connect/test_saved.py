"""A saved plan of connect runs from what it pinned, and not on a world that has moved since."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.connect import meshes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.xdist_group("connect")]

SERVER = "clustermesh-apiserver-server-cert"


def test_a_saved_plan_runs_without_the_folders_say_and_only_once(net: meshes.Net, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    saved = net.run("diff", "--save", str(file))
    assert f"isthmus connect up --plan {file}" in saved.err
    assert net.releases("west") == []
    text = file.read_text(encoding="utf-8")
    assert "PRIVATE KEY" not in text
    assert (net.folder / "trust" / "ca.key").exists()
    net.write(mtu=1400)

    refused = net.run("up", "--plan", str(file), "--only", "west", code=2)
    net.run("up", "--plan", str(file))

    assert "a saved plan is run as it is" in refused.err
    assert [net.mtu(name) for name in meshes.CLUSTERS] == ["1500"] * 3
    assert [sorted(net.certificates(name)) for name in meshes.CLUSTERS] == [list(meshes.CERTIFICATES)] * 3
    again = net.run("up", "--plan", str(file), code=1)
    assert "the world has moved since the plan was saved" in again.err
    assert "isthmus connect diff --save" in again.err
    told = net.run("diff", "-o", "json").json()
    assert {each["path"] for each in told["values"]} == {"MTU"}


def test_a_certificate_that_was_replaced_and_a_plan_that_was_edited_are_refused(
    net: meshes.Net, tmp_path: Path
) -> None:
    file, edited = tmp_path / "plan.json", tmp_path / "edited.json"
    net.run("up")
    net.lab.api("east").delete(f"{meshes.SECRETS}/{SERVER}")
    net.write(mtu=1400)
    net.run("diff", "--save", str(file))
    net.run("up", "--only", "east")
    body = json.loads(file.read_text(encoding="utf-8"))
    body["timeout"] = 1.0
    edited.write_text(json.dumps(body), encoding="utf-8")

    moved = net.run("up", "--plan", str(file), code=1)
    changed = net.run("up", "--plan", str(edited), code=2)

    assert f"east: Secret kube-system/{SERVER}" in moved.err
    assert "was changed after it was saved" in changed.err
    assert [net.mtu(name) for name in meshes.CLUSTERS] == ["1500", "1400", "1500"]
