"""One record per operation, replicated to the voters (skeleton).

The record is the caller's JSON; `started`, `phase`, optional `finished` (default: phase == "finished") and optional
`bundles` (digests, by cluster) are read from it for the header.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isthmus.engine.voters import Json
    from isthmus.model import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    operation: str
    app: str
    token: int
    sequence: int
    started: str
    phase: str
    finished: bool
    bundles: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    header: Header
    record: Json = dataclasses.field(repr=False)
    seen: Mapping[str, tuple[int, int]]  # (token, sequence) by voter that has any record of it


@dataclasses.dataclass(frozen=True, kw_only=True)
class JournalView:
    operations: tuple[Entry, ...]  # oldest first
    unreachable: Mapping[str, errors.IsthmusError]
    damaged: tuple[str, ...] = ()

    @property
    def owner(self) -> Entry | None:
        """The unfinished operation that owns the App, if any."""
        raise NotImplementedError

    @property
    def token(self) -> int:
        """The highest token of all (the floor for Lock.acquire)."""
        raise NotImplementedError


class Journal:
    def __init__(
        self,
        writers: Mapping[str, voting.Api],
        *,
        majority: int,
        operation: str,
        key: str,
        token: int,
        clock: clocks.Clock = clocks.SYSTEM,
        redact: Callable[[str], str] = str,
    ) -> None: ...

    def admit(self, name: str, api: voting.Api) -> None:
        """Add a writer, or give one its renewed credential."""

    async def write(self, record: Json, *, required: frozenset[str] = frozenset(), deadline: float = 30.0) -> int:
        """Return the sequence once durable in `required` and in a majority."""
        raise NotImplementedError

    async def close(self, *, grace: float = 0.0) -> Mapping[str, errors.IsthmusError]:
        """Give slow voters `grace` seconds more for the newest record, stop; return who lacks it."""
        raise NotImplementedError


async def read_all(
    voters: Sequence[voting.Api], key: str, *, clock: clocks.Clock = clocks.SYSTEM, deadline: float = 10.0
) -> JournalView:
    raise NotImplementedError


async def level(
    entry: Entry, writers: Mapping[str, voting.Api], *, clock: clocks.Clock = clocks.SYSTEM, deadline: float = 10.0
) -> Mapping[str, errors.IsthmusError]:
    """Write a record where it is older or missing; return what failed, by cluster."""
    raise NotImplementedError


async def prune(
    voters: Sequence[voting.Api],
    key: str,
    *,
    keep: int = 20,
    clock: clocks.Clock = clocks.SYSTEM,
    deadline: float = 10.0,
) -> Mapping[str, errors.IsthmusError]:
    """Remove finished operations beyond the last `keep` with chunks, controls and bundles nobody else needs."""
    raise NotImplementedError
