"""A namespace of ours for a while: made where nobody made it before, and removed again only then."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.model import errors
from isthmus.rollout.connect.proof import objects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from isthmus.engine import clock as clocks

Json = dict[str, Any]

TICK: Final = 0.5
"""Seconds between two looks."""
GONE: Final = 60.0
"""Seconds for what was deleted to be gone."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Home:
    """A namespace of one cluster; `say` hears what is waited for."""

    server: kube.Cluster
    name: str
    clock: clocks.Clock
    say: Callable[[str], None]

    async def make(self, namespace: Json) -> None:
        """Make it; one that somebody made for us is used as it is, one that goes is waited for."""
        found = await self._found()
        if found is not None and found["metadata"].get("deletionTimestamp"):
            self.say(f"namespace {self.name} of an earlier run is going away")
            await self._until_gone(f"namespace {self.name}", self._is_there)
            found = None
        if found is None:
            await self.server.create(kinds.NAMESPACE, namespace)

    async def remove(self) -> None:
        """Remove it if a run of ours made it, and wait until it, or at least every pod of ours, is gone."""
        found = await self._found()
        if found is not None and objects.MADE in (found["metadata"].get("annotations") or {}):
            await self.server.delete(kinds.NAMESPACE, self.name, uid=found["metadata"]["uid"])
            await self._until_gone(f"namespace {self.name}", self._is_there)
        else:
            await self._until_gone(f"pods in {self.name}", self._has_pods)

    async def _found(self) -> Json | None:
        return await self.server.get(kinds.NAMESPACE, self.name)

    async def _is_there(self) -> bool:
        return await self._found() is not None

    async def _has_pods(self) -> bool:
        return bool(await self.server.list(kinds.POD, self.name, labels=objects.APP))

    async def _until_gone(self, what: str, remains: Callable[[], Awaitable[bool]]) -> None:
        end = self.clock.monotonic() + GONE
        while await remains():
            if self.clock.monotonic() >= end:
                raise errors.DeadlineError(
                    f"still there: {what}",
                    where=self.server.name,
                    why=f"waited for {GONE:.0f} s",
                    remedy=f"kubectl delete namespace {self.name}; the next run takes it over as well",
                )
            await self.clock.sleep(TICK)
