"""The time as the engine sees it, passed in so that a test of a 15-second lease takes milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


class Clock(Protocol):
    """What the engine asks the time for."""

    def monotonic(self) -> float:
        """Return seconds that only grow, also while the machine is suspended."""

    def now(self) -> datetime:
        """Return the wall clock in UTC; for people, never for decisions."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        """Return seconds since boot with the time asleep: a lease also runs out in a closed laptop."""
        with contextlib.suppress(AttributeError):  # Linux only
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


SYSTEM = SystemClock()


def stamp(moment: datetime) -> str:
    """Return a moment as Kubernetes' MicroTime writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def within(clock: Clock, seconds: float, work: Awaitable[T]) -> T:
    """Await the work at most so long by this clock; TimeoutError after it, with the work cancelled."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(max(seconds, 0.0)))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        for one in (task, alarm):
            one.cancel()
        await asyncio.gather(task, alarm, return_exceptions=True)
