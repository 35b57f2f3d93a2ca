"""Brings one cluster forward: intent, helm, outcome, ready; whatever goes wrong becomes its own result."""

from __future__ import annotations

from typing import Any

from isthmus.clients import releases
from isthmus.engine import ready, steps
from isthmus.engine import work as works
from isthmus.model import errors, operation, plan


async def advance(work: works.Work, step: plan.Step) -> None:
    """Run one step to done, failed or skipped; only a lost fence and an abort are raised."""
    if work.current.run(step.cluster).is_over:
        return
    deadline = work.clock.monotonic() + work.plan.timeout
    try:
        await work.answering(step, deadline, lambda: _try(work, step, deadline))
    except works.SkippedError as asked:
        await _end(work, step, operation.State.SKIPPED, str(asked))
    except (errors.FencedError, works.AbortedError):
        raise
    except errors.IsthmusError as error:
        await _end(work, step, operation.State.FAILED, work.told(error, step.cluster))


async def _try(work: works.Work, step: plan.Step, deadline: float) -> None:
    if step.is_kept and not any(one.waits for one in step.releases):
        await _end(work, step, operation.State.DONE, "nothing to change")
        return
    work.check(step.cluster)
    is_out = step.first.action is plan.Action.UNINSTALL
    for one in reversed(step.releases) if is_out else step.releases:
        await _bring(work, step, one, deadline)
    await _end(work, step, operation.State.DONE, "uninstalled" if is_out else "ready")


async def _bring(work: works.Work, step: plan.Step, one: plan.Step, deadline: float) -> None:
    """Bring one release of a step along, and wait until it is ready."""
    if one.action is plan.Action.KEEP:
        if one.waits and one.revision is not None:
            await _wait(work, one, one.revision, deadline)
        return
    run = work.current.run(step.cluster)
    # With further releases it is not known which one was written last: each is asked, and done is done.
    is_applied = run.state is operation.State.APPLIED and not step.more
    revision = run.revision if is_applied else await _apply(work, step, one, deadline)
    if revision is not None:
        await _wait(work, one, revision, deadline)
    else:
        await _wait_gone(work, one, deadline)


async def _apply(work: works.Work, whole: plan.Step, step: plan.Step, deadline: float) -> int | None:
    name = step.cluster
    run = work.current.run(name)
    started = run.started or work.now()
    try:
        await work.note(
            f"{name} {step.action} intent",
            lambda now: now.with_run(
                name, state=operation.State.STARTED, started=started, attempts=run.attempts + 1
            ),
            cluster=name,
            text=f"{step.action} {step.release}",
        )
    except errors.IsthmusError:
        # Nothing is done before its intent is known there, so there is nothing to take back either.
        work.current = work.current.with_run(name, state=run.state, attempts=run.attempts)
        raise
    server = await work.rights.server(name)
    # An account of the App lives in the namespace, so that is there; and it may not even read it.
    is_ours = step.action is plan.Action.INSTALL and work.plan.account is None
    if is_ours and await steps.ensure_namespace(server, step.namespace):
        work.say(f"namespace {step.namespace} created", name)
    revision = await steps.forward(await work.hands(step, deadline), step)
    await work.note(
        f"{name} {step.action} outcome",
        lambda now: now.with_run(name, state=operation.State.APPLIED, **_written(now, whole, step, revision)),
        cluster=name,
        text=f"revision {revision} applied" if revision is not None else "release uninstalled",
    )
    return revision


def _written(
    now: operation.Operation, whole: plan.Step, one: plan.Step, revision: int | None
) -> dict[str, Any]:
    """Return what a run says of a release that was written."""
    if one is whole:
        return {"revision": revision}
    return {"more": tuple({**dict(now.run(one.cluster).more), one.release: revision}.items())}


async def _wait_gone(work: works.Work, step: plan.Step, deadline: float) -> None:
    name = step.cluster
    target = await _target(work, step, None, deadline)
    # Helm's record is kept until the operation ends, so it is known what there was, after a crash as well.
    last = await releases.latest(target.server, step.release, step.namespace)
    await ready.wait_gone(
        target,
        clock=work.clock,
        objects=steps.objects_of(last),
        say=lambda text: work.say(text, name),
        check=lambda: work.check(name),
    )


async def _target(work: works.Work, step: plan.Step, revision: int | None, deadline: float) -> ready.Target:
    return ready.Target(
        server=await work.rights.server(step.cluster),
        release=step.release,
        namespace=step.namespace,
        revision=revision,
        deadline=deadline,
    )


async def _wait(work: works.Work, step: plan.Step, revision: int, deadline: float) -> None:
    name = step.cluster
    await ready.wait(
        await _target(work, step, revision, deadline),
        clock=work.clock,
        say=lambda text: work.say(text, name),
        check=lambda: work.check(name),
        # A revision that mends one whose pods never came up would wait for them without end.
        free_after=work.plan.timeout / 2,
    )


async def _end(work: works.Work, step: plan.Step, state: operation.State, text: str) -> None:
    name = step.cluster
    await work.note(
        f"{name} {state}",
        lambda now: now.with_run(name, state=state, ended=work.now(), message=text, helm=""),
        cluster=name,
        text=text if state is operation.State.DONE else f"{state}: {text}",
        code=str(state),
        anywhere=state is not operation.State.DONE,
    )
