"""What the voters know of an App: its operations, the one that owns it, the lock, and requests to it.

It reads, and leaves requests; running an operation is the affair of `deploy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.engine import control, history, identity, journal, lease, session
from isthmus.engine import voters as voting
from isthmus.model import errors, operation, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.engine import lock
    from isthmus.engine import world as worlds


async def all_of(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> tuple[operation.Operation, ...]:
    """Return the App's operations as a majority keeps them, oldest first."""
    view = await read(world, voters, namespace, app)
    return tuple(operation.Operation.from_json(entry.record) for entry in view.operations)


async def unfinished(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> operation.Operation | None:
    """Return the operation that owns the App, if any."""
    view = await read(world, voters, namespace, app)
    return operation.Operation.from_json(view.owner.record) if view.owner else None


async def holder(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> lock.LockView:
    """Return who holds the App's lock."""
    servers = [world.cluster(name) for name, _ in voters]
    return await session.lock_of(world, servers, voting.app_key(namespace, app), "").inspect()


async def ask(
    world: worlds.World,
    voters: Sequence[tuple[str, str]],
    *,
    namespace: str,
    app: str,
    verb: control.Verb,
    argument: str = "",
) -> operation.Operation:
    """Leave a request for the unfinished operation of an App; whoever runs it acts on it."""
    current = await unfinished(world, voters, namespace, app)
    if current is None:
        raise errors.InputError(
            f"App {namespace}/{app} has no unfinished operation to {verb}",
            remedy=f"see what there was: {plan.command(namespace, app, 'history')}",
        )
    if verb is control.Verb.SKIP:
        _refuse_skip(current, argument)
    if verb is control.Verb.APPROVE:
        argument = _gate(current)
    servers = [world.cluster(name) for name, _ in voters]
    key = voting.app_key(namespace, app)
    await control.request(servers, current.id, verb, argument, user=world.user, key=key, clock=world.clock)
    return current


async def read(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> history.JournalView:
    """Return the journal of an App as a majority keeps it."""
    servers = [world.cluster(name) for name, _ in voters]
    return await journal.read_all(servers, voting.app_key(namespace, app), clock=world.clock)


async def refuse_owned(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> None:
    """Raise when an unfinished operation owns the App: before anything is drafted, or found to be done."""
    check_unowned(await read(world, voters, namespace, app), namespace, app)


def check_unowned(view: history.JournalView, namespace: str, app: str) -> None:
    """Raise when the journal has an unfinished operation of the App."""
    if view.owner is None:
        return
    one = operation.Operation.from_json(view.owner.record)
    stands = f"{one.phase}: {one.reason}" if one.reason else str(one.phase)
    raise errors.ConflictError(
        f"operation {one.id} owns App {namespace}/{app}",
        why=f"{one.user} began it at {one.started} and it is unfinished ({stands}){_at_work(one)}",
        remedy=f"`{plan.command(namespace, app, 'resume')}` brings it to its end, "
        f"`{plan.command(namespace, app, 'abort')}` takes it back",
    )


def _at_work(one: operation.Operation) -> str:
    """Say which process works on an operation, as far as that can be seen from here."""
    worker = lease.Identity.from_text(one.worker)
    if worker is None or not one.is_at_work:
        return ""
    alive = identity.is_alive(worker)
    does = "worked on it last" if alive is None else "works on it" if alive else "worked on it and is gone"
    return f"; {worker.user} on {worker.host} (pid {worker.pid}) {does}"


def _refuse_skip(current: operation.Operation, cluster: str) -> None:
    names = [run.cluster for run in current.runs]
    if cluster not in names:
        raise errors.InputError(
            f"operation {current.id} has no cluster '{cluster}'", remedy=f"use one of: {', '.join(names)}"
        )
    run = current.run(cluster)
    if run.state in {operation.State.DONE, operation.State.SKIPPED}:
        raise errors.InputError(
            f"cluster '{cluster}' is {run.state} already in operation {current.id}",
            remedy=f"nothing to skip; to take the operation back: {current.plan.command('abort')}",
        )


def _gate(current: operation.Operation) -> str:
    """Return the number of the wave whose gate waits for approval, as requests name it."""
    for passage in current.passages:
        if passage.gate == "approve" and passage.ended is None:
            return str(passage.wave)
    raise errors.InputError(
        f"operation {current.id} does not wait for approval",
        why=f"it is {current.phase}" + (f": {current.reason}" if current.reason else ""),
        remedy=f"see where it stands: {current.plan.command('status')}",
    )
