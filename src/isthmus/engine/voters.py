"""What the lock and the journal share about voters: names, majorities, and asking all of them at once.

A voter is a cluster of the Fleet or its witness. Everything lies in one namespace of each voter. This module
decides nothing about locks or journals.

Sets of voters may grow or shrink by one between operations: a majority of n and one of n + 1 always meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from isthmus.clients import kinds
from isthmus.engine import clock as clocks
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from isthmus.clients import rights

Json = dict[str, Any]
T = TypeVar("T")

NAMESPACE = "isthmus-system"
MANAGED = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"
APP = "isthmus.dev/app"
OPERATION = "isthmus.dev/operation"
TOKEN = "isthmus.dev/token"  # noqa: S105 - the fencing number, no secret
KEY_LENGTH = 50  # characters; with `fence.` and a label's limit of 63 in mind
CHUNK = 480 * 1024  # bytes of data in one object, so that it stays under 512 KiB with its metadata
GRACE = 1.0  # seconds that a majority waits for the rest before it goes on without them


class Api(Protocol):
    """One API server as one user: the part of `clients.kube.Cluster` that the engine's safety rests on."""

    @property
    def name(self) -> str:
        """The cluster's name in the Fleet."""

    def as_token(self, token: str, /) -> Api:
        """Return the same server with only this bearer token."""

    async def get(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> Json | None:
        """Return the object, or None where it does not exist."""

    async def list(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Json]:
        """Return the objects that match."""

    async def create(self, kind: kinds.Kind, obj: Json, *, namespace: str | None = None) -> Json:
        """Create; ConflictError when it exists."""

    async def replace(self, kind: kinds.Kind, obj: Json) -> Json:
        """Write over the version in metadata.resourceVersion; ConflictError when it has moved."""

    async def apply(
        self,
        kind: kinds.Kind,
        obj: Json,
        *,
        manager: str = "isthmus",
        force: bool = True,
        dry_run: bool = False,
    ) -> Json:
        """Apply on the server's side."""

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
        """Delete; False where it does not exist, ConflictError when it is another one than `uid`."""

    async def issue_token(
        self, account: str, namespace: str, *, secret: tuple[str, str] | None = None, seconds: int = 3600
    ) -> str:
        """Return a token of the account, bound to a Secret by name and uid."""

    async def username(self) -> str:
        """Return who the server takes this user for."""

    async def rights(self, namespace: str) -> rights.Rights:
        """Return what this user may do there, as far as the server lists it."""

    async def allows(
        self,
        verb: str,
        kind: kinds.Kind,
        namespace: str | None = None,
        *,
        subresource: str = "",
        name: str = "",
    ) -> bool:
        """Say whether this user may do it, to every object where no name is given."""

    async def close(self) -> None:
        """Close the connections."""


@dataclasses.dataclass(frozen=True)
class Votes(Generic[T]):
    """What each voter answered."""

    answers: Mapping[str, T]
    failures: Mapping[str, errors.IsthmusError]


def app_key(namespace: str, app: str) -> str:
    """Return `<namespace>.<app>`, shortened with a hash beyond 50 characters."""
    key = f"{namespace}.{app}"
    if len(key) <= KEY_LENGTH:
        return key
    mark = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{key[: KEY_LENGTH - 13].rstrip('.-')}-{mark}"


def majority(count: int) -> int:
    """Return how many of so many voters are more than half."""
    return count // 2 + 1


def metadata(name: str, key: str, *, namespace: str = NAMESPACE, component: str, operation: str = "") -> Json:
    """Return the metadata that every object of ours carries."""
    labels = {MANAGED: "isthmus", COMPONENT: component, APP: key}
    if operation:
        labels[OPERATION] = operation
    return {"name": name, "namespace": namespace, "labels": labels}


async def ask(
    voters: Iterable[Api],
    question: Callable[[Api], Coroutine[Any, Any, T]],
    *,
    clock: clocks.Clock,
    deadline: float,
    enough: int | None = None,
) -> Votes[T]:
    """Ask all at once, at most `deadline` seconds; after `enough` answers the others get one more second."""
    tasks = {api.name: asyncio.ensure_future(question(api)) for api in voters}
    try:
        await _settle(set(tasks.values()), clock=clock, deadline=deadline, enough=enough or len(tasks))
        return _count(tasks, deadline)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _settle(
    tasks: set[asyncio.Future[T]], *, clock: clocks.Clock, deadline: float, enough: int
) -> None:
    limit = clock.monotonic() + deadline
    waiting, is_hurried = set(tasks), False
    while waiting:
        left = limit - clock.monotonic()
        if left <= 0 or not await _any_done(waiting, clock=clock, seconds=left):
            return
        waiting = {task for task in waiting if not task.done()}
        answered = sum(task.done() and not task.cancelled() and task.exception() is None for task in tasks)
        if answered >= enough and not is_hurried:
            is_hurried, limit = True, min(limit, clock.monotonic() + GRACE)


async def _any_done(tasks: set[asyncio.Future[T]], *, clock: clocks.Clock, seconds: float) -> bool:
    alarm: asyncio.Future[Any] = asyncio.ensure_future(clock.sleep(seconds))
    watched: set[asyncio.Future[Any]] = {*tasks, alarm}
    try:
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        return done != {alarm}
    finally:
        alarm.cancel()


def _count(tasks: Mapping[str, asyncio.Future[T]], deadline: float) -> Votes[T]:
    answers: dict[str, T] = {}
    failures: dict[str, errors.IsthmusError] = {}
    for name, task in tasks.items():
        if not task.done():
            failures[name] = silent(name, deadline)
            continue
        try:
            answers[name] = task.result()
        except errors.IsthmusError as error:
            failures[name] = error
    return Votes(answers, failures)


def silent(name: str, deadline: float) -> errors.UnreachableError:
    """Return the error of a voter that said nothing in time."""
    return errors.UnreachableError(
        "no answer",
        where=name,
        why=f"nothing came back in {deadline:g} s",
        remedy=f"Check that the API server of {name} runs and can be reached from here.",
    )


def lacking(what: str, votes: Votes[Any], count: int) -> errors.IsthmusError:
    """Return the error for an answer that needs a majority and has none, naming who failed and how."""
    named = "; ".join(f"{name}: {_reason(error)}" for name, error in sorted(votes.failures.items()))
    why = f"{len(votes.answers)} of {count} voters answered and {majority(count)} are needed ({named})"
    refused = [error for error in votes.failures.values() if not isinstance(error, errors.UnreachableError)]
    kind = errors.DeniedError if len(refused) > count - majority(count) else errors.UnreachableError
    remedy = (refused[0].remedy if kind is errors.DeniedError else "") or (
        "Bring enough of these clusters back, or repair the way to them; nothing was changed."
    )
    return kind(what, where=", ".join(sorted(votes.failures)), why=why, remedy=remedy)


def _reason(error: errors.IsthmusError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


async def prepare(
    clusters: Iterable[Api], *, clock: clocks.Clock = clocks.SYSTEM, deadline: float = 10.0
) -> Mapping[str, errors.IsthmusError]:
    """Create our namespace where it is missing; return what failed, by cluster."""
    votes = await ask(clusters, _prepare, clock=clock, deadline=deadline)
    return votes.failures


async def _prepare(api: Api) -> None:
    try:
        if await api.get(kinds.NAMESPACE, NAMESPACE) is not None:
            return
    except errors.DeniedError:
        return  # a user bound to this namespace alone may not read it; the first write will tell
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {MANAGED: "isthmus"}},
    }
    with contextlib.suppress(errors.ConflictError):  # somebody else was quicker
        await api.create(kinds.NAMESPACE, space)
