"""A lock on one App over all voters (skeleton)."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from isthmus.model import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """Names a process and its operation so that nobody takes another one for it."""

    user: str
    host: str
    pid: int
    start_time: float
    boot_id: str
    pid_namespace: str
    operation: str

    def to_text(self) -> str: ...
    @staticmethod
    def from_text(text: str) -> Identity | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One voter's Lease as read; `version` is empty where there is none yet."""

    version: str = ""
    holder: str = ""
    token: int = 0
    duration: float = 0.0
    acquired: str = ""
    transitions: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class LockView:
    """Who holds the lock, for `status`."""

    holder: Identity | None
    token: int
    since: str
    clusters: tuple[str, ...]  # where that holder's record stands
    records: Mapping[str, Record]
    unreachable: Mapping[str, errors.IsthmusError]


class Held:
    token: int
    valid_until: float  # monotonic seconds of the clock
    lost: asyncio.Event
    reason: str

    def is_valid(self) -> bool: ...
    async def keep(self) -> None:
        """Renew until lost, released or cancelled."""

    async def release(self) -> None: ...


class Lock:
    def __init__(
        self,
        voters: Sequence[voting.Api],
        key: str,
        identity: Identity,
        *,
        duration: float = 15.0,
        clock: clocks.Clock = clocks.SYSTEM,
        rng: random.Random,
        is_alive: Callable[[Identity], bool | None],
    ) -> None: ...

    async def acquire(self, *, wait: float, floor: int = 0) -> Held:
        """Take a majority; `floor` is the highest token known from elsewhere (journal)."""
        raise NotImplementedError

    async def inspect(self) -> LockView:
        raise NotImplementedError
