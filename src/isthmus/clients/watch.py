"""Follows objects over broken connections and expired versions.

After a gap it lists again and tells the difference, deletions included; lightkube's watch would lose those.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from typing import TYPE_CHECKING, Any

from isthmus.clients import connection, retry
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

Json = dict[str, Any]
Event = tuple[str, Json]

STRETCH = 30.0  # seconds of one connection, so that a server that went silent is noticed
_BREATH = 0.1  # seconds between an answer's end and the next request: some proxies end each answer at once
_GONE = 410
_DOUBT = (
    5.0  # seconds in which a refusal of what was allowed before is not believed: a server may be starting
)
_PATIENT = retry.Retry(attempts=1_000_000, first=0.2, factor=2.0, longest=2.0, within=float("inf"))


class _ExpiredError(Exception):
    """The server no longer keeps the version we stopped at."""


@dataclasses.dataclass(kw_only=True)
class Watch:
    """One watch: what it follows and what it has seen."""

    link: connection.Connection
    path: str
    what: str
    params: Mapping[str, str]
    listing: Callable[[], Awaitable[tuple[list[Json], str]]]
    complete: Callable[[Json], Json]
    known: dict[str, Json] = dataclasses.field(default_factory=dict)
    version: str = ""

    async def events(self, seconds: float) -> AsyncIterator[Event]:
        """Yield events for `seconds`; the last failure is raised if the server is away at the end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        broken: errors.IsthmusError | None = None
        attempt, good = 0, float("-inf")
        while (left := end - loop.time()) > 0:
            try:
                async for event in self._round(left):
                    attempt, broken, good = 0, None, loop.time()
                    yield event
                attempt, broken, good = 0, None, loop.time()
                await asyncio.sleep(min(_BREATH, max(0.0, end - loop.time())))
            except _ExpiredError:
                self.version = ""
            except (errors.UnreachableError, errors.DeniedError) as error:
                if isinstance(error, errors.UnreachableError):
                    good = loop.time() if good > 0 else good
                elif isinstance(error, errors.UnauthenticatedError) or loop.time() - good > _DOUBT:
                    raise
                attempt, broken = attempt + 1, error
                pause = _PATIENT.pause(min(attempt, 20), chance=random.random())  # noqa: S311 - jitter, no secret
                await asyncio.sleep(max(0.0, min(pause, end - loop.time())))
        if broken is not None:
            raise broken

    async def _round(self, left: float) -> AsyncIterator[Event]:
        if not self.version:
            for event in await self._listed(left):
                yield event
        loop = asyncio.get_running_loop()
        stretch = min(left, STRETCH)
        end = loop.time() + stretch
        request = connection.Request(
            what=self.what,
            method="GET",
            path=self.path,
            repeat=connection.Repeat.ALWAYS,
            params={
                **self.params,
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": self.version,
                "timeoutSeconds": str(max(1, round(stretch))),
            },
        )
        async with self.link.lines(request, seconds=stretch) as lines:
            while (line := await _next(lines, end - loop.time())) is not None:
                if (change := self._take(json.loads(line))) is not None:
                    yield change

    async def _listed(self, left: float) -> list[Event]:
        """List, and tell how the world differs from what was known."""
        try:
            async with asyncio.timeout(left):
                items, self.version = await self.listing()
        except TimeoutError as error:
            raise errors.UnreachableError(
                self.what,
                where=self.link.name,
                why=f"no answer in the {left:.0f} s left",
                remedy="Check the API server.",
            ) from error
        found = {_key(item): item for item in items}
        events: list[Event] = [("DELETED", gone) for key, gone in self.known.items() if key not in found]
        for key, item in found.items():
            before = self.known.get(key)
            if before is None:
                events.append(("ADDED", item))
            elif _version(before) != _version(item):
                events.append(("MODIFIED", item))
        self.known = found
        return events

    def _take(self, message: Json) -> Event | None:
        kind, item = str(message.get("type")), message.get("object") or {}
        if kind == "ERROR":
            if item.get("code") == _GONE:
                raise _ExpiredError
            raise errors.UnreachableError(
                self.what, where=self.link.name, why=str(item.get("message")), remedy="Check the API server."
            )
        self.version = _version(item) or self.version
        if kind == "BOOKMARK":
            return None
        item = self.complete(item)
        if kind == "DELETED":
            self.known.pop(_key(item), None)
        else:
            self.known[_key(item)] = item
        return kind, item


async def _next(lines: AsyncIterator[str], seconds: float) -> str | None:
    """Return the next line, or None at the end of the answer or of the time."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await anext(lines)
    except (StopAsyncIteration, TimeoutError):
        return None


def _key(item: Json) -> str:
    meta = item.get("metadata") or {}
    return str(meta.get("uid") or f"{meta.get('namespace')}/{meta.get('name')}")


def _version(item: Json) -> str:
    return str((item.get("metadata") or {}).get("resourceVersion") or "")
