"""Where authorities lie: as the option says, else the Fleet, else in `trust`; what is named is there."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.cli import connecting, keys
from isthmus.clients import keyfiles
from isthmus.mesh.trust import authority
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC)
STATED = {"clustermesh": "pki/mesh", "istio": "pki/root"}


def place(folder: Path, trust: dict[str, Any] | None) -> connecting.Place:
    """Return the place of a Fleet that says this of its authorities."""
    spec = {
        "network": {"cni": "cilium", "version": "1.20.2", "chart": {"path": "charts/cilium"}},
        "addressing": {
            "pods": {"supernets": ["10.0.0.0/10"]},
            "services": {"supernets": ["10.96.0.0/12"]},
        },
        "clusters": [{"name": "west", "id": 1, "nodes": 3}],
        **({"trust": trust} if trust else {}),
    }
    head = {"apiVersion": "isthmus.dev/v1alpha1", "kind": "Fleet", "metadata": {"name": "shop"}}
    (folder / "fleet.yaml").write_text(yaml.safe_dump({**head, "spec": spec}), encoding="utf-8")
    return connecting.find(folder)


def put(folder: Path, below: int = 0) -> authority.Authority:
    """Lay an authority into a folder."""
    made = authority.create("x", random=os.urandom, now=NOW, below=below)
    keyfiles.write(folder, certificate=made.pem, key=made.key_pem)
    return made


@pytest.mark.parametrize(
    ("trust", "option", "mesh", "root"),
    [
        (None, None, "trust", "trust/istio"),
        (STATED, None, "pki/mesh", "pki/root"),
        ({"clustermesh": "pki/mesh"}, None, "pki/mesh", "pki/mesh/istio"),
        ({"istio": "pki/root"}, None, "trust", "pki/root"),
        (STATED, "other", "other", "other/istio"),
    ],
    ids=str,
)
def test_the_option_wins_over_the_fleet_and_the_fleet_over_what_is_made(
    tmp_path: Path, trust: dict[str, Any] | None, option: str | None, mesh: str, root: str
) -> None:
    here, ca = place(tmp_path, trust), tmp_path / option if option else None

    assert keys.where_of(here, ca) == tmp_path / mesh
    assert keys.root_folder(here, ca) == tmp_path / root


def test_what_the_fleet_names_and_is_not_there_is_said_with_its_line(tmp_path: Path) -> None:
    here = place(tmp_path, STATED)
    put(tmp_path / "pki" / "mesh")

    (found,) = keys.absent(here, None)

    lines = (tmp_path / "fleet.yaml").read_text(encoding="utf-8").splitlines()
    assert (found.code, found.severity.value) == ("authority-absent", "error")
    assert found.line is not None
    assert "istio: pki/root" in lines[found.line - 1]
    assert keys.absent(here, tmp_path / "other") == []


@pytest.mark.parametrize(
    "verb", [["diff"], ["up", "--yes"], ["rotate", "--yes"], ["rotate", "--istio", "--yes"]]
)
def test_no_authority_is_made_in_the_place_of_one_that_is_named(tmp_path: Path, verb: list[str]) -> None:
    place(tmp_path, STATED)
    words = [
        sys.executable,
        "-m",
        "isthmus",
        "connect",
        verb[0],
        "-f",
        str(tmp_path),
        *verb[1:],
        "-o",
        "json",
    ]

    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1, done.stderr
    assert [each["code"] for each in json.loads(done.stdout)["findings"]] == ["authority-absent"] * 2
    assert not (tmp_path / "pki").exists()


def test_an_authority_in_one_file_is_not_replaced(tmp_path: Path) -> None:
    made = put(tmp_path / "pki", below=1)
    both = tmp_path / "both.pem"
    both.write_bytes(made.pem + made.key_pem)

    assert keys.folder_of(tmp_path / "pki") == tmp_path / "pki"
    with pytest.raises(errors.InputError) as caught:
        keys.folder_of(both)

    assert "put it into a folder" in caught.value.remedy
