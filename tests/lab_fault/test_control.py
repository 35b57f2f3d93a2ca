"""Faults of labs without real nodes: programs, certificates and the authority of an API server."""

from __future__ import annotations

import base64
import datetime as dt
import os
import secrets
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.lab import binaries, build, labs, spec, trust
from isthmus.lab.faults import making
from isthmus.model import errors
from tests import labs as shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

SECRET = "/api/v1/namespaces/default/secrets/leaf"


@pytest.fixture(scope="module")
def lab() -> Iterator[labs.Lab]:
    """One cluster that these tests share and each leaves healed."""
    build.ensure(binaries.CONTROL)
    mine = os.environ.get(shared.OWNER) or shared.owner(psutil.Process())
    name = f"{shared.PREFIX}{mine}-{secrets.token_hex(2)}"
    yield labs.up(spec.LabSpec(name=name, clusters=spec.default_clusters(1)))
    labs.down(name)


@pytest.fixture
def faults(lab: labs.Lab) -> Iterator[making.Faults]:
    with labs.held(lab.name) as (held, lock):
        found = making.Faults(held, lock)
        yield found
        found.heal_all()
    lab.api("west").delete(SECRET)


def _ends(pem: bytes) -> dt.datetime:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def test_killed_and_frozen_programs_of_a_control_plane_come_back(
    lab: labs.Lab, faults: making.Faults
) -> None:
    faults.make(faults.frozen("west", "scheduler"))
    faults.make(faults.killed("west", "apiserver"))
    faults.make(faults.killed("west", "etcd"))
    assert {each.id: faults.state(each) for each in faults.all} == {
        "freeze-1": "in force",
        "kill-2": "in force",
        "kill-3": "in force",
    }

    faults.heal_all()

    assert lab.is_up
    assert lab.api("west").is_ready()


def test_paths_and_nodes_are_refused_where_none_are_real(faults: making.Faults) -> None:
    with pytest.raises(errors.InputError, match="no paths"):
        faults.between("west", "east")
    with pytest.raises(errors.InputError, match="kwok plays all nodes"):
        faults.killed_node("west", "west-node-1")


@pytest.mark.parametrize(
    ("words", "found"),
    [("cut w", "west"), ("kill we", "west"), ("kill west kube-s", "kube-scheduler"), ("heal a", "all")],
)
def test_the_shell_completes_names_of_running_labs(lab: labs.Lab, words: str, found: str) -> None:
    line = f"isthmus lab fault {words}"
    environment = {
        **os.environ,
        "_ISTHMUS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    asked = [sys.executable, "-m", "isthmus"]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == [found]


def test_an_expired_certificate_of_an_api_server_is_refused_until_it_is_healed(
    lab: labs.Lab, faults: making.Faults
) -> None:
    address = lab.api("west")
    made = faults.make(faults.expired("west", "apiserver", authority=None))

    _until(lambda: not address.is_ready())
    _, why = address.ask("GET", "/readyz")
    faults.heal_these([made])

    assert b"certificate has expired" in why
    assert lab.api("west").is_ready()


def test_a_secret_gets_the_same_certificate_with_an_end_in_the_past_and_its_own_back(
    lab: labs.Lab, faults: making.Faults, tmp_path: Path
) -> None:
    authority = trust.Authority.new("somebody's")
    authority.write(tmp_path, "ca")
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "ca.crt").read_bytes() + (tmp_path / "ca.key").read_bytes())
    certificate, key = authority.issue("leaf", hosts=["leaf.example"])
    _create(lab, certificate, key)

    with pytest.raises(errors.InputError, match="not known here: CN=somebody's"):
        faults.expired("west", "default/leaf", authority=None)
    made = faults.make(faults.expired("west", "default/leaf", authority=both))

    found = _certificate(lab)
    assert _ends(found) < dt.datetime.now(dt.UTC)
    assert _rest(found) == _rest(certificate)
    assert key.decode() not in (lab.folder / "faults.json").read_text()
    faults.heal(made)
    assert _certificate(lab) == certificate


def test_a_secret_that_somebody_renewed_meanwhile_stays_as_it_is(
    lab: labs.Lab, faults: making.Faults
) -> None:
    pki = lab.clusters["west"].folder / "pki"
    certificate, key = _issued_by(pki)
    _create(lab, certificate, key)
    made = faults.make(faults.expired("west", "default/leaf", authority=None))
    renewed, _ = trust.Authority.new("other").issue("leaf")
    secret = lab.api("west").get(SECRET)
    secret["data"]["tls.crt"] = base64.b64encode(renewed).decode()
    assert lab.api("west").ask("PUT", SECRET, secret)[0] == 200

    assert faults.state(made) == "gone"
    faults.heal(made)

    assert _certificate(lab) == renewed


def test_a_new_authority_shuts_copies_of_the_kubeconfig_out_until_it_is_healed(
    lab: labs.Lab, faults: making.Faults
) -> None:
    before, old = lab.kubeconfig(), lab.api("west")

    made = faults.make(faults.rotated("west"))

    assert lab.api("west").is_ready()
    assert lab.is_up
    status, why = old.ask("GET", "/readyz")
    assert status == 0
    assert b"certificate verify failed" in why
    assert lab.kubeconfig() != before
    faults.heal_these([made])
    assert lab.kubeconfig() == before
    assert old.is_ready()
    assert lab.is_up


def _issued_by(pki: Path) -> tuple[bytes, bytes]:
    key = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    authority = trust.Authority(x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes()), key)
    return authority.issue("leaf")


def _create(lab: labs.Lab, certificate: bytes, key: bytes) -> None:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    body = {"metadata": {"name": "leaf"}, "type": "kubernetes.io/tls", "data": data}
    lab.api("west").create("/api/v1/namespaces/default/secrets", body)


def _certificate(lab: labs.Lab) -> bytes:
    return base64.b64decode(lab.api("west").get(SECRET)["data"]["tls.crt"])


def _rest(pem: bytes) -> tuple[object, ...]:
    """Return what of a certificate does not change with its dates."""
    found = x509.load_pem_x509_certificate(pem)
    extensions = [(each.oid, each.critical, each.value) for each in found.extensions]
    return found.subject, found.issuer, found.public_key(), extensions


def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
