"""Certificates that cert-manager issues in each cluster: asked for, waited for, held to the Fleet's root."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from isthmus.lab.images import charts
from isthmus.mesh.trust import authority, intermediate, judge
from tests import managers, shops
from tests.connect import meshes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isthmus.lab import labs

# cert-manager is built for these alone.
pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("connect"),
]

SPACE = "managed"
APPS = f"/apis/cert-manager.io/v1/namespaces/{SPACE}/certificates"
KUBE = "/apis/cert-manager.io/v1/namespaces/kube-system/certificates"
ISTIO = "/apis/cert-manager.io/v1/namespaces/istio-system/certificates"


@pytest.fixture(scope="module")
def roots(mesh_lab: labs.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[managers.Roots]:
    """cert-manager in every cluster, with an issuer for Apps and one for Istio."""
    with managers.managed(mesh_lab, tmp_path_factory.mktemp("managers"), "apps", "istio", "mesh") as found:
        yield found


@pytest.fixture
def shop(roots: managers.Roots, tmp_path: Path) -> Iterator[shops.Shop]:
    """An App whose certificate the issuer of each cluster issues."""
    made = shops.make(roots.lab, tmp_path, SPACE, timeout="60s")
    roots.write("apps", made.folder / "apps.crt")
    made.fleet["trust"] = {"apps": {"issuer": {"name": "apps", "root": "apps.crt"}}}
    made.spec["certificates"] = [{"secret": "db-tls", "services": ["db"], "names": ["10.0.0.9"]}]
    made.write()
    yield made
    for verb in ("abort", "down"):
        made.run(verb, code=None)


def held(shop: shops.Shop) -> dict[str, dict[str, bytes] | None]:
    """Return what the Secret of each cluster holds."""
    found = {name: shop.get(name, f"/api/v1/namespaces/{SPACE}/secrets/db-tls") for name in shop.clusters}
    return {
        name: {field: base64.b64decode(text) for field, text in body["data"].items()} if body else None
        for name, body in found.items()
    }


def test_each_cluster_s_own_issuer_signs_and_the_key_is_made_there(
    shop: shops.Shop, roots: managers.Roots
) -> None:
    shown = shop.run("diff")
    shop.run("up")
    again = shop.run("up")

    assert "Certificate managed/db-tls" in shown.out or "db-tls" in shown.out
    assert "nothing to do" in again.err
    root = roots.found["apps"]
    for name, secret in held(shop).items():
        assert secret is not None
        found, between = x509.load_pem_x509_certificates(secret["tls.crt"])
        between.verify_directly_issued_by(root.certificate)
        found.verify_directly_issued_by(between)
        assert secret["ca.crt"] == root.pem
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert f"db.{SPACE}.svc" in names.get_values_for_type(x509.DNSName)
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.9"]
        assert shop.get(name, f"{APPS}/db-tls")["spec"]["issuerRef"]["name"] == "apps"
    keys = [secret["tls.key"].decode() for secret in held(shop).values() if secret]
    told = json.dumps([shown.said, again.said, shop.run("history", "-o", "json").out])
    assert not [line for key in keys for line in key.splitlines()[1:-1] if line in told]
    rows = shop.run("status", "-o", "json").json()["clusters"]
    assert [each["problems"] for row in rows for each in row["certificates"]] == [[]] * 3
    assert not (shop.folder / "trust").exists()

    gone = shop.run("down")

    assert "Certificate" in gone.out
    assert held(shop) == dict.fromkeys(shop.clusters)
    assert shop.get("west", f"{APPS}/db-tls") is None


def test_an_issuer_below_another_root_is_found_before_the_chart_and_taken_back(
    shop: shops.Shop, roots: managers.Roots
) -> None:
    other = authority.create("other", random=os.urandom, now=dt.datetime.now(dt.UTC), below=2)
    managers.issue_below(roots.lab, "central", "apps", other)
    try:
        done = shop.run("up", code=1)
    finally:
        managers.issue_below(roots.lab, "central", "apps", roots.found["apps"])

    assert "below another root" in done.said
    assert held(shop) == dict.fromkeys(shop.clusters)
    assert [shop.get(name, f"{APPS}/db-tls") for name in shop.clusters] == [None] * 3
    assert shop.releases("central") == []


def test_what_was_issued_otherwise_is_not_written_over_in_either_direction(shop: shops.Shop) -> None:
    issuer = shop.fleet.pop("trust")
    shop.write()
    shop.run("up")
    shop.fleet["trust"] = issuer
    shop.write()

    refused = shop.run("up", code=1)
    shop.run("down")
    shop.run("up")
    del shop.fleet["trust"]
    shop.write()
    back = shop.run("up", code=1)
    shop.fleet["trust"] = issuer
    shop.write()

    assert "issued-otherwise" in refused.said
    assert "still-managed" in back.said


def test_an_issuer_that_never_issues_is_told_in_its_own_words(shop: shops.Shop) -> None:
    shop.fleet["trust"]["apps"]["issuer"]["name"] = "nobody"
    shop.spec["rollout"]["timeout"] = "12s"
    shop.write()

    done = shop.run("up", code=1)

    assert "did not issue Certificate managed/db-tls" in done.said
    assert 'clusterissuer.cert-manager.io "nobody" not found' in done.said


@pytest.fixture
def mesh(net: meshes.Net, roots: managers.Roots) -> Iterator[meshes.Net]:
    """A Fleet with Istio, whose authorities the issuer of each cluster makes."""
    found = {
        name: {"path": str(charts.folder(f"istio{at}"))} for name, at in (("base", "-base"), ("istiod", "d"))
    }
    values: dict[str, Any] = {"base": {"validationFailurePolicy": "Ignore"}}
    net.spec["mesh"] = {"istio": {"trustDomain": "shop.local", "charts": found, "values": values}}
    net.spec["trust"] = {
        "clustermesh": {"issuer": {"name": "mesh", "root": "mesh.crt"}},
        "istio": {"issuer": {"name": "istio", "root": "istio.crt"}},
    }
    for name in ("istio", "mesh"):
        roots.write(name, net.folder / f"{name}.crt")
    for number, name in enumerate(meshes.CLUSTERS, start=1):
        net.own[name] = {"apiServer": f"10.8.0.{number}:6443"}
    net.write()
    yield net
    for verb in ("abort", "down"):
        net.run(verb, code=None)


def test_the_mesh_and_each_istiod_have_certificates_of_their_cluster_s_issuers_before_they_start(
    mesh: meshes.Net, roots: managers.Roots
) -> None:
    mesh.run("up")
    again = mesh.run("up")
    status = mesh.run("status", "-o", "json", code=None).json()

    assert "nothing to do" in again.err
    assert not (mesh.folder / "trust").exists()
    user = judge.common_name(mesh.certificate("west", "clustermesh-apiserver-remote-cert"))
    assert user == "remote-west"
    for name in meshes.CLUSTERS:
        assert set(mesh.certificates(name)) == set(meshes.CERTIFICATES)
        for each in meshes.CERTIFICATES:
            held = mesh.secret(name, each)
            assert held is not None
            chain = x509.load_pem_x509_certificates(held["tls.crt"])
            assert judge.lineage(chain[0], chain[1:], [roots.found["mesh"].certificate])
            assert not judge.lineage(chain[0], chain[1:], [roots.found["istio"].certificate])
    said = [each for one in status["clusters"] for each in one["certificates"]]
    assert [each["problems"] for each in said] == [[]] * (3 * (len(meshes.CERTIFICATES) + 1))
    root = roots.found["istio"].certificate
    for name in meshes.CLUSTERS:
        body = mesh.get(name, "/api/v1/namespaces/istio-system/secrets/cacerts")
        found = intermediate.judge("", body, roots=[root], now=dt.datetime.now(dt.UTC))
        assert found.problems == ()
        assert found.common_name == f"isthmus shop istio {name}"
        assert mesh.get(name, f"{ISTIO}/cacerts")["spec"]["isCA"] is True
    wrong = [each for each in status["findings"] if "cacerts" in each["message"]]
    assert wrong == []

    mesh.run("down")

    for name in meshes.CLUSTERS:
        assert mesh.certificates(name) == {}
        assert mesh.get(name, KUBE)["items"] == []
        assert mesh.get(name, f"{ISTIO}/cacerts") is None
        assert mesh.get(name, "/api/v1/namespaces/istio-system/secrets/cacerts") is None
