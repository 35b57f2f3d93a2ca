"""The journal as all voters know it: merged, levelled and pruned.

Any majority that reads meets any majority that wrote, so the highest (token, sequence) found is the truth.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.engine import bundle as bundles
from isthmus.engine import clock as clocks
from isthmus.engine import record as records
from isthmus.engine import replica
from isthmus.engine import voters as voting
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from isthmus.engine.voters import Json

KEPT = 20  # finished operations
DEADLINE = 10.0  # seconds for one voter


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One operation: its newest record, and which voters have which."""

    header: records.Header
    record: Json = dataclasses.field(repr=False)
    seen: Mapping[str, records.Rank]
    """(token, sequence) by voter; a voter without any record of it is absent."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JournalView:
    """What a majority knows of an App's operations."""

    operations: tuple[Entry, ...]
    """Oldest first."""
    unreachable: Mapping[str, errors.IsthmusError]
    damaged: tuple[str, ...] = ()
    """`cluster/name` of records that could not be read whole."""
    lost: tuple[records.Header, ...] = ()
    """Operations of which no voter that answered has a whole record."""
    token: int = 0
    """The highest of all."""

    @property
    def owner(self) -> Entry | None:
        """The unfinished operation that owns the App; ConflictError where its record is lost.

        Only the newest can: another could not have started beside it. An older record that says 'unfinished'
        is what a voter kept that was away when that operation ended.
        """
        newest = self.operations[-1] if self.operations else None
        for header in self.lost:
            if not header.finished and (newest is None or header.rank > newest.header.rank):
                raise _lost(header)
        return None if newest is None or newest.header.finished else newest

    def get(self, operation: str) -> Entry | None:
        """Return one operation."""
        return next((entry for entry in self.operations if entry.header.operation == operation), None)


async def read_all(
    voters: Sequence[voting.Api], key: str, *, clock: clocks.Clock = clocks.SYSTEM, deadline: float = DEADLINE
) -> JournalView:
    """Return what a majority of voters knows; UnreachableError without one."""
    votes = await voting.ask(
        voters,
        lambda api: replica.shelf(api, key),
        clock=clock,
        deadline=deadline,
        enough=voting.majority(len(voters)),
    )
    if len(votes.answers) < voting.majority(len(voters)):
        raise voting.lacking(f"cannot read the journal of {key}", votes, len(voters))
    return merge(votes.answers, votes.failures)


def merge(
    shelves: Mapping[str, replica.Shelf], unreachable: Mapping[str, errors.IsthmusError]
) -> JournalView:
    """Return the newest whole record of each operation, oldest operation first."""
    damaged = [f"{cluster}/{label}" for cluster, shelf in shelves.items() for label in shelf.spoiled]
    newest: dict[str, replica.Copy] = {}
    seen: dict[str, dict[str, records.Rank]] = {}
    broken: dict[str, records.Header] = {}
    token = 0
    for cluster, shelf in shelves.items():
        for copy in shelf.copies:
            operation, token = copy.header.operation, max(token, copy.header.token)
            if copy.record is None:
                damaged.append(f"{cluster}/{records.name(operation)}")
                broken[operation] = copy.header
                continue
            seen.setdefault(operation, {})[cluster] = copy.header.rank
            if operation not in newest or newest[operation].header.rank < copy.header.rank:
                newest[operation] = copy
    entries = [
        Entry(header=copy.header, record=copy.record or {}, seen=seen[operation])
        for operation, copy in newest.items()
    ]
    entries.sort(key=lambda entry: (entry.header.rank, entry.header.started, entry.header.operation))
    return JournalView(
        operations=tuple(entries),
        unreachable=unreachable,
        damaged=tuple(sorted(damaged)),
        lost=tuple(header for operation, header in sorted(broken.items()) if operation not in newest),
        token=token,
    )


async def level(
    entry: Entry,
    writers: Mapping[str, voting.Api],
    *,
    clock: clocks.Clock = clocks.SYSTEM,
    deadline: float = DEADLINE,
) -> Mapping[str, errors.IsthmusError]:
    """Write a record, as it is, where an older one or none is; return what failed, by cluster."""
    behind = [api for name, api in writers.items() if entry.seen.get(name, (0, 0)) < entry.header.rank]
    packed = records.pack(entry.header, entry.record)
    votes = await voting.ask(
        behind, lambda api: replica.put(api, packed, None), clock=clock, deadline=deadline
    )
    return votes.failures


async def prune(
    voters: Sequence[voting.Api],
    key: str,
    *,
    keep: int = KEPT,
    clock: clocks.Clock = clocks.SYSTEM,
    deadline: float = DEADLINE,
) -> Mapping[str, errors.IsthmusError]:
    """Remove operations beyond the last `keep` finished ones, with parts, requests and bundles.

    A bundle goes when no operation that stays names it. Returns what failed, by cluster.
    """
    view = await read_all(voters, key, clock=clock, deadline=deadline)
    old, digests = chosen(view, keep)

    async def clear(api: voting.Api) -> None:
        for operation in old:
            await replica.remove(api, operation, key)
        await asyncio.gather(*(bundles.delete(api, digest, key) for digest in digests))

    if not old:
        return {}
    return (await voting.ask(voters, clear, clock=clock, deadline=deadline)).failures


def chosen(view: JournalView, keep: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which operations go, and which bundles with them."""
    settled = [entry for entry in view.operations if entry is not view.owner]
    old = settled[: max(0, len(settled) - keep)]
    stay = [entry for entry in view.operations if entry not in old]
    digests = _digests(old) - _digests(stay)
    return tuple(entry.header.operation for entry in old), tuple(sorted(digests))


def _lost(header: records.Header) -> errors.ConflictError:
    return errors.ConflictError(
        f"the record of operation {header.operation} cannot be read whole",
        why="no voter that answers has all of its parts, and it is not finished",
        remedy=(
            f"Bring the other voters back. If they are lost, see what the operation left, then remove "
            f"ConfigMap {records.name(header.operation)} from namespace {voting.NAMESPACE} of every voter."
        ),
    )


def _digests(entries: Iterable[Entry]) -> set[str]:
    return {digest for entry in entries for digest in entry.header.bundles}
