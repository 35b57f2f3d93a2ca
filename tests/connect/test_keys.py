"""Where authorities lie: as the option says, else the Fleet, else in `trust`; what is named is there."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
import yaml
from cryptography import x509

from isthmus.cli import connecting, keys, requests
from isthmus.clients import keyfiles
from isthmus.mesh.trust import authority, judge
from isthmus.model import errors
from isthmus.model import fleet as fleets

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC)
STATED = {"clustermesh": "pki/mesh", "istio": "pki/root"}


FLAT = authority.create("flat", random=os.urandom, now=NOW)


def place(folder: Path, trust: dict[str, Any] | None, *, istio: bool = False) -> connecting.Place:
    """Return the place of a Fleet that says this of its authorities."""
    spec = {
        "network": {"cni": "cilium", "version": "1.20.2", "chart": {"path": "charts/cilium"}},
        "addressing": {
            "pods": {"supernets": ["10.0.0.0/10"]},
            "services": {"supernets": ["10.96.0.0/12"]},
        },
        "clusters": [{"name": "west", "id": 1, "nodes": 3}],
        **({"trust": trust} if trust else {}),
        **({"mesh": {"istio": {}}} if istio else {}),
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


def test_the_roots_have_to_be_back_before_anything_is_drafted(tmp_path: Path) -> None:
    here = place(tmp_path, {"istio": {"intermediates": "pki"}}, istio=True)

    with pytest.raises(errors.InputError, match="the roots are not here yet"):
        keys.istio_source(here, None)

    assert not (tmp_path / "pki").exists()


def test_a_request_keeps_its_key_and_is_signed_by_an_authority_between(tmp_path: Path) -> None:
    here = place(tmp_path, {"istio": {"intermediates": "pki"}}, istio=True)
    folder = tmp_path / "pki"
    requests.write_istio(here, folder)
    key = (folder / "west.key").read_bytes()
    requests.write_istio(here, folder)
    root = authority.create("root", random=os.urandom, now=NOW, below=2)
    own = authority.new_key(os.urandom)
    text = authority.certify(
        root, authority.ask(own, "policy", signs=True), random=os.urandom, now=NOW, signs=True
    )
    keyfiles.write(tmp_path / "policy", certificate=text, key=authority.key_pem(own))

    with pytest.raises(errors.InputError) as flat:  # it has pathlen 0
        requests.sign(folder, tmp_path / "policy", signs=True, yes=True)
    with pytest.raises(errors.InputError, match="the roots are not here yet"):
        requests.sign(folder, tmp_path / "policy", signs=False, yes=True)
    (folder / "root.crt").write_bytes(root.pem)
    requests.sign(folder, tmp_path / "policy", signs=False, yes=True)
    keyfiles.write(tmp_path / "other", certificate=FLAT.pem, key=FLAT.key_pem)
    with pytest.raises(errors.ConflictError):
        requests.sign(folder, tmp_path / "other", signs=False, yes=True)

    assert (folder / "west.key").read_bytes() == key
    assert (folder / "west.key").stat().st_mode & 0o077 == 0
    assert "no authority below itself" in flat.value.why
    chain = x509.load_pem_x509_certificates((folder / "west.crt").read_bytes())
    assert len(chain) == 2
    assert judge.lineage(chain[0], chain[1:], [root.certificate]) == tuple(chain)


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        ({"clustermesh": {"intermediates": "x"}}, "no way of `trust.clustermesh`"),
        ({"clustermesh": {"leaves": "x"}}, "no way of `trust.clustermesh`"),
        ({"istio": {"leaves": "x"}}, "no way of `trust.istio`"),
        ({"apps": {"intermediates": "x"}}, "no way of `trust.apps`"),
        ({"apps": {"leaves": "x", "path": "y"}}, "it has one signer"),
        ({"apps": {}}, "it has one signer"),
        ({"apps": {"issuer": {"name": "x"}}}, "root"),
    ],
    ids=str,
)
def test_a_hierarchy_has_one_signer_of_a_way_that_is_its_own(trust: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        fleets.Trust.model_validate(trust)


def test_an_authority_in_one_file_is_not_replaced(tmp_path: Path) -> None:
    made = put(tmp_path / "pki", below=1)
    both = tmp_path / "both.pem"
    both.write_bytes(made.pem + made.key_pem)

    assert keys.folder_of(tmp_path / "pki") == tmp_path / "pki"
    with pytest.raises(errors.InputError) as caught:
        keys.folder_of(both)

    assert "put it into a folder" in caught.value.remedy
