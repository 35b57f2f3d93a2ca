from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from isthmus.clients import entries, kinds, kube
from isthmus.model import errors
from tests.clients import test_transport
from tests.clients.conftest import config_of, issue

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.lab import labs


def plugin(path: Path, *, version: str = "v1", seconds: float = 3600.0) -> Any:
    """Return a user whose plugin gives token-1, then token-2, and so on."""
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = '"status": {"token": "token-\'"$n"\'", "expirationTimestamp": "' + until + '"}'
    path.write_text(
        "#!/bin/sh\n"
        f"echo x >>{path}.runs; n=$(wc -l <{path}.runs); n=$((n))\n"
        f'printf %s "$KUBERNETES_EXEC_INFO" >{path}.info\n'
        f"printf '%s' '{{{status}}}'\n"
    )
    path.chmod(0o755)
    api = f"client.authentication.k8s.io/{version}"
    return entries.User(exec=entries.Exec(apiVersion=api, command=str(path), with_cluster=True))


def cluster(user: Any, *codes: int) -> tuple[kube.Cluster, list[str]]:
    seen: list[str] = []
    left = list(codes)

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("Authorization", ""))
        return httpx2.Response(left.pop(0) if left else 200, json={})

    config = test_transport.config(user=user)
    return kube.Cluster("shop", config, transport=httpx2.MockTransport(answer)), seen


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_plugin_runs_once_for_many_requests(tmp_path: Path, version: str) -> None:
    server, seen = cluster(plugin(tmp_path / "login", version=version))

    await asyncio.gather(*(server.get(kinds.NODE, "one") for _ in range(5)))

    assert seen == ["Bearer token-1"] * 5
    info = json.loads((tmp_path / "login.info").read_text())
    assert info["apiVersion"] == f"client.authentication.k8s.io/{version}"
    assert info["spec"]["cluster"]["server"] == "https://api.shop:6443"


async def test_a_plugin_runs_again_before_its_credential_ends(tmp_path: Path) -> None:
    server, seen = cluster(plugin(tmp_path / "login", seconds=5))

    await server.get(kinds.NODE, "one")
    await server.get(kinds.NODE, "one")

    assert seen == ["Bearer token-1", "Bearer token-2"]


async def test_a_refused_credential_is_asked_for_once_more(tmp_path: Path) -> None:
    server, seen = cluster(plugin(tmp_path / "login"), 401, 200)

    await server.get(kinds.NODE, "one")

    assert seen == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo log in first >&2; exit 7", "exit code 7: log in first"),
        ('echo \'{"status": {"certificate": "s3cret"}}\'', "no status.token"),
        ("echo s3cret", "no status.token"),
    ],
)
async def test_a_plugin_that_fails_says_so_without_its_output(
    tmp_path: Path, script: str, words: str
) -> None:
    user = plugin(tmp_path / "login")
    (tmp_path / "login").write_text(f"#!/bin/sh\n{script}\n")

    with pytest.raises(errors.UnauthenticatedError, match=words) as caught:
        await cluster(user)[0].get(kinds.NODE, "one")

    assert "s3cret" not in str(caught.value)


async def test_a_plugin_that_is_missing_shows_the_hint_of_its_author() -> None:
    missing = entries.Exec(
        apiVersion="client.authentication.k8s.io/v1", command="no-such-login", installHint="get it from IT"
    )

    with pytest.raises(errors.UnauthenticatedError, match="no-such-login is missing") as caught:
        await cluster(entries.User(exec=missing))[0].get(kinds.NODE, "one")

    assert caught.value.remedy == "get it from IT"


async def test_a_plugin_of_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="v9"):
        await cluster(plugin(tmp_path / "login", version="v9"))[0].get(kinds.NODE, "one")


async def test_a_token_file_is_read_again_for_each_request(tmp_path: Path) -> None:
    path = tmp_path / "token"
    server, seen = cluster(entries.User(token_file=str(path), token="old"))

    for token in ("first", "second"):
        path.write_text(f"{token}\n")
        await server.get(kinds.NODE, "one")

    assert seen == ["Bearer first", "Bearer second"]


async def test_a_missing_token_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="cannot read the file"):
        await cluster(entries.User(token_file=str(tmp_path / "none")))[0].get(kinds.NODE, "one")


async def test_name_and_password_are_sent() -> None:
    server, seen = cluster(entries.User(username="me", password="secret"))

    await server.get(kinds.NODE, "one")

    assert seen[0].startswith("Basic ")


@pytest.mark.lab
async def test_a_plugins_token_opens_a_real_server(
    lab: labs.Lab, west: kube.Cluster, namespace: str, tmp_path: Path
) -> None:
    token = await issue(west, namespace)
    user = plugin(tmp_path / "login")
    (tmp_path / "login").write_text(f"#!/bin/sh\necho '{json.dumps({'status': {'token': token}})}'\n")

    async with kube.Cluster("west", config_of(lab)._replace(user=user)) as server:
        assert await server.allows("get", kinds.SECRET, namespace) is False
