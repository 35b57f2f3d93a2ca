"""Certificates of an App: issued with its release, kept while they are good, and taken back with it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from isthmus.clients import keyfiles
from isthmus.mesh.trust import authority

if TYPE_CHECKING:
    from pathlib import Path

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def asked(shop: shops.Shop) -> None:
    """Let the App ask for a certificate."""
    shop.spec["rollout"]["timeout"] = "90s"
    shop.spec["certificates"] = [
        {"secret": "db-tls", "services": ["db"], "names": ["db.example", "10.0.0.9"]}
    ]
    shop.write()


def held(shop: shops.Shop, name: str = "db-tls") -> list[dict[str, bytes] | None]:
    """Return what the Secret holds in each cluster."""
    path = f"/api/v1/namespaces/{shop.namespace}/secrets/{name}"
    found = [shop.get(cluster, path) for cluster in shop.clusters]
    return [
        {key: base64.b64decode(text) for key, text in each["data"].items()} if each else None
        for each in found
    ]


def present(found: list[dict[str, bytes] | None]) -> list[dict[str, bytes]]:
    """Return them, all of which have to be there."""
    assert None not in found
    return [each for each in found if each is not None]


def test_each_cluster_gets_a_certificate_of_the_one_authority_for_the_names_of_its_services(
    shop: shops.Shop,
) -> None:
    shown = shop.run("diff")
    assert not (shop.folder / "trust").exists()

    done = shop.run("up")
    again = shop.run("up")

    assert "Secret" in shown.out
    assert "db-tls" in shown.out
    assert "new-authority" in shown.said
    assert "certificate authority of Apps lies in" in done.err
    assert "nothing to do" in again.err
    folder = shop.folder / "trust" / "app"
    signer = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    assert (folder / "ca.key").stat().st_mode & 0o077 == 0
    secrets = present(held(shop))
    certificates = [x509.load_pem_x509_certificate(each["tls.crt"]) for each in secrets]
    assert len({each.serial_number for each in certificates}) == 3
    for secret, each in zip(secrets, certificates, strict=True):
        each.verify_directly_issued_by(signer)
        assert secret["ca.crt"] == (folder / "ca.crt").read_bytes()
        names = each.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        space = shop.namespace
        assert set(names.get_values_for_type(x509.DNSName)) == {
            "db", f"db.{space}", f"db.{space}.svc", "db.example",
            f"db.{space}.svc.cluster.local", f"*.db.{space}.svc.cluster.local",
            f"db.{space}.svc.clusterset.local", f"*.db.{space}.svc.clusterset.local",
        }  # fmt: skip
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.9"]
    key = (folder / "ca.key").read_text(encoding="utf-8")
    told = json.dumps([shown.said, done.said, shop.run("history", "-o", "json").out])
    assert not [line for line in key.splitlines() if line in told]
    assert not [line for one in secrets for line in one["tls.key"].decode().splitlines() if line in told]


def test_a_certificate_that_lacks_a_name_or_was_lost_is_issued_anew_alone(shop: shops.Shop) -> None:
    shop.run("up")
    before = present(held(shop))
    shop.lab.api("east").delete(f"/api/v1/namespaces/{shop.namespace}/secrets/db-tls")

    stands = {
        row["cluster"]: row["certificates"] for row in shop.run("status", "-o", "json").json()["clusters"]
    }
    shown = shop.run("status").out
    shop.run("up")
    lost = present(held(shop))
    shop.spec["certificates"][0]["names"].append("*.db.example")
    shop.write()
    shop.run("up")
    named = present(held(shop))

    assert [[each["problems"] for each in stands[name]] for name in shop.clusters] == [
        [[]],
        [["absent"]],
        [[]],
    ]
    assert [each["days"] for each in stands["west"]] == [364]
    assert [line.split()[-1] for line in shown.splitlines() if " db-tls " in line] == [
        "good",
        "absent",
        "good",
    ]
    assert [one == other for one, other in zip(before, lost, strict=True)] == [True, False, True]
    assert not [1 for one, other in zip(lost, named, strict=True) if one["tls.crt"] == other["tls.crt"]]


def test_a_failed_operation_takes_the_certificates_back_and_down_takes_them_out(shop: shops.Shop) -> None:
    shop.spec["rollout"]["timeout"] = "8s"
    shop.set({"version": "1"}, central={"never": True})

    shop.run("up", code=1)
    assert held(shop) == [None] * 3

    shop.spec["rollout"]["timeout"] = "90s"
    shop.set({"version": "1"}, central={"never": False})
    shop.run("up")
    present(held(shop))
    gone = shop.run("down")

    assert "db-tls" in gone.out
    assert held(shop) == [None] * 3


def test_a_secret_of_somebody_else_is_not_written_over_and_one_no_longer_named_is_told(
    shop: shops.Shop,
) -> None:
    shop.run("up")
    body: dict[str, Any] = {"metadata": {"name": "theirs"}, "data": {"tls.crt": "eA=="}}
    shop.lab.api("west").create(f"/api/v1/namespaces/{shop.namespace}/secrets", body)
    shop.spec["certificates"] = [{"secret": "theirs", "usages": ["client"]}]
    shop.write()

    refused = shop.run("up", code=1)

    assert "foreign-certificate" in refused.said
    assert "certificate-left" in refused.said
    assert held(shop, "theirs") == [{"tls.crt": b"x"}, None, None]
    present(held(shop))


def test_a_new_authority_takes_the_place_of_the_old_one_and_both_are_trusted_between(
    shop: shops.Shop,
) -> None:
    shop.run("up")
    folder = shop.folder / "trust" / "app"
    old, before = (folder / "ca.crt").read_bytes(), present(held(shop))

    done = shop.run("rotate", "--settle", "0", "--yes")

    after, new = present(held(shop)), (folder / "ca.crt").read_bytes()
    assert [line[:6] for line in done.err.splitlines() if " of 3: " in line] == ["1 of 3", "2 of 3", "3 of 3"]
    assert new != old
    assert not (folder / "next").exists()
    assert [each["ca.crt"] for each in before] == [old] * 3
    assert [each["ca.crt"] for each in after] == [new] * 3
    signer = x509.load_pem_x509_certificate(new)
    for each in after:
        x509.load_pem_x509_certificate(each["tls.crt"]).verify_directly_issued_by(signer)
    assert "nothing to do" in shop.run("up").err


def test_a_rotation_that_stopped_is_gone_on_with_and_up_refuses_until_then(shop: shops.Shop) -> None:
    shop.run("up")
    folder = shop.folder / "trust" / "app"
    old = (folder / "ca.crt").read_bytes()
    with shop.spawn("rotate", "--settle", "300", "--yes") as running:
        assert running.stdout is not None
        next(line for line in running.stdout if line.startswith("waiting 300 s"))
        running.kill()

    both = present(held(shop))
    refused = shop.run("up", code=1)
    shop.run("rotate", "--settle", "0", "--yes")

    new = (folder / "ca.crt").read_bytes()
    assert {each["ca.crt"].count(b"BEGIN CERTIFICATE") for each in both} == {2}
    assert all(old in each["ca.crt"] for each in both)
    assert "isthmus deploy rotate brings it to its end" in refused.said
    assert [each["ca.crt"] for each in present(held(shop))] == [new] * 3


def test_an_authority_that_the_fleet_names_signs_and_none_is_made_where_it_is_absent(
    shop: shops.Shop,
) -> None:
    shop.fleet["trust"] = {"apps": "pki/apps"}
    shop.write()

    refused = shop.run("diff", code=2)
    made = authority.create("ours", random=os.urandom, now=dt.datetime.now(dt.UTC))
    keyfiles.write(shop.folder / "pki" / "apps", certificate=made.pem, key=made.key_pem)
    shop.run("up")

    assert "no authority lies there" in refused.said
    assert [each["ca.crt"] for each in present(held(shop))] == [made.pem] * 3
    assert not (shop.folder / "trust").exists()


def test_leaves_that_somebody_else_signs_from_requests_are_brought_along_and_their_keys_stay_here(
    shop: shops.Shop, tmp_path: Path
) -> None:
    shop.fleet["trust"] = {"apps": {"leaves": "requests"}}
    shop.write()
    theirs, requests = tmp_path / "theirs", shop.folder / "requests"
    made = authority.create("theirs", random=os.urandom, now=dt.datetime.now(dt.UTC))
    keyfiles.write(theirs, certificate=made.pem, key=made.key_pem)

    early = shop.run("up", code=2)
    shop.run("csr", "requests")
    keys = {path.name: path.read_text(encoding="utf-8") for path in requests.glob("*.key")}
    # Only the requests go to the machine where the authority's key is.
    away = tmp_path / "away"
    away.mkdir()
    for path in requests.glob("*.csr"):
        (away / path.name).write_bytes(path.read_bytes())
    signed = shop.bare("sign", str(away), "--ca", str(theirs), "--yes")
    for path in away.glob("*.crt"):
        (requests / path.name).write_bytes(path.read_bytes())
    shop.run("csr", "requests")
    (requests / f"central.{shop.namespace}.db-tls.crt").rename(tmp_path / "late.crt")
    lacking = shop.run("up", code=1)
    (tmp_path / "late.crt").rename(requests / f"central.{shop.namespace}.db-tls.crt")
    done = shop.run("up")

    assert "the roots are not here yet" in early.said
    assert f"central.{shop.namespace}.db-tls: db, db" in signed.out
    assert "leaf-absent" in lacking.said
    assert {path.name: path.read_text(encoding="utf-8") for path in requests.glob("*.key")} == keys
    assert {path.stat().st_mode & 0o077 for path in requests.glob("*.key")} == {0}
    secrets = dict(zip(shop.clusters, present(held(shop)), strict=True))
    for cluster, secret in secrets.items():
        assert secret["ca.crt"] == made.pem
        assert secret["tls.key"].decode() == keys[f"{cluster}.{shop.namespace}.db-tls.key"]
        x509.load_pem_x509_certificate(secret["tls.crt"]).verify_directly_issued_by(made.certificate)
    told = json.dumps([done.said, shop.run("history", "-o", "json").out, shop.run("status").said])
    assert not [line for one in keys.values() for line in one.splitlines()[1:-1] if line in told]
    for path in requests.glob("*.key"):
        path.unlink()
    assert "nothing to do" in shop.run("up").err
    assert "who signs is named by" in shop.run("rotate", "--yes", code=2).said


def test_a_server_that_names_nobody_and_a_name_that_is_none_are_refused_where_they_stand(
    shop: shops.Shop,
) -> None:
    shop.spec["certificates"] = [{"secret": "a"}, {"secret": "b", "names": ["not a name"]}]
    shop.write()

    refused = shop.run("diff", code=2)

    assert "names nobody" in refused.said
    assert "no name of a host" in refused.said
