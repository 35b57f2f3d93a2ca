"""Reads parts of one cluster; a part that is refused or cannot be run becomes a reason and hides no other."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from isthmus.analysis.snapshot import Json, Missing
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from isthmus.clients import kinds, kube

T = TypeVar("T")

RIGHTS: Final = "isthmus permissions doctor prints the rights that it takes"
SECONDS: Final = 15.0
"""For one command in a pod."""
AT_ONCE: Final = 8
"""Commands that run in one cluster at the same time."""


class Reader:
    """One cluster, part by part. UnreachableError rises: then nothing else would be read either."""

    def __init__(self, server: kube.Cluster) -> None:
        self._server = server
        self._room = asyncio.Semaphore(AT_ONCE)

    async def one(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> Json | Missing | None:
        """Return an object, None where there is none."""
        return await _tried(self._server.get(kind, name, namespace))

    async def many(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = ""
    ) -> tuple[Json, ...] | Missing:
        """Return the objects that match."""
        found = await _tried(self._server.list(kind, namespace, labels=labels))
        return found if isinstance(found, Missing) else tuple(found)

    async def served(self, kind: kinds.Kind) -> tuple[Json, ...] | Missing:
        """Return all objects of a kind that need not be served, none where it is not."""
        known = await _tried(self._server.resolve(kind.api_version, kind.kind))
        if isinstance(known, Missing):
            return known
        return await self.many(kind) if known is not None else ()

    async def said(self, pod: Json, container: str, words: Sequence[str]) -> str | Missing:
        """Return what a command in a pod prints."""
        meta = pod["metadata"]
        async with self._room:
            try:
                done = await self._server.run(
                    meta["namespace"], meta["name"], words, container=container, seconds=SECONDS
                )
            except errors.DeniedError as error:
                return Missing(
                    why=f"{words[0]} could not be run in pod {meta['name']}: {error.brief}", remedy=RIGHTS
                )
            except errors.IsthmusError as error:
                return _unrun(words[0], meta["name"], error)
        if done.code != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[:200]
            return Missing(why=f"{words[0]} in pod {meta['name']} ended with {done.code}: {said}")
        return done.stdout.decode(errors="replace")

    async def told(self, pod: Json, container: str, words: Sequence[str]) -> Any | Missing:
        """Return what a command in a pod prints as JSON."""
        text = await self.said(pod, container, words)
        if isinstance(text, Missing):
            return text
        try:
            return json.loads(text)
        except ValueError:
            return Missing(why=f"{words[0]} in pod {pod['metadata']['name']} printed no JSON")

    async def mapping(self, pod: Json, container: str, words: Sequence[str]) -> Json | Missing:
        """Return the object that a command in a pod prints as JSON."""
        found = await self.told(pod, container, words)
        if isinstance(found, Missing | dict):
            return found
        return Missing(why=f"{words[0]} in pod {pod['metadata']['name']} printed no JSON object")


def _unrun(program: str, pod: str, error: errors.IsthmusError) -> Missing:
    if "executable file not found" in error.why:
        return Missing(why=f"the image of that pod has no {program}")
    return Missing(why=f"{program} could not be run in pod {pod}: {error.brief}"[:300])


async def _tried(asked: Awaitable[T]) -> T | Missing:
    try:
        return await asked
    except errors.UnauthenticatedError:
        raise  # nothing else will be answered
    except errors.DeniedError as error:
        return Missing(why=f"{error.what}: {error.why}" if error.why else error.what, remedy=RIGHTS)
