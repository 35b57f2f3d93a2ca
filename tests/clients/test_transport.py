"""What may go wrong on the way to an API server, by a transport that fails as told, and by real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from lightkube.config import kubeconfig as lightkube
from lightkube.config import models

from isthmus.clients import entries, kinds, kube, refusal
from isthmus.lab import trust
from isthmus.model import errors
from tests.clients import conftest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isthmus.lab import labs

FAST = kube.Retry(attempts=3, first=0.0)
MAP = {"metadata": {"name": "one", "namespace": "shop", "resourceVersion": "1"}}


def config(server: str = "https://api.shop:6443", user: Any = None) -> Any:
    return lightkube.SingleConfig(
        context_name="shop",
        context=models.Context(cluster="shop"),
        cluster=entries.Cluster(server=server),
        user=user or entries.User(token="top-secret"),
    )


def cluster(answer: Callable[[httpx2.Request], httpx2.Response], **options: Any) -> kube.Cluster:
    return kube.Cluster(
        "shop", config(), transport=httpx2.MockTransport(answer), **{"retry": FAST, **options}
    )


class Script:
    """Answers one request after another as told, and counts."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.seen: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        step = self.steps[min(len(self.seen), len(self.steps)) - 1]
        if isinstance(step, BaseException):
            raise step
        code, body = step
        return httpx2.Response(code, json=body)


def _classes(base: type[BaseException]) -> list[type[BaseException]]:
    return [base, *(deep for sub in base.__subclasses__() for deep in _classes(sub))]


def _made(kind: type[BaseException]) -> BaseException:
    request = httpx2.Request("GET", "https://api.shop:6443")
    if kind is httpx2.HTTPStatusError:
        return httpx2.HTTPStatusError("no", request=request, response=httpx2.Response(500))
    try:
        return kind("no")
    except TypeError:
        return kind()


PUBLIC = [kind for name in httpx2.__all__ if isinstance(kind := getattr(httpx2, name), type)]
RAISED = [kind for kind in PUBLIC if issubclass(kind, Exception) and not issubclass(kind, Warning)]


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
async def test_every_error_of_the_transport_becomes_ours(kind: type[BaseException]) -> None:
    with pytest.raises((errors.UnreachableError, errors.InputError)) as caught:
        await cluster(Script(_made(kind))).get(kinds.SECRET, "one", "shop")

    assert caught.value.where == "shop"
    assert caught.value.remedy
    assert isinstance(caught.value.__cause__, kind)


def test_no_class_of_the_transport_is_forgotten() -> None:
    assert len(RAISED) > 25
    assert [kind for kind in RAISED if not issubclass(kind, refusal.FAILURES)] == []


LOST = httpx2.ReadError("lost")
REFUSED = httpx2.ConnectError("refused")
BUSY = (429, {"message": "too many"})
BROKEN = (503, {"message": "no leader"})
QUOTA = (500, {"message": "etcdserver: mvcc: database space exceeded"})
GOOD = (200, {"metadata": {"name": "one"}})


@pytest.mark.parametrize(
    ("verb", "failure", "tries"),
    [
        ("get", LOST, 2),
        ("get", REFUSED, 2),
        ("get", BROKEN, 2),
        ("get", QUOTA, 1),
        ("create", LOST, 1),
        ("create", BROKEN, 1),
        ("create", REFUSED, 2),
        ("create", BUSY, 2),
        ("apply", LOST, 2),
        ("replace", LOST, 2),
        ("unversioned", LOST, 1),
        ("delete", LOST, 1),
        ("delete-uid", LOST, 2),
    ],
)
async def test_only_what_cannot_be_done_twice_by_it_is_repeated(verb: str, failure: Any, tries: int) -> None:
    script = Script(failure, GOOD)
    server = cluster(script)
    calls: dict[str, Callable[[], Any]] = {
        "get": lambda: server.get(kinds.CONFIG_MAP, "one", "shop"),
        "create": lambda: server.create(kinds.CONFIG_MAP, MAP),
        "apply": lambda: server.apply(kinds.CONFIG_MAP, MAP),
        "replace": lambda: server.replace(kinds.CONFIG_MAP, MAP),
        "unversioned": lambda: server.replace(kinds.CONFIG_MAP, {"metadata": {"name": "one"}}),
        "delete": lambda: server.delete(kinds.CONFIG_MAP, "one", "shop"),
        "delete-uid": lambda: server.delete(kinds.CONFIG_MAP, "one", "shop", uid="u"),
    }

    if tries == 1:
        with pytest.raises(errors.IsthmusError):
            await calls[verb]()
    else:
        await calls[verb]()

    assert len(script.seen) == tries


FORBIDDEN = (403, {"message": "forbidden"})


@pytest.mark.parametrize(
    ("before", "tries"),
    [([], 1), ([REFUSED], 3), ([REFUSED, REFUSED], 4), ([GOOD], 2)],
    ids=["never allowed", "after a failure", "after all tries but one", "allowed before"],
)
async def test_a_403_of_a_server_that_may_be_starting_is_doubted(before: list[Any], tries: int) -> None:
    script = Script(*before, FORBIDDEN, GOOD)
    server = cluster(script)
    if before == [GOOD]:
        await server.get(kinds.NODE, "one")
        script.seen.clear()
        script.steps = [FORBIDDEN, GOOD]

    if before:
        await server.get(kinds.NODE, "one")
    else:
        with pytest.raises(errors.DeniedError):
            await server.get(kinds.NODE, "one")

    assert len(script.seen) == tries


async def test_the_policy_says_how_often() -> None:
    script = Script(LOST)

    with pytest.raises(errors.UnreachableError):
        await cluster(script).get(kinds.NODE, "one")

    assert len(script.seen) == FAST.attempts


async def test_a_delete_whose_first_answer_was_lost_has_deleted() -> None:
    assert await cluster(Script(LOST, (404, {}))).delete(kinds.CONFIG_MAP, "one", "shop", uid="u")
    assert not await cluster(Script((404, {}))).delete(kinds.CONFIG_MAP, "one", "shop", uid="u")


def test_pauses_grow_to_their_limit_and_hear_the_server() -> None:
    policy = kube.Retry(first=1.0, factor=3.0, jitter=0.5, longest=10.0)

    assert [policy.pause(attempt, chance=0.0) for attempt in (1, 2, 3, 4)] == [1.0, 3.0, 9.0, 10.0]
    assert policy.pause(1, chance=1.0) == 1.5
    assert policy.pause(1, chance=0.0, asked=4.0) == 4.0
    assert policy.pause(1, chance=0.0, asked=3600.0) == 10.0


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx2.Response(200, text="<html>log in</html>"), "did not answer as an API server"),
        (httpx2.Response(302, headers={"Location": "https://login"}), "a redirection"),
        (httpx2.Response(502, text="<html>bad gateway</html>"), "HTTP 502"),
    ],
    ids=["page", "redirection", "gateway"],
)
async def test_something_else_than_an_api_server_is_told(response: httpx2.Response, words: str) -> None:
    with pytest.raises(errors.UnreachableError, match=words):
        await cluster(lambda _: response).get(kinds.NODE, "one")


async def test_an_address_that_is_none_is_an_error_of_the_kubeconfig() -> None:
    with pytest.raises(errors.InputError, match="no address"):
        await kube.Cluster("shop", config("ftp://nowhere")).get(kinds.NODE, "one")


async def test_a_server_that_never_answers_costs_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = conftest.quick("shop", config(f"https://127.0.0.1:{silent.getsockname()[1]}"), timeout=0.3)

        begin = asyncio.get_running_loop().time()
        with pytest.raises(errors.UnreachableError, match=r"no answer in 0\.3 s"):
            await server.get(kinds.NODE, "one")
        await server.close()

    assert asyncio.get_running_loop().time() - begin < 2


async def test_a_closed_port_is_told_in_the_systems_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    with pytest.raises(errors.UnreachableError, match=r"(?i)refused|attempts failed"):
        await conftest.quick("shop", config(f"https://127.0.0.1:{port}")).get(kinds.NODE, "one")


@pytest.mark.lab
async def test_a_foreign_authority_is_refused_at_once(lab: labs.Lab) -> None:
    foreign = trust.Authority.new("foreign").certificate
    mine = conftest.config_of(lab)
    stranger = mine._replace(
        cluster=entries.Cluster(server=mine.cluster.server, certificate_auth_data=_pem(foreign))
    )

    async with kube.Cluster("west", stranger) as server:
        with pytest.raises(errors.UnreachableError, match="TLS with") as caught:
            await server.get(kinds.NODE, "one")

    assert isinstance(refusal._cause(caught.value, ssl.SSLCertVerificationError), ssl.SSLError)


@pytest.mark.lab
async def test_a_client_key_never_becomes_a_file(lab: labs.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # any temporary file would fail

    async with kube.Cluster("west", conftest.config_of(lab)) as server:
        assert (await server.server_version()).startswith("v1.")


def _pem(certificate: Any) -> str:
    import base64

    from cryptography.hazmat.primitives import serialization

    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()


async def test_a_key_that_is_none_is_an_error_of_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("nonsense")
    broken = entries.User(client_cert=str(tmp_path / "cert"), client_key=str(tmp_path / "cert"))

    with pytest.raises(errors.InputError, match="cannot be used"):
        await kube.Cluster("shop", config(user=broken)).get(kinds.NODE, "one")


async def test_a_cluster_shows_no_credential() -> None:
    assert "top-secret" not in repr(cluster(Script(GOOD)))
    assert "top-secret" not in repr(cluster(Script(GOOD)).config)
