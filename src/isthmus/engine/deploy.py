"""The verbs of `deploy`: plan, run, resume, abort, and what others may ask of a running operation."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from typing import TYPE_CHECKING

from isthmus.clients import redactor, releases
from isthmus.engine import bundle, control, journal, lock, observe, run, session, wanted
from isthmus.engine import voters as voting
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import errors, finding, operation, plan
from isthmus.model import fleet as fleets
from isthmus.rollout import plan as plans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

KEPT = 20
"""Operations that stay in history."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A plan with what it pins: chart and values by cluster, which no plan may hold."""

    plan: plan.Plan
    bundles: Mapping[str, bundle.Bundle] = dataclasses.field(default_factory=dict, repr=False)
    secrets: redactor.Redactor = dataclasses.field(default_factory=redactor.Redactor, repr=False)


# ---- plans


async def draft_up(
    world: worlds.World,
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    folder: Path,
    only: Sequence[str] | None = None,
) -> Draft:
    """Render, dry-run every cluster at once, and plan."""
    names = _chosen(app, only)
    chart = await wanted.archive(world, app, folder)
    found = await wanted.gather(world, app, chart, names)
    given = {name: one for name, one in found.items() if isinstance(one, wanted.Wanted)}
    hidden = redactor.Redactor()
    for each in given.values():
        hidden = hidden.joined(each.secrets)
    world = dataclasses.replace(world, secrets=hidden)
    observed = await observe.observe(
        world,
        _subject(app),
        tuple(given),
        wanted={name: one.rendered.first for name, one in given.items()},
    )
    for name, failed in found.items():
        if isinstance(failed, errors.InputError):
            raise failed
        if isinstance(failed, errors.IsthmusError):
            observed[name] = plans.Observed(cluster=name, error=failed.brief)
    made = plans.up(
        app, fleet, rendered={name: one.rendered for name, one in given.items()}, observed=observed, only=only
    )
    return Draft(plan=made, bundles={name: one.bundle for name, one in given.items()}, secrets=hidden)


async def draft_rollback(
    world: worlds.World,
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    to: str | None = None,
    only: Sequence[str] | None = None,
) -> Draft:
    """Plan the way back to before an operation: the last one that succeeded, or `to`."""
    past = _past(await history(world, plans.voters(fleet), app.namespace, app.name), to, app.name)
    names = _chosen(app, only)
    targets = {run.cluster: past.plan.step(run.cluster).revision for run in past.runs}
    observed = await observe.observe(
        world,
        _subject(app),
        names,
        wanted={},
        target={name: revision for name, revision in targets.items() if revision is not None},
    )
    return Draft(plan=plans.rollback(app, fleet, past=past, observed=observed, only=only))


async def draft_down(
    world: worlds.World, app: apps.App, fleet: fleets.Fleet, *, only: Sequence[str] | None = None
) -> Draft:
    """Plan taking the App out."""
    observed = await observe.observe(world, _subject(app), _chosen(app, only), wanted={})
    return Draft(plan=plans.down(app, fleet, observed=observed, only=only))


async def pin(world: worlds.World, draft: Draft) -> None:
    """Keep a draft's bundles in their clusters, so that its saved plan can be run without the folder."""

    async def one(name: str) -> None:
        await bundle.store(
            world.cluster(name), draft.bundles[name], _key(draft.plan.namespace, draft.plan.app)
        )

    found = await worlds.each(tuple(draft.bundles), one)
    _raise_first(found)


async def draft_saved(world: worlds.World, saved: plan.Plan) -> Draft:
    """Read back what a saved plan pinned, and refuse it when the world has moved since."""
    if saved.intent is plan.Intent.UP:
        found = await worlds.each(
            tuple(step.cluster for step in saved.steps if step.bundle),
            lambda name: bundle.load(world.cluster(name), saved.step(name).bundle or ""),
        )
        _raise_first(found)
    else:
        found = {}
    gate = asyncio.Semaphore(wanted.AT_ONCE)
    one = saved.steps[0]

    async def again(name: str) -> wanted.Wanted:
        return await wanted.render(
            world, found[name], release=one.release, namespace=one.namespace, cluster=name, gate=gate
        )

    given = await worlds.each(tuple(found), again)
    _raise_first(given)
    observed = await observe.observe(
        world,
        observe.Subject(one.release, one.namespace, saved.account),
        tuple(step.cluster for step in saved.steps),
        wanted={name: each.rendered.first for name, each in given.items()},
        target={step.cluster: step.target for step in saved.steps if step.target is not None},
    )
    changes = plans.moved(
        saved, rendered={name: each.rendered for name, each in given.items()}, observed=observed
    )
    if changes:
        raise errors.ConflictError(
            "the world has moved since the plan was saved",
            why="; ".join(changes),
            remedy="look again and save a new one: isthmus deploy diff --save",
        )
    hidden = redactor.Redactor()
    for each in given.values():
        hidden = hidden.joined(each.secrets)
    return Draft(plan=saved, bundles=found, secrets=hidden)


# ---- operations


async def start(world: worlds.World, draft: Draft, *, wait: float = 0.0) -> operation.Operation:
    """Run a draft as a new operation; an unfinished one of the same App refuses it."""
    if finding.has_errors(draft.plan.findings):
        raise errors.ConflictError(
            "the plan has errors and cannot be run",
            why="; ".join(f.message for f in draft.plan.findings if f.severity is finding.Severity.ERROR),
            remedy="mend them, then look again with `isthmus deploy diff`",
        )
    world = dataclasses.replace(world, secrets=world.secrets.joined(draft.secrets))
    identity = _new_id(world)
    async with session.opened(
        world,
        draft.plan,
        operation_id=identity,
        wait=wait,
        check=lambda view: _refuse_owned(view, draft.plan),
    ) as rights:
        _raise_first(_required(await rights.begin(), draft.plan))
        await _level(rights)
        await _refuse_moved(world, draft.plan)
        found = await worlds.each(tuple(draft.bundles), lambda name: _store(rights, name, draft))
        _raise_first(_required(found, draft.plan))
        current = operation.begin(
            draft.plan, identity=identity, user=world.user, now=worlds.stamp(world.clock)
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
) -> operation.Operation:
    """Take over the unfinished operation of an App, and bring it to an end: forward, or back with `abort`."""
    entry = await unfinished(world, voters, namespace, app)
    if entry is None:
        raise errors.InputError(
            f"App {namespace}/{app} has no unfinished operation",
            remedy=f"see what there was: isthmus deploy history {app}",
        )
    known = dict(entry.plan.voters)
    _refuse_missing(world, known)

    def check(view: journal.JournalView) -> None:
        if view.owner is None or view.owner.header.operation != entry.id:
            raise errors.ConflictError(
                f"operation {entry.id} was finished by somebody else meanwhile",
                remedy=f"see how: isthmus deploy history {app}",
            )

    async with session.opened(
        dataclasses.replace(world), entry.plan, operation_id=entry.id, wait=wait, check=check
    ) as rights:
        await rights.begin()
        current = await _newest(world, rights, entry)
        hidden = await _hidden(world, current)
        rights.world = dataclasses.replace(rights.world, secrets=hidden)
        current = _prepared(current, abort=abort)
        await rights.write(current, "taken over")
        world.report(
            operation.Event(
                at=worlds.stamp(world.clock), text=f"operation {current.id} goes on", code="begin"
            )
        )
        if current.phase is operation.Phase.FINISHED:
            return current
        ended = await run.run(current, rights)
    await _tidy(world, entry.plan)
    return ended


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
            remedy=f"see what there was: isthmus deploy history {app}",
        )
    if verb is control.Verb.SKIP:
        _refuse_skip(current, argument)
    servers = [world.cluster(name) for name, _ in voters]
    await control.request(
        servers, current.id, verb, argument, user=world.user, key=_key(namespace, app), clock=world.clock
    )
    return current


async def history(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> tuple[operation.Operation, ...]:
    """Return the App's operations as a majority keeps them, oldest first."""
    view = await _read(world, voters, namespace, app)
    return tuple(operation.Operation.from_json(entry.record) for entry in view.operations)


async def unfinished(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> operation.Operation | None:
    """Return the operation that owns the App, if any."""
    view = await _read(world, voters, namespace, app)
    return operation.Operation.from_json(view.owner.record) if view.owner else None


async def holder(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> lock.LockView:
    """Return who holds the App's lock."""
    servers = [world.cluster(name) for name, _ in voters]
    return await session.lock_of(world, servers, _key(namespace, app), "").inspect()


# ---- pieces


def _key(namespace: str, app: str) -> str:
    return voting.app_key(namespace, app)


async def _read(
    world: worlds.World, voters: Sequence[tuple[str, str]], namespace: str, app: str
) -> journal.JournalView:
    servers = [world.cluster(name) for name, _ in voters]
    return await journal.read_all(servers, _key(namespace, app), clock=world.clock)


def _subject(app: apps.App) -> observe.Subject:
    return observe.Subject(app.release, app.namespace, app.spec.service_account)


def _chosen(app: apps.App, only: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for wave in app.waves for name in wave if only is None or name in only)


def _past(found: Sequence[operation.Operation], to: str | None, app: str) -> operation.Operation:
    for one in reversed(found):
        if one.id == to or (to is None and _can_go_back(one)):
            return one
    raise errors.InputError(
        f"no operation {to} in history" if to else "no operation in history that could be rolled back",
        remedy=f"see what there was: isthmus deploy history {app}",
    )


def _can_go_back(one: operation.Operation) -> bool:
    succeeded = one.outcome is operation.Outcome.SUCCEEDED
    return succeeded and one.plan.intent is not plan.Intent.DOWN and not one.plan.is_empty


def _new_id(world: worlds.World) -> str:
    return f"{world.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _refuse_owned(view: journal.JournalView, planned: plan.Plan) -> None:
    if view.owner is None:
        return
    one = operation.Operation.from_json(view.owner.record)
    stands = f"{one.phase}: {one.reason}" if one.reason else str(one.phase)
    raise errors.ConflictError(
        f"operation {one.id} owns App {planned.namespace}/{planned.app}",
        why=f"{one.user} began it at {one.started} and it is unfinished ({stands})",
        remedy="`isthmus deploy resume` brings it to its end, `isthmus deploy abort` takes it back",
    )


async def _refuse_moved(world: worlds.World, planned: plan.Plan) -> None:
    """Look at Helm's revisions once more, now that nobody else of ours can move them."""

    async def one(name: str) -> str:
        step = planned.step(name)
        seen = plans.Observed(
            cluster=name, history=await releases.history(world.cluster(name), step.release, step.namespace)
        )
        now = seen.base.revision if seen.latest is not None and seen.base is not None else None
        return (
            ""
            if now == step.revision
            else f"{name}: release at revision {now or 'none'}, planned on {step.revision or 'none'}"
        )

    found = await worlds.each(tuple(step.cluster for step in planned.steps), one)
    _raise_first(_required(found, planned))
    changes = [said for said in found.values() if isinstance(said, str) and said]
    if changes:
        raise errors.ConflictError(
            "the world has moved since the plan was made",
            why="; ".join(changes),
            remedy="look again and run it again",
        )


async def _store(rights: session.Session, name: str, draft: Draft) -> None:
    await bundle.store(
        await rights.server(name), draft.bundles[name], _key(draft.plan.namespace, draft.plan.app)
    )


def _required(found: Mapping[str, object], planned: plan.Plan) -> dict[str, object]:
    """Keep the answers of clusters that the operation cannot begin without."""
    needed = {step.cluster for step in planned.steps if step.membership is apps.Membership.REQUIRED}
    return {name: answer for name, answer in found.items() if name in needed}


def _raise_first(found: Mapping[str, object]) -> None:
    for answer in found.values():
        if isinstance(answer, errors.IsthmusError):
            raise answer


def _refuse_missing(world: worlds.World, known: Mapping[str, str]) -> None:
    for name in known:
        world.cluster(name)


def _refuse_skip(current: operation.Operation, cluster: str) -> None:
    names = [run.cluster for run in current.runs]
    if cluster not in names:
        raise errors.InputError(
            f"operation {current.id} has no cluster '{cluster}'", remedy=f"use: {', '.join(names)}"
        )


async def _newest(
    world: worlds.World, rights: session.Session, entry: operation.Operation
) -> operation.Operation:
    """Read the operation again: only now is the predecessor unable to write more."""
    view = await journal.read_all(
        rights.voters, _key(entry.plan.namespace, entry.plan.app), clock=world.clock
    )
    newest = view.owner.record if view.owner else entry.to_json()
    return operation.Operation.from_json(newest)


async def _hidden(world: worlds.World, current: operation.Operation) -> redactor.Redactor:
    hidden = world.secrets
    for step in current.plan.steps:
        if step.bundle is None:
            continue
        try:
            hidden = hidden.joined(
                wanted.hidden_in(await bundle.load(world.cluster(step.cluster), step.bundle))
            )
        except errors.IsthmusError:
            continue  # its step will say so; a bundle that cannot be read cannot leak either
    return hidden


def _prepared(current: operation.Operation, *, abort: bool) -> operation.Operation:
    """Return the operation as its successor begins with it."""
    needs_human = current.phase is operation.Phase.NEEDS_HUMAN
    if abort and needs_human:
        return dataclasses.replace(current, phase=operation.Phase.FINISHED)
    if abort:
        return dataclasses.replace(current, phase=operation.Phase.UNDOING, reason=current.reason or "aborted")
    if current.phase is operation.Phase.HELD:
        return operation.retried(current)
    return current


async def _level(rights: session.Session) -> None:
    """Give voters that were away the end of earlier operations; who is away still gets it next time."""
    view = await journal.read_all(rights.voters, rights.key, clock=rights.world.clock)
    writers = {name: rights.servers[name] for name, _ in rights.plan.voters if name in rights.servers}
    for entry in view.operations:
        await journal.level(entry, writers, clock=rights.world.clock)


async def _tidy(world: worlds.World, planned: plan.Plan) -> None:
    """Forget what is older than the last operations; failing to is no failure of the operation."""
    servers = [world.cluster(name) for name, _ in planned.voters]
    await journal.prune(servers, _key(planned.namespace, planned.app), keep=KEPT, clock=world.clock)
