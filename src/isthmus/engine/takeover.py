"""What a successor of an operation checks and prepares before it goes on, or back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.engine import fence, identity, journal, session
from isthmus.engine import lease as leases
from isthmus.engine import world as worlds
from isthmus.model import errors, operation

if TYPE_CHECKING:
    from isthmus.engine import history


class SettledError(errors.ConflictError):
    """The operation came to its end by another process while this one waited for the lock."""

    def __init__(self, ended: operation.Operation) -> None:
        super().__init__(f"operation {ended.id} was finished by somebody else meanwhile")
        self.ended = ended


def check(view: history.JournalView, entry: operation.Operation) -> None:
    """Raise unless the operation still owns the App."""
    if view.owner is not None and view.owner.header.operation == entry.id:
        return
    found = view.get(entry.id)
    raise SettledError(operation.Operation.from_json(found.record) if found else entry)


async def refuse_unfenced(world: worlds.World, entry: operation.Operation) -> None:
    """Raise when the predecessor may still write and its credential cannot be taken away."""
    if not entry.is_at_work:
        return
    worker = leases.Identity.from_text(entry.worker)
    if worker is not None and identity.is_alive(worker) is False:
        return
    named = await _unfenced(world, entry)
    if not named:
        return
    raise errors.ConflictError(
        f"operation {entry.id} is not fenced, so taking it over is manual",
        where=", ".join(named),
        why=f"{worker or 'an unknown process'} was at work and cannot be seen to be gone from here; "
        "it writes with a credential that this user cannot take away",
        remedy="end that process on its host, then repeat with --force; "
        "or ask for the rights that `isthmus permissions deploy` prints",
    )


async def newest(rights: session.Session, entry: operation.Operation) -> operation.Operation:
    """Read the operation again: only now is the predecessor unable to write more."""
    view = await journal.read_all(rights.voters, rights.key, clock=rights.world.clock)
    return operation.Operation.from_json(view.owner.record) if view.owner else entry


def prepared(current: operation.Operation, *, abort: bool, user: str, now: str) -> operation.Operation:
    """Return the operation as its successor begins with it.

    To abort what already could not be taken back gives the App free as it stands.
    """
    if not abort:
        return operation.retried(current) if current.phase is operation.Phase.HELD else current
    if current.phase is operation.Phase.NEEDS_HUMAN:
        event = operation.Event(at=now, text=f"closed as it is by {user}", code="end")
        return dataclasses.replace(current, phase=operation.Phase.FINISHED, ended=now).with_event(event)
    reason = current.reason if current.phase is operation.Phase.UNDOING else f"aborted by {user}"
    return dataclasses.replace(current, phase=operation.Phase.UNDOING, reason=reason)


async def _unfenced(world: worlds.World, entry: operation.Operation) -> tuple[str, ...]:
    """Return the clusters in which the predecessor's writes cannot be refused."""
    own = entry.plan.account
    named = fence.Account(entry.plan.namespace, own) if own else None

    async def can(name: str) -> bool:
        server = world.cluster(name)
        return await fence.can_fence(server, account=await fence.writer(server, named))

    able = await worlds.each(tuple(step.cluster for step in entry.plan.steps), can)
    return tuple(
        step.cluster
        for step in entry.plan.steps
        if not step.is_kept and (not step.fenced or able[step.cluster] is False)
    )
