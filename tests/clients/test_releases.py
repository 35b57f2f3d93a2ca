from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from isthmus.clients import releases
from isthmus.model import errors
from tests.clients import test_transport

RECORD = {
    "name": "shop",
    "namespace": "data",
    "version": 3,
    "info": {"status": "pending-upgrade", "description": "x", "last_deployed": "2026-01-01T00:00:00Z"},
    "chart": {"metadata": {"name": "small", "version": "1.0.0"}},
    "config": {"password": "s3cret"},
    "manifest": "kind: Secret",
}


def secret(data: Any) -> dict[str, Any]:
    labels = {"owner": "helm", "name": "shop", "status": "deployed", "version": "3", "team": "web"}
    meta = {"name": "sh.helm.release.v1.shop.v3", "namespace": "data", "labels": labels, "uid": "u"}
    return {"metadata": meta, "data": {"release": data}}


def packed(record: Any, *, zipped: bool = True) -> str:
    raw = json.dumps(record).encode()
    return base64.b64encode(base64.b64encode(gzip.compress(raw, mtime=0) if zipped else raw)).decode()


def listing(*items: Any) -> test_transport.Script:
    return test_transport.Script((200, {"metadata": {}, "items": list(items)}))


@pytest.mark.parametrize("zipped", [True, False])
async def test_a_record_is_read_as_helm_wrote_it(zipped: bool) -> None:
    server = test_transport.cluster(listing(secret(packed(RECORD, zipped=zipped))))

    (found,) = await releases.history(server, "shop", "data")

    assert (found.revision, found.status, found.is_pending, found.app_version) == (
        3,
        "pending-upgrade",
        True,
        "",
    )
    assert found.labels == {"team": "web"}
    assert found.config == {"password": "s3cret"}
    assert "s3cret" not in repr(found)
    assert "kind: Secret" not in repr(found)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        "%%%",
        base64.b64encode(b"nonsense").decode(),
        packed("text"),
        packed({"name": "shop"}),
        packed({**RECORD, "version": "s3cret"}),
        base64.b64encode(base64.b64encode(b"\x1f\x8bbroken")).decode(),
    ],
)
async def test_a_damaged_record_is_told_without_its_content(data: Any) -> None:
    with pytest.raises(errors.InputError, match=r"cannot read Helm's record data/sh\.helm") as caught:
        await releases.history(test_transport.cluster(listing(secret(data))), "shop", "data")

    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"


async def test_no_record_is_no_release() -> None:
    server = test_transport.cluster(listing())

    assert await releases.history(server, "shop", "data") == ()
    assert await releases.latest(server, "shop", "data") is None


def head(revision: int) -> dict[str, Any]:
    labels = {"owner": "helm", "name": "shop", "version": str(revision)}
    return {"metadata": {"name": f"sh.helm.release.v1.shop.v{revision}", "labels": labels}}


async def test_of_a_long_history_only_the_newest_record_is_read() -> None:
    heads = {"metadata": {}, "items": [head(9), head(10), head(8)]}
    script = test_transport.Script((200, heads), (200, secret(packed({**RECORD, "version": 10}))))

    found = await releases.latest(test_transport.cluster(script), "shop", "data")

    assert found is not None
    assert found.revision == 10
    assert [request.url.path for request in script.seen] == [
        "/api/v1/namespaces/data/secrets",
        "/api/v1/namespaces/data/secrets/sh.helm.release.v1.shop.v10",
    ]
    assert "PartialObjectMetadataList" in script.seen[0].headers["Accept"]


async def test_a_record_that_helm_removes_meanwhile_is_looked_for_again() -> None:
    gone = (404, {"kind": "Status", "code": 404, "reason": "NotFound"})
    script = test_transport.Script(
        (200, {"metadata": {}, "items": [head(3)]}),
        gone,
        (200, {"metadata": {}, "items": [head(4)]}),
        (200, secret(packed({**RECORD, "version": 4}))),
    )

    found = await releases.latest(test_transport.cluster(script), "shop", "data")

    assert found is not None
    assert found.revision == 4
