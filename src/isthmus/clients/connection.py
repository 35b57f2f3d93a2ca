"""Requests to one API server as one user: client, deadlines and repetition.

A read is repeated after any failure of the way. A write is repeated only if the server certainly did not
execute it, or if executing it twice is the same as once. This module knows no kinds; `kube` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import ipaddress
import json
import random
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from isthmus.clients import credentials, refusal, retry, tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from httpx2 import websockets
    from lightkube.config.kubeconfig import SingleConfig

    from isthmus.clients.redactor import Redactor
    from isthmus.model import errors

Json = dict[str, Any]
T = TypeVar("T")

_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_BUSY = 429
_PASSING = frozenset({500, 502, 503, 504})
_FORBIDDEN = 403
_STARTING = 30.0  # seconds after a failure in which a server may be starting


class Repeat(enum.Enum):
    """When a failed request may be sent again."""

    ALWAYS = "a read, or a write that twice is the same as once"
    UNSENT = "only if the server certainly did not execute it"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One request in the words of HTTP, with what it is for."""

    what: str
    method: str
    path: str
    repeat: Repeat
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: Any = dataclasses.field(default=None, repr=False)
    media: str = "application/json"
    accept: str = "application/json"
    allow: frozenset[int] = frozenset()
    """Codes that are an answer and no failure."""


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer; `doubtful` says that an earlier try may have been executed as well."""

    code: int
    body: Json = dataclasses.field(repr=False)
    doubtful: bool = False


class Connection:
    """Sends requests to one API server; belongs to one event loop."""

    def __init__(
        self,
        name: str,
        config: SingleConfig,
        *,
        timeout: float,
        retry: retry.Retry,
        redactor: Redactor,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self._timeout = timeout
        self._retry = retry
        self._redactor = redactor
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None
        self._allowed: set[tuple[str, str]] = set()
        self._broken_at = float("-inf")

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self.config.cluster.server)

    async def send(self, request: Request) -> Reply:
        """Return the answer, after as many tries as the policy allows."""
        loop = asyncio.get_running_loop()
        begin, attempt, doubtful = loop.time(), 0, False
        doubted: float | None = None
        while True:
            attempt += 1
            outcome = await self._try(request)
            if isinstance(outcome, Reply):
                return dataclasses.replace(outcome, doubtful=doubtful)
            unsent, asked, error = outcome.unsent, outcome.asked, outcome.error
            repeatable = unsent or (outcome.passing and request.repeat is Repeat.ALWAYS)
            policy, since = self._retry, begin
            if outcome.starting:
                # the tries before it found nobody there: they say nothing about the one that starts
                policy, since = retry.STARTING, doubted if doubted is not None else loop.time()
                doubted = since
            if not repeatable or policy.is_over(attempt, loop.time() - since):
                raise error
            doubtful = doubtful or not unsent
            await asyncio.sleep(policy.pause(attempt, chance=random.random(), asked=asked))  # noqa: S311 - jitter

    async def _try(self, request: Request) -> Reply | _Failed:
        try:
            async with asyncio.timeout(self._timeout):
                client = self._open()
                response = await client.send(self._built(client, request))
            body = _parsed(response)
        except refusal.FAILURES as failure:
            return self._failed(request, failure)
        if response.is_success or response.status_code in request.allow:
            self._allowed.add((request.method, request.path))
            return Reply(response.status_code, body if isinstance(body, dict) else {"items": body})
        refused = refusal.Refusal(
            self.name, request.what, response.status_code, body if isinstance(body, dict) else {}
        )
        starting = self._is_starting(request, response.status_code)
        return _Failed(
            error=refusal.from_status(refused, self._redactor),
            unsent=response.status_code == _BUSY or starting,
            starting=starting,
            passing=response.status_code in _PASSING and not refusal.is_lasting(refused),
            asked=_asked(response),
        )

    def _is_starting(self, request: Request, code: int) -> bool:
        """Say whether a 403 may come from a server that has not read its roles yet.

        For a moment after its start (0.3 s seen, more on a busy machine) an API server forbids everything.
        So a 403 is doubted after a failure, or where the same was allowed before; any other is believed at
        once.
        """
        if code != _FORBIDDEN:
            return False
        recently = asyncio.get_running_loop().time() - self._broken_at < _STARTING
        return recently or (request.method, request.path) in self._allowed

    def _failed(self, request: Request, failure: BaseException) -> _Failed:
        self._broken_at = asyncio.get_running_loop().time()
        lasting = refusal.is_certificate_trouble(failure) or isinstance(
            failure, (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
        )
        error = refusal.from_failure(
            failure, where=self.name, what=request.what, server=self.server, seconds=self._timeout
        )
        error.__cause__ = failure
        return _Failed(error=error, unsent=isinstance(failure, _UNSENT) and not lasting, passing=not lasting)

    @contextlib.asynccontextmanager
    async def lines(self, request: Request, *, seconds: float) -> AsyncIterator[AsyncIterator[str]]:
        """Yield the lines of one long answer; it is broken off after `seconds`."""
        try:
            client = self._open()
            built = self._built(
                client, request, timeout=httpx2.Timeout(seconds, connect=self._connect_timeout)
            )
            async with asyncio.timeout(self._timeout):
                response = await client.send(built, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
                    body = _parsed(response)
                    refused = refusal.Refusal(
                        self.name, request.what, response.status_code, body if isinstance(body, dict) else {}
                    )
                    raise refusal.from_status(refused, self._redactor)
                yield response.aiter_lines()
            finally:
                await response.aclose()
        except refusal.FAILURES as failure:
            raise self._failed(request, failure).error from failure

    async def talk(
        self,
        path: str,
        params: Sequence[tuple[str, str]],
        *,
        what: str,
        protocols: Sequence[str],
        seconds: float,
        read: Callable[[websockets.AsyncWebSocketSession], Awaitable[T]],
    ) -> T:
        """Open a websocket once and return what `read` makes of it; TimeoutError after `seconds`."""
        from httpx2 import websockets  # noqa: PLC0415 - most verbs need none

        known: tuple[type[BaseException], ...] = (
            *refusal.FAILURES,
            websockets.HTTPXWSException,
            ExceptionGroup,
        )
        try:
            async with asyncio.timeout(seconds):
                async with self._open().websocket(
                    path,
                    params=list(params),
                    subprotocols=list(protocols),
                    timeout=httpx2.Timeout(self._timeout, connect=self._connect_timeout),
                    extensions=self._extensions,
                ) as session:
                    return await read(session)
        except TimeoutError:
            raise
        except known as failure:
            raise self._unheard(what, _leaf(failure)) from failure

    def _unheard(self, what: str, failure: BaseException) -> errors.IsthmusError:
        """Return the error for a websocket that was refused or broke."""
        from httpx2 import websockets  # noqa: PLC0415 - as above

        if isinstance(failure, websockets.WebSocketUpgradeError):
            # its body is closed before anybody can read it
            refused = refusal.Refusal(self.name, what, failure.response.status_code, {})
            return refusal.from_status(refused, self._redactor)
        if isinstance(failure, websockets.HTTPXWSException):
            return refusal.from_broken(what, where=self.name, server=self.server)
        return refusal.from_failure(
            failure, where=self.name, what=what, server=self.server, seconds=self._timeout
        )

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @property
    def _connect_timeout(self) -> float:
        return self._timeout / 2

    @property
    def _extensions(self) -> dict[str, Any]:
        name = getattr(self.config.cluster, "server_name", None)
        return {"sni_hostname": name} if name else {}

    def _built(self, client: httpx2.AsyncClient, request: Request, **more: Any) -> httpx2.Request:
        headers = {"Accept": request.accept}
        content = None
        if request.body is not None:
            content = json.dumps(request.body).encode()
            headers["Content-Type"] = request.media
        built = client.build_request(
            request.method,
            request.path,
            params=dict(request.params),
            content=content,
            headers=headers,
            **more,
        )
        built.extensions.update(self._extensions)
        return built

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            direct = _is_loopback(self.server)
            self._client = httpx2.AsyncClient(
                base_url=self.server,
                verify=tls.context(self.config),
                auth=credentials.auth(self.config),
                timeout=httpx2.Timeout(self._timeout, connect=self._connect_timeout),
                transport=self._transport,
                proxy=getattr(self.config.cluster, "proxy", None),
                trust_env=not direct,  # as kubectl: HTTPS_PROXY never stands before this machine itself
                limits=httpx2.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=30),
            )
        return self._client


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Failed:
    """A try that failed: `unsent` is certainly not executed, `passing` may succeed the next time.

    `starting` is a refusal by a server that may not have read its roles yet.
    """

    error: errors.IsthmusError
    unsent: bool
    passing: bool
    starting: bool = False
    asked: float | None = None


def _parsed(response: httpx2.Response) -> Any:
    """Return the JSON of an answer; a failure that is no JSON (a proxy's page) counts as empty."""
    try:
        return response.json()
    except ValueError:
        if response.is_success:
            raise
        return {}


def _leaf(failure: BaseException) -> BaseException:
    """Return the first failure of a group: the tasks of a websocket fail together."""
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def _asked(response: httpx2.Response) -> float | None:
    """Return the seconds of Retry-After; API servers send whole seconds, never dates."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _is_loopback(server: str) -> bool:
    host = httpx2.URL(server).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
