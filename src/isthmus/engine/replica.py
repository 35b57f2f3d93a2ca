"""One voter's copies of records: put one there, read all of an App, remove one.

It knows nothing of majorities; `journal` writes through it and `history` reads through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import record as records
from isthmus.engine import voters as voting
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.engine.voters import Json

TRIES = 4  # times that a record may be rewritten while we read its parts, or a head while we write it


@dataclasses.dataclass(frozen=True)
class Known:
    """What we last saw of a head: enough to write over it."""

    version: str = ""
    rank: records.Rank = (0, 0)
    digest: str = ""
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Copy:
    """One operation as one voter has it; `record` is None when it cannot be read whole."""

    header: records.Header
    record: Json | None = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Shelf:
    """What one voter has of an App."""

    copies: tuple[Copy, ...]
    spoiled: tuple[str, ...]
    """Names of heads that say nothing readable."""


async def put(api: voting.Api, packed: records.Packed, known: Known | None) -> Known:
    """Make a record durable in this voter; FencedError when a newer one is there.

    Without `known`, or when it proves old, the head is read first.
    """
    for _ in range(TRIES):
        if known is None:
            known = await _known(api, packed.header.operation)
        _check(api.name, packed, known)
        if (known.rank, known.digest) == (packed.header.rank, packed.digest):
            return known  # an earlier try of ours arrived after all
        try:
            return await _write(api, packed, known)
        except errors.ConflictError:
            known = None
    raise errors.ConflictError(
        f"the record of operation {packed.header.operation} keeps changing",
        where=api.name,
        why=f"others wrote it {TRIES} times between our reading and writing",
        remedy="See who else works on this operation: `isthmus deploy status`.",
    )


async def shelf(api: voting.Api, key: str) -> Shelf:
    """Return every record of an App in this voter."""
    labels = f"{voting.APP}={key},{voting.COMPONENT}={records.HEAD}"
    bodies = await api.list(kinds.CONFIG_MAP, voting.NAMESPACE, labels=labels)
    heads = {body["metadata"]["name"]: records.read_head(body) for body in bodies}
    found = await asyncio.gather(*(_copy(api, head) for head in heads.values() if head is not None))
    spoiled = tuple(sorted(label for label, head in heads.items() if head is None))
    return Shelf(tuple(copy for copy in found if copy is not None), spoiled)


async def remove(api: voting.Api, operation: str, key: str) -> None:
    """Remove an operation: the head first, so that nobody reads a record that is half gone."""
    labels = f"{voting.APP}={key},{voting.OPERATION}={operation}"
    await api.delete(kinds.CONFIG_MAP, records.name(operation), voting.NAMESPACE)
    for body in await api.list(kinds.CONFIG_MAP, voting.NAMESPACE, labels=labels):
        await api.delete(kinds.CONFIG_MAP, body["metadata"]["name"], voting.NAMESPACE)


async def _write(api: voting.Api, packed: records.Packed, known: Known) -> Known:
    for part in packed.parts:
        with contextlib.suppress(errors.ConflictError):  # named by content: the same part is there already
            await api.create(kinds.CONFIG_MAP, part, namespace=voting.NAMESPACE)
    if known.version:
        meta = packed.head["metadata"] | {"resourceVersion": known.version}
        written = await api.replace(kinds.CONFIG_MAP, packed.head | {"metadata": meta})
    else:
        written = await api.create(kinds.CONFIG_MAP, packed.head, namespace=voting.NAMESPACE)
    for old in set(known.names) - set(packed.names):
        await api.delete(kinds.CONFIG_MAP, old, voting.NAMESPACE)
    version = written["metadata"]["resourceVersion"]
    return Known(version, packed.header.rank, packed.digest, packed.names)


def _check(cluster: str, packed: records.Packed, known: Known) -> None:
    is_same = (known.rank, known.digest) == (packed.header.rank, packed.digest)
    if known.rank >= packed.header.rank and not is_same:
        token, sequence = known.rank
        raise errors.FencedError(
            f"a newer record of operation {packed.header.operation} exists",
            where=cluster,
            why=f"token {token}, sequence {sequence} was written by a successor",
            remedy="See `isthmus deploy status`; this process must not write any more.",
        )


async def _known(api: voting.Api, operation: str) -> Known:
    body = await api.get(kinds.CONFIG_MAP, records.name(operation), voting.NAMESPACE)
    if body is None:
        return Known()
    head = records.read_head(body)
    if head is None:  # spoiled by hand: ours is better than nothing
        return Known(version=body["metadata"]["resourceVersion"])
    return Known(head.version, head.header.rank, head.digest, head.names)


async def _copy(api: voting.Api, head: records.Head) -> Copy | None:
    """Read a record; None when it was removed meanwhile."""
    for _ in range(TRIES):
        record = records.unpack(head, [await _piece(api, label) for label in head.names])
        if record is not None:
            return Copy(head.header, record)
        body = await api.get(kinds.CONFIG_MAP, records.name(head.header.operation), voting.NAMESPACE)
        fresh = records.read_head(body) if body is not None else None
        if body is None:
            return None
        if fresh is None or fresh.version == head.version:
            break  # nobody rewrites it: it is what it is
        head = fresh
    return Copy(head.header, None)


async def _piece(api: voting.Api, label: str) -> str | None:
    body = await api.get(kinds.CONFIG_MAP, label, voting.NAMESPACE)
    return (body.get("data") or {}).get("piece") if body is not None else None
