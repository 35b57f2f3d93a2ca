"""A cluster of a lab trusts its own authorities alone, and writes down who changed what."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.lab import ports, server

if TYPE_CHECKING:
    from isthmus.lab import labs

pytestmark = pytest.mark.lab


def _port(lab: labs.Lab, cluster: str) -> int:
    return int(lab.clusters[cluster].server.rpartition(":")[2])


def _ask(lab: labs.Lab, tls: ssl.SSLContext, token: str = "", *, port: int = 0) -> tuple[int, bytes]:
    line = http.client.HTTPSConnection(ports.HOST, port or _port(lab, "west"), timeout=10, context=tls)
    try:
        line.request("GET", "/api", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def _tls(lab: labs.Lab, cluster: str = "west") -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(lab.clusters[cluster].folder / "pki" / "ca.crt"))


def _token(lab: labs.Lab, cluster: str, namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    status, body = lab.api(cluster).ask("POST", path, {"spec": {"expirationSeconds": 600}})
    assert status == http.HTTPStatus.CREATED
    return str(json.loads(body)["status"]["token"])


def _audited(lab: labs.Lab, name: str) -> list[dict[str, Any]]:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        lines = map(json.loads, lab.clusters["west"].audit_log.read_text().splitlines())
        found = [line for line in lines if line.get("objectRef", {}).get("name") == name]
        if found:
            return found
        time.sleep(0.1)
    return []


def test_a_stranger_without_credentials_is_refused(lab: labs.Lab) -> None:
    status, _ = _ask(lab, _tls(lab))

    assert status == http.HTTPStatus.UNAUTHORIZED


def test_a_server_of_one_cluster_does_not_pass_for_another(lab: labs.Lab) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _ask(lab, _tls(lab, "east"))


def test_the_admin_of_one_cluster_is_nobody_in_another(lab: labs.Lab) -> None:
    tls = _tls(lab)
    pki = lab.clusters["east"].folder / "pki"
    tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    status, _ = _ask(lab, tls)

    assert status == http.HTTPStatus.UNAUTHORIZED


def test_a_token_is_good_in_its_own_cluster_only(lab: labs.Lab, namespace: str) -> None:
    token = _token(lab, "east", namespace)

    here, _ = _ask(lab, _tls(lab, "east"), token, port=_port(lab, "east"))
    there, _ = _ask(lab, _tls(lab), token)

    assert (here, there) == (http.HTTPStatus.OK, http.HTTPStatus.UNAUTHORIZED)


def test_etcd_wants_a_certificate_of_its_own_authority(lab: labs.Lab) -> None:
    pki = lab.clusters["west"].folder / "pki"
    etcd = lab.control("west").site.ports["etcd"]
    tls = ssl.create_default_context(cafile=str(pki / "etcd-ca.crt"))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        _ask(lab, tls, port=etcd)

    tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        _ask(lab, tls, port=etcd)

    tls.load_cert_chain(pki / "apiserver-etcd.crt", pki / "apiserver-etcd.key")
    _ask(lab, tls, port=etcd)


def test_what_no_role_allows_is_refused(lab: labs.Lab) -> None:
    site = lab.control("west").site
    scheduler = server.Api("west", port=site.ports["kube-apiserver"], pki=site.pki, user="scheduler")

    status, _ = scheduler.ask("GET", "/api/v1/namespaces/kube-system/secrets")

    assert status == http.HTTPStatus.FORBIDDEN


def test_the_audit_log_names_who_wrote_and_holds_no_body(lab: labs.Lab, namespace: str) -> None:
    name = f"{namespace}-made"
    secret = {"metadata": {"name": name}, "stringData": {"password": "hunter2-planted"}}

    lab.api("west").create(f"/api/v1/namespaces/{namespace}/secrets", secret)

    (event,) = _audited(lab, name)
    assert (event["verb"], event["user"]["username"]) == ("create", "lab-admin")
    assert event["responseStatus"]["code"] == http.HTTPStatus.CREATED
    assert "hunter2-planted" not in lab.clusters["west"].audit_log.read_text()


def test_the_audit_log_names_the_token_that_was_used(lab: labs.Lab, namespace: str) -> None:
    token = _token(lab, "west", namespace)
    line = http.client.HTTPSConnection(ports.HOST, _port(lab, "west"), timeout=10, context=_tls(lab))
    line.request(
        "DELETE",
        f"/api/v1/namespaces/{namespace}/configmaps/{namespace}-gone",
        headers={"Authorization": f"Bearer {token}"},
    )
    line.getresponse().read()
    line.close()

    (event,) = _audited(lab, f"{namespace}-gone")

    assert event["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")
