"""API servers in memory, in virtual time: for schedules that no real server would play on demand.

A server keeps objects with uid and resourceVersion and answers as Kubernetes does. Between it and a process
lies a `Wire` that delays, loses and cuts; a process can be paused or crash between any two messages. What a
request does happens at the server even when nobody waits for the answer any more.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import itertools
import selectors
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from isthmus.clients import kinds, rights
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Json = dict[str, Any]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN_CACHE = 10.0  # seconds that a server goes on accepting a token it has just checked
TIMEOUT = 10.0  # seconds until a client gives up on a lost message


class CrashedError(Exception):
    """Ends whatever a crashed process was doing."""


class _NoSelector(selectors.SelectSelector):
    """Waits for nothing: time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nobody will ever come")
        self.now += max(timeout, 0.0)
        return []


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour passes at once."""

    def __init__(self) -> None:
        self._instant = _NoSelector()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in virtual time."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(work)


class Process:
    """A process with its own clock, which can be paused or crash."""

    def __init__(self, *, offset: float = 0.0, rate: float = 1.0) -> None:
        self.offset, self.rate = offset, rate
        self.is_dead = False
        self._running = asyncio.Event()
        self._running.set()

    def monotonic(self) -> float:
        return self.offset + asyncio.get_running_loop().time() * self.rate

    def true_time(self, moment: float) -> float:
        return (moment - self.offset) / self.rate

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)
        await self.awake()

    async def awake(self) -> None:
        await self._running.wait()
        if self.is_dead:
            raise CrashedError

    def pause(self) -> None:
        self._running.clear()

    def thaw(self) -> None:
        self._running.set()

    def crash(self) -> None:
        self.is_dead = True
        self._running.set()


@dataclasses.dataclass
class Wire:
    """What lies between one process and one server."""

    delay: Callable[[], float] = lambda: 0.001
    """Seconds for one message; negative loses it."""
    is_cut: bool = False


class Server:
    """One API server: objects, versions, and tokens bound to Secrets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_down = False
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.writes: list[tuple[str, str, str, str]] = []
        self.refuses: Callable[[str, kinds.Kind, str], errors.IsthmusError | None] = lambda *_: None
        self._versions = itertools.count(1)
        self._tokens: dict[str, tuple[str, str, str]] = {}
        self._cached: dict[str, float] = {}

    def authenticate(self, token: str | None) -> None:
        if token is None:
            return
        now = asyncio.get_running_loop().time()
        if now < self._cached.get(token, -1.0):
            return
        namespace, name, uid = self._tokens[token]
        found = self.objects.get(("secrets", namespace, name))
        if found is None or found["metadata"]["uid"] != uid:
            raise errors.UnauthenticatedError("not authenticated", where=self.name)
        self._cached[token] = now + TOKEN_CACHE

    def check(self, verb: str, kind: kinds.Kind, name: str) -> None:
        refusal = self.refuses(verb, kind, name)
        if refusal is not None:
            raise refusal

    def conflict(self, why: str) -> errors.ConflictError:
        return errors.ConflictError("conflict", where=self.name, why=why)

    def get(self, kind: kinds.Kind, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self.objects.get((kind.plural, namespace, name)))

    def list(self, kind: kinds.Kind, namespace: str, labels: str) -> list[Json]:
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            copy.deepcopy(body)
            for (plural, where, _), body in sorted(self.objects.items())
            if (plural, where) == (kind.plural, namespace)
            and wanted.items() <= body["metadata"].get("labels", {}).items()
        ]

    def create(self, kind: kinds.Kind, namespace: str, body: Json, who: str) -> Json:
        place = (kind.plural, namespace, body["metadata"]["name"])
        if place in self.objects:
            raise self.conflict("already exists")
        return self._store(place, body, f"uid-{next(self._versions)}", who)

    def replace(self, kind: kinds.Kind, body: Json, who: str) -> Json:
        meta = body["metadata"]
        place = (kind.plural, meta.get("namespace", ""), meta["name"])
        found = self.objects.get(place)
        if found is None or found["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise self.conflict("the object has been modified")
        if meta.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            raise self.conflict("another uid")
        return self._store(place, body, found["metadata"]["uid"], who)

    def apply(self, kind: kinds.Kind, body: Json, who: str) -> Json:
        place = (kind.plural, body["metadata"].get("namespace", ""), body["metadata"]["name"])
        found = self.objects.get(place)
        uid = found["metadata"]["uid"] if found else f"uid-{next(self._versions)}"
        return self._store(place, body, uid, who)

    def delete(self, kind: kinds.Kind, namespace: str, name: str, uid: str | None, who: str) -> bool:
        place = (kind.plural, namespace, name)
        found = self.objects.get(place)
        if found is None:
            return False
        if uid is not None and found["metadata"]["uid"] != uid:
            raise self.conflict("another uid")
        del self.objects[place]
        self.writes.append(("delete", kind.plural, name, who))
        return True

    def issue(self, namespace: str, secret: tuple[str, str]) -> str:
        found = self.objects.get(("secrets", namespace, secret[0]))
        if found is None or found["metadata"]["uid"] != secret[1]:
            raise self.conflict("the bound Secret is another one")
        token = f"token-{self.name}-{next(self._versions)}"
        self._tokens[token] = (namespace, *secret)
        return token

    def _store(self, place: tuple[str, str, str], body: Json, uid: str, who: str) -> Json:
        stored = copy.deepcopy(body)
        stored["metadata"] |= {"uid": uid, "resourceVersion": str(next(self._versions))}
        self.objects[place] = stored
        self.writes.append(("write", place[0], place[2], who))
        return copy.deepcopy(stored)


class MemoryApi:
    """One server as one user of one process sees it."""

    def __init__(
        self, server: Server, process: Process, wire: Wire | None = None, *, token: str | None = None
    ) -> None:
        self.server, self.process, self.wire = server, process, wire or Wire()
        self.token = token

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def _who(self) -> str:
        return self.token or "user"

    def as_token(self, token: str, /) -> MemoryApi:
        return MemoryApi(self.server, self.process, self.wire, token=token)

    async def get(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> Json | None:
        return await self._call("get", kind, name, lambda: self.server.get(kind, namespace or "", name))

    async def list(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Json]:
        return await self._call("list", kind, "", lambda: self.server.list(kind, namespace or "", labels))

    async def create(self, kind: kinds.Kind, obj: Json, *, namespace: str | None = None) -> Json:
        name = obj["metadata"]["name"]
        return await self._call(
            "create", kind, name, lambda: self.server.create(kind, namespace or "", obj, self._who)
        )

    async def replace(self, kind: kinds.Kind, obj: Json) -> Json:
        name = obj["metadata"]["name"]
        return await self._call("update", kind, name, lambda: self.server.replace(kind, obj, self._who))

    async def apply(
        self,
        kind: kinds.Kind,
        obj: Json,
        *,
        manager: str = "isthmus",
        force: bool = True,
        dry_run: bool = False,
    ) -> Json:
        name = obj["metadata"]["name"]
        return await self._call("patch", kind, name, lambda: self.server.apply(kind, obj, self._who))

    async def delete(
        self,
        kind: kinds.Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: str | None = None,
        grace: int | None = None,
    ) -> bool:
        return await self._call(
            "delete", kind, name, lambda: self.server.delete(kind, namespace or "", name, uid, self._who)
        )

    async def issue_token(
        self, account: str, namespace: str, *, secret: tuple[str, str] | None = None, seconds: int = 3600
    ) -> str:
        assert secret is not None
        return await self._call(
            "create", kinds.SERVICE_ACCOUNT, account, lambda: self.server.issue(namespace, secret)
        )

    async def rights(self, namespace: str) -> rights.Rights:
        """Return nothing, as a server does whose authorizer is a webhook."""
        return rights.Rights()

    async def username(self) -> str:
        return "admin"

    async def allows(
        self,
        verb: str,
        kind: kinds.Kind,
        namespace: str | None = None,
        *,
        subresource: str = "",
        name: str = "",
    ) -> bool:
        return await self._call("create", kinds.ACCESS_REVIEW, "", lambda: True)

    async def close(self) -> None:
        await asyncio.sleep(0)

    async def _call(self, verb: str, kind: kinds.Kind, name: str, act: Callable[[], T]) -> T:
        """Send a request, let it happen whether or not anybody still waits, and return its answer."""
        await self.process.awake()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        there, back = self.wire.delay(), self.wire.delay()

        def happen() -> None:
            if self.wire.is_cut or self.server.is_down:
                return
            try:
                self.server.authenticate(self.token)
                self.server.check(verb, kind, name)
                result = act()
            except errors.IsthmusError as error:
                send(answer.set_exception, error)
            else:
                send(answer.set_result, result)

        def send(settle: Callable[[Any], None], what: Any) -> None:
            if back >= 0:
                loop.call_later(back, lambda: None if answer.done() or self.wire.is_cut else settle(what))

        if there >= 0:
            loop.call_later(there, happen)
        return await self._answer(answer)

    async def _answer(self, answer: asyncio.Future[T]) -> T:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await answer
        except TimeoutError:
            raise errors.UnreachableError("no answer", where=self.name, why="timeout") from None
        finally:
            await self.process.awake()
