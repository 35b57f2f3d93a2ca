"""Runs operations: a new one from a draft, or an unfinished one that is resumed or aborted."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from typing import TYPE_CHECKING

from isthmus.clients import releases
from isthmus.engine import bundle, hidden, journal, operations, run, session, takeover
from isthmus.engine import draft as drafts
from isthmus.engine import identity as identities
from isthmus.engine import voters as voting
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import errors, finding, operation, plan
from isthmus.rollout import observed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT = 20
"""Operations that stay in history."""


async def start(world: worlds.World, draft: drafts.Draft, *, wait: float = 0.0) -> operation.Operation:
    """Run a draft as a new operation; an unfinished one of the same App refuses it."""
    if finding.has_errors(draft.plan.findings):
        raise errors.ConflictError(
            "the plan has errors and cannot be run",
            why="; ".join(f.message for f in draft.plan.findings if f.severity is finding.Severity.ERROR),
            remedy=f"mend them, then look again with `{draft.plan.command('diff')}`",
        )
    world = dataclasses.replace(world, secrets=world.secrets.joined(draft.secrets))
    identity = _new_id(world)
    async with session.opened(
        world,
        draft.plan,
        operation_id=identity,
        wait=wait,
        check=lambda view: operations.check_unowned(view, draft.plan.namespace, draft.plan.app),
    ) as rights:
        drafts.raise_first(_required(await rights.begin(), draft.plan))
        await _level(rights)
        await _refuse_moved(world, draft.plan)
        found = await worlds.each(draft.holders, lambda name: _store(rights, name, draft))
        drafts.raise_first(_required(found, draft.plan))
        current = operation.begin(
            draft.plan,
            identity=identity,
            user=world.user,
            now=worlds.stamp(world.clock),
            worker=_worker(world, identity),
        )
        await rights.write(current, "created")
        world.report(operation.Event(at=current.started, text=f"operation {identity} begins", code="begin"))
        ended = await run.run(current, rights)
    await _tidy(world, draft.plan)
    return ended


async def resume(
    world: worlds.World,
    voters: Sequence[tuple[str, str]],
    *,
    namespace: str,
    app: str,
    wait: float,
    abort: bool = False,
    force: bool = False,
) -> operation.Operation:
    """Take over the unfinished operation of an App, and bring it to an end: forward, or back with `abort`.

    Where the predecessor's writes cannot be fenced, `force` says that it is known to be gone.
    """
    entry = await operations.unfinished(world, voters, namespace, app)
    if entry is None:
        raise errors.InputError(
            f"App {namespace}/{app} has no unfinished operation",
            remedy=f"see what there was: {plan.command(namespace, app, 'history')}",
        )
    for name in dict(entry.plan.voters):
        world.cluster(name)
    world = dataclasses.replace(
        world, secrets=world.secrets.joined(await hidden.known(world, entry, voting.app_key(namespace, app)))
    )
    if not force:
        await takeover.refuse_unfenced(world, entry)
    try:
        ended = await _go_on(world, entry, wait=wait, abort=abort)
    except takeover.SettledError as settled:
        return settled.ended
    await _tidy(world, entry.plan)
    return ended


async def _go_on(
    world: worlds.World, entry: operation.Operation, *, wait: float, abort: bool
) -> operation.Operation:
    async with session.opened(
        world, entry.plan, operation_id=entry.id, wait=wait, check=lambda view: takeover.check(view, entry)
    ) as rights:
        await rights.begin()
        newest = await takeover.newest(rights, entry)
        current = takeover.prepared(newest, abort=abort, user=world.user, now=worlds.stamp(world.clock))
        current = dataclasses.replace(current, worker=_worker(world, current.id))
        await rights.write(current, "taken over")
        event = operation.Event(
            at=worlds.stamp(world.clock), text=f"operation {current.id} goes on", code="begin"
        )
        world.report(event)
        return current if current.is_finished else await run.run(current, rights)


def _new_id(world: worlds.World) -> str:
    return f"{world.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _worker(world: worlds.World, operation_id: str) -> str:
    return identities.mine(operation_id, user=world.user).to_text()


async def _refuse_moved(world: worlds.World, planned: plan.Plan) -> None:
    """Look at Helm's revisions once more, now that nobody else of ours can move them."""

    async def one(name: str) -> str:
        for step in planned.step(name).releases:
            found = await releases.history(world.cluster(name), step.release, step.namespace)
            now = observed.Observed(cluster=name, history=found).revision
            if now != step.revision:
                label = f"release {step.release} at revision {now or 'none'}"
                return f"{name}: {label}, planned on {step.revision or 'none'}"
        return ""

    found = await worlds.each(tuple(step.cluster for step in planned.steps), one)
    drafts.raise_first(_required(found, planned))
    changes = [said for said in found.values() if isinstance(said, str) and said]
    if changes:
        raise errors.ConflictError(
            "the world has moved since the plan was made",
            why="; ".join(changes),
            remedy="look again and run it again",
        )


async def _store(rights: session.Session, name: str, draft: drafts.Draft) -> None:
    for pinned in draft.pinned(name):
        await bundle.store(await rights.server(name), pinned, rights.key)


def _required(found: Mapping[str, object], planned: plan.Plan) -> dict[str, object]:
    """Keep the answers of clusters that the operation cannot begin without."""
    needed = {step.cluster for step in planned.steps if step.membership is apps.Membership.REQUIRED}
    return {name: answer for name, answer in found.items() if name in needed}


async def _level(rights: session.Session) -> None:
    """Give voters that were away the end of earlier operations; who is away still gets it next time."""
    view = await journal.read_all(rights.voters, rights.key, clock=rights.world.clock)
    writers = {name: rights.servers[name] for name, _ in rights.plan.voters if name in rights.servers}
    for entry in view.operations:
        await journal.level(entry, writers, clock=rights.world.clock)


async def _tidy(world: worlds.World, planned: plan.Plan) -> None:
    """Forget what is older than the last operations; failing to is no failure of the operation."""
    servers = [world.cluster(name) for name, _ in planned.voters]
    with contextlib.suppress(errors.IsthmusError):
        await journal.prune(
            servers, voting.app_key(planned.namespace, planned.app), keep=KEPT, clock=world.clock
        )
