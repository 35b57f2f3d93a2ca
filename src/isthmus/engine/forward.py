"""Brings one cluster forward: intent, helm, outcome, ready; whatever goes wrong becomes its own result."""

from __future__ import annotations

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
    if step.action is plan.Action.KEEP and not step.waits:
        await _end(work, step, operation.State.DONE, "nothing to change")
        return
    work.check(step.cluster)
    if step.action is plan.Action.KEEP and step.revision is not None:
        await _wait(work, step, step.revision, deadline)
        await _end(work, step, operation.State.DONE, "ready")
        return
    run = work.current.run(step.cluster)
    revision = run.revision if run.state is operation.State.APPLIED else await _apply(work, step, deadline)
    if revision is not None:
        await _wait(work, step, revision, deadline)
    await _end(work, step, operation.State.DONE, "ready" if revision is not None else "uninstalled")


async def _apply(work: works.Work, step: plan.Step, deadline: float) -> int | None:
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
        lambda now: now.with_run(name, state=operation.State.APPLIED, revision=revision),
        cluster=name,
        text=f"revision {revision} applied" if revision is not None else "release uninstalled",
    )
    return revision


async def _wait(work: works.Work, step: plan.Step, revision: int, deadline: float) -> None:
    name = step.cluster
    target = ready.Target(
        server=await work.rights.server(name),
        release=step.release,
        namespace=step.namespace,
        revision=revision,
        deadline=deadline,
    )
    await ready.wait(
        target,
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
