"""Hears of changes of workloads, so that a wait looks when there is something to see.

It says when to look, and what the server told. What is lost, late or forbidden costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds, kube
from isthmus.engine import clock as clocks
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

Json = dict[str, Any]
Workload = tuple[kinds.Kind, str, str]
"""Kind, name and namespace."""
Workloads = tuple[Workload, ...]
TICK = 0.5
"""Seconds between looks where nothing is heard; a look costs one read per workload."""
HEARING = 5.0
"""Seconds between looks while the server tells of changes by itself."""
DAY = 86400.0
"""Seconds that a watch is asked for: whoever waits ends it."""


@dataclasses.dataclass
class News:
    """Whether a workload has changed since the last look, as far as the server tells."""

    changed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    is_deaf: bool = False
    """A watch has ended: no right to it, or no way to the server."""
    told: dict[Workload, Json] = dataclasses.field(default_factory=dict, repr=False)
    """The workloads as the server told them last; what it has not told of is not in here."""

    async def wait(self, clock: clocks.Clock, check: Callable[[], None], *, until: float) -> bool:
        """Return on news, after HEARING seconds (TICK when deaf), or at `until`; `check` may end the wait.

        Says whether it was news.
        """
        end = min(until, clock.monotonic() + (TICK if self.is_deaf else HEARING))
        while not self.changed.is_set() and clock.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                await clocks.within(clock, TICK, self.changed.wait())
            check()
        is_news = self.changed.is_set()
        self.changed.clear()
        return is_news

    async def follow(
        self, server: kube.Cluster, kind: kinds.Kind, namespace: str, names: Collection[str]
    ) -> None:
        """Hear of some workloads of one kind until cancelled; trouble makes deaf and is no failure."""
        only = f"metadata.name={next(iter(names))}" if len(names) == 1 else ""
        try:
            async for event, body in server.watch(kind, namespace, fields=only, seconds=DAY):
                name = body["metadata"]["name"]
                if name not in names:
                    continue
                self.told[kind, name, namespace] = body
                if event == "DELETED":
                    del self.told[kind, name, namespace]
                self.changed.set()
        except errors.IsthmusError:
            self.is_deaf = True
            self.changed.set()


@contextlib.asynccontextmanager
async def followed(server: kube.Cluster, objects: Workloads) -> AsyncIterator[News]:
    """Yield the news of workloads, from one watch for each kind in each namespace."""
    heard = News()
    groups: dict[tuple[kinds.Kind, str], set[str]] = {}
    for kind, name, namespace in objects:
        groups.setdefault((kind, namespace), set()).add(name)
    tasks = [
        asyncio.create_task(heard.follow(server, kind, namespace, names))
        for (kind, namespace), names in groups.items()
    ]
    try:
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
