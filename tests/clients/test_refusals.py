"""What a real API server refuses, in words a user can act on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from isthmus.clients import kinds, kube, redactor
from isthmus.lab import trust
from isthmus.model import errors
from tests.clients.conftest import config_of, issue, quick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from isthmus.lab import labs
    from tests.labs import NewLab

pytestmark = pytest.mark.lab

Json = dict[str, Any]
WORDS = "not on Sundays"
WEBHOOK = kinds.Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)


def expired_token(key_file: Path, namespace: str) -> str:
    """Return a token as the API server itself signs them, an hour past its end."""
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = int(time.time())
    claims = {
        "iss": "x",
        "sub": f"system:serviceaccount:{namespace}:default",
        "iat": now - 7200,
        "exp": now - 3600,
    }
    parts = [_b64(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims)]
    signed = key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256()))
    halves = b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(signed))
    return ".".join([*parts, _b64(halves)])


async def again(call: Callable[[], Any], seconds: float = 30.0) -> None:
    """Repeat until it fails."""
    async with asyncio.timeout(seconds):
        while True:
            await call()
            await asyncio.sleep(0.2)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("sort", ["wrong", "expired"])
async def test_a_token_that_is_not_accepted(
    lab: labs.Lab, west: kube.Cluster, namespace: str, sort: str
) -> None:
    key = lab.clusters["west"].folder / "pki" / "accounts.key"
    token = "nonsense" if sort == "wrong" else expired_token(key, namespace)

    async with west.as_token(token) as stranger:
        with pytest.raises(errors.UnauthenticatedError, match="token expired or revoked") as caught:
            await stranger.get(kinds.NAMESPACE, namespace)

    assert caught.value.where == "west"
    assert token not in str(caught.value)


@pytest.mark.slow
async def test_a_token_dies_with_the_secret_it_is_bound_to(west: kube.Cluster, namespace: str) -> None:
    secret = await west.create(kinds.SECRET, {"metadata": {"name": "fence", "namespace": namespace}})
    bound = ("fence", secret["metadata"]["uid"])
    token = await issue(west, namespace, secret=bound)

    async with west.as_token(token) as lent:
        assert await lent.allows("get", kinds.SECRET, namespace) is False
        await west.delete(kinds.SECRET, *bound[:1], namespace)
        with pytest.raises(errors.UnauthenticatedError):
            await again(lambda: lent.allows("get", kinds.SECRET, namespace))  # believed for about 10 s


async def test_a_token_of_a_missing_account(west: kube.Cluster, namespace: str) -> None:
    with pytest.raises(errors.DeniedError, match='serviceaccounts "none" not found'):
        await west.issue_token("none", namespace)


async def test_a_namespace_that_is_missing(west: kube.Cluster) -> None:
    with pytest.raises(errors.DeniedError, match="namespace missing") as caught:
        await west.create(kinds.CONFIG_MAP, {"metadata": {"name": "one", "namespace": "none-such"}})

    assert caught.value.what == "cannot create ConfigMap none-such/one"


async def test_a_namespace_that_is_terminating(west: kube.Cluster, namespace: str) -> None:
    keep = {"name": "kept", "namespace": namespace, "finalizers": ["tests.isthmus.dev/keep"]}
    await west.create(kinds.CONFIG_MAP, {"metadata": keep})
    await west.delete(kinds.NAMESPACE, namespace)
    try:
        with pytest.raises(errors.DeniedError, match="the namespace is terminating") as caught:
            await west.create(kinds.CONFIG_MAP, {"metadata": {"name": "one", "namespace": namespace}})
    finally:
        current = await west.get(kinds.CONFIG_MAP, "kept", namespace)
        assert current is not None
        current["metadata"]["finalizers"] = []
        await west.replace(kinds.CONFIG_MAP, current)

    assert "finalizers" in caught.value.remedy


async def test_an_invalid_object_names_its_fields(west: kube.Cluster, namespace: str) -> None:
    broken = {
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "replicas": -1, "template": {}},
    }

    with pytest.raises(errors.DeniedError, match=r"spec\.replicas: Invalid value") as caught:
        await west.create(kinds.STATEFUL_SET, broken)

    assert "spec.template.metadata.labels" in caught.value.why


async def test_a_quota_that_is_used_up(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json]
) -> None:
    quota = kinds.Kind("", "v1", "ResourceQuota", "resourcequotas", namespaced=True)
    meta = {"name": "none", "namespace": namespace}
    await west.create(quota, {"metadata": meta, "spec": {"hard": {"count/configmaps": "0"}}})

    with pytest.raises(errors.DeniedError, match=r"exceeded quota|status unknown for quota") as caught:
        await again(lambda: west.create(kinds.CONFIG_MAP, config_map(f"map-{secrets.token_hex(4)}")))

    assert caught.value.remedy


async def test_an_object_that_is_too_large(west: kube.Cluster, config_map: Callable[..., Json]) -> None:
    with pytest.raises(errors.DeniedError, match=r"too large|must have at most"):
        await west.create(kinds.CONFIG_MAP, config_map(big="x" * 4_000_000))


async def test_a_secret_that_the_server_quotes_is_hidden(lab: labs.Lab, namespace: str) -> None:
    hidden = redactor.Redactor.of(["top secret/value"])
    broken = {"metadata": {"name": "one", "namespace": namespace, "labels": {"x": "top secret/value"}}}

    async with quick("west", config_of(lab), redactor=hidden) as west:
        with pytest.raises(errors.DeniedError, match=r"\*\*\*") as caught:
            await west.create(kinds.CONFIG_MAP, broken)

    assert "top secret/value" not in str(caught.value)


@contextlib.asynccontextmanager
async def webhook(west: kube.Cluster, namespace: str, *, answers: bool) -> AsyncIterator[str]:
    """Run an admission webhook that denies everything, or that is away."""
    authority = trust.Authority.new("webhook")
    server = await asyncio.start_server(_deny, "127.0.0.1", 0, ssl=_server_context(authority))
    port = server.sockets[0].getsockname()[1]
    if not answers:
        server.close()
        await server.wait_closed()
    name = f"{namespace}.tests.isthmus.dev"
    bundle = authority.certificate.public_bytes(serialization.Encoding.PEM)
    await west.create(
        WEBHOOK,
        {
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": name,
                    "clientConfig": {
                        "url": f"https://127.0.0.1:{port}/",
                        "caBundle": base64.b64encode(bundle).decode(),
                    },
                    "rules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "resources": ["configmaps"],
                            "operations": ["CREATE"],
                        }
                    ],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "timeoutSeconds": 2,
                }
            ],
        },
    )
    try:
        yield name
    finally:
        await west.delete(WEBHOOK, name)
        server.close()
        await server.wait_closed()


def _server_context(authority: trust.Authority) -> ssl.SSLContext:
    from isthmus.clients import tls

    certificate, key = authority.issue("webhook", hosts=("127.0.0.1",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tls.fleeting_file(certificate + b"\n" + key) as path:
        context.load_cert_chain(path)
    return context


async def _deny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in asked.splitlines() if line.lower().startswith(b"content-length")
    )
    review = json.loads(await reader.readexactly(length))
    answer = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": False,
            "status": {"message": "not on Sundays"},
        },
    }
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(("answers", "words"), [(True, WORDS), (False, "failed calling webhook")])
async def test_an_admission_webhook_that_denies_or_is_away_is_named(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json], answers: bool, words: str
) -> None:
    async with webhook(west, namespace, answers=answers) as name:
        with pytest.raises(errors.DeniedError, match=words) as caught:  # noticed after a moment
            await again(lambda: west.create(kinds.CONFIG_MAP, config_map(f"map-{secrets.token_hex(4)}")))

    assert name in caught.value.remedy


@pytest.mark.slow
async def test_an_etcd_out_of_quota_is_told_with_its_cure(new_lab: NewLab) -> None:
    lab = await asyncio.to_thread(new_lab, etcd_quota=4 * 1024 * 1024)
    async with kube.Cluster("west", config_of(lab)) as west:
        begin = time.monotonic()

        def fill() -> Any:
            meta = {"name": f"map-{secrets.token_hex(4)}", "namespace": "default"}
            return west.create(kinds.CONFIG_MAP, {"metadata": meta, "data": {"x": "x" * 500_000}})

        with pytest.raises(errors.DeniedError, match="etcd is out of quota") as caught:
            await again(fill)

        assert await west.get(kinds.NAMESPACE, "default") is not None, "reading still works"

    assert time.monotonic() - begin < 30
    assert "defragment" in caught.value.remedy
