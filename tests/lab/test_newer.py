"""A record that a newer isthmus wrote is named, hides no other lab, and goes with `lab down`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from isthmus.lab import labs, place, spec, status
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = spec.LabSpec(name="newer", clusters=spec.default_clusters(1)).to_json()
CLUSTER: dict[str, Any] = {**KNOWN["clusters"][0]}
NEWER: dict[str, dict[str, Any]] = {
    "a field of the lab": {**KNOWN, "gravity": 1},
    "a field of a cluster": {**KNOWN, "clusters": [{**CLUSTER, "gravity": 1}]},
    "another profile": {**KNOWN, "profile": "orbit"},
    "a field that is gone": {key: value for key, value in KNOWN.items() if key != "clusters"},
    "another form of a path": {**KNOWN, "paths": [{"ends": ["a", "b"]}]},
}


@pytest.fixture(params=list(NEWER.values()), ids=list(NEWER))
def newer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a lab with a record that cannot be read."""
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    folder = place.labs() / "newer"
    place.write_json(folder / "lab.json", {"spec": request.param, "whole": True})
    return folder


@pytest.mark.usefixtures("newer")
def test_it_is_named_with_the_way_out() -> None:
    with pytest.raises(errors.InputError) as refused:
        labs.get("newer")

    assert "'newer'" in refused.value.what
    assert "isthmus lab down --name newer" in refused.value.remedy


@pytest.mark.usefixtures("newer")
def test_it_stands_in_no_other_labs_way() -> None:
    assert labs.running() == ()
    assert labs.kubeconfigs() == ()
    assert status.describe("newer")["state"] == "broken"


def test_down_removes_it(newer: Path) -> None:
    assert labs.down("newer")
    assert not newer.exists()


def test_up_of_the_same_name_says_so_and_touches_nothing(newer: Path) -> None:
    before = (newer / "lab.json").read_bytes()

    with pytest.raises(errors.InputError, match="'newer'"):
        labs.up(spec.LabSpec(name="newer", clusters=spec.default_clusters(1)))

    assert (newer / "lab.json").read_bytes() == before
