"""Takes clusters back, last wave first; one that fails is left to a person and stops no other.

No approval, no bake and no hold stands in the way of the cure.
"""

from __future__ import annotations

import dataclasses

from isthmus.clients import releases
from isthmus.engine import ready, steps
from isthmus.engine import work as works
from isthmus.engine import world as worlds
from isthmus.model import errors, operation, plan
from isthmus.rollout import decide


async def everything(work: works.Work, reason: str) -> tuple[str, ...]:
    """Take every touched cluster back; return those that need a person."""
    await work.note(
        "undo begins",
        lambda now: dataclasses.replace(
            now, phase=operation.Phase.UNDOING, outcome=None, reason=reason, undo=decide.undo_runs(now)
        ),
        text=f"rolling back every cluster that was touched: {reason}",
        code="undo",
    )
    return await _waves(work, tuple(run.cluster for run in work.current.undo))


async def some(work: works.Work, names: tuple[str, ...]) -> tuple[str, ...]:
    """Take some clusters back while the operation stays as it is; return those that need a person."""
    runs = decide.undo_runs(work.current, names)
    await work.note("undo of some", lambda now: dataclasses.replace(now, undo=runs))
    return await _waves(work, names)


async def _waves(work: works.Work, names: tuple[str, ...]) -> tuple[str, ...]:
    for wave in decide.undo_order(work.current, names):
        await works.together([_back(work, work.plan.step(name)) for name in wave])
    over = operation.State.DONE
    return tuple(run.cluster for run in work.current.undo if run.cluster in names and run.state is not over)


async def _back(work: works.Work, step: plan.Step) -> None:
    name = step.cluster
    if work.current.undo_run(name).state is operation.State.DONE:
        return
    deadline = work.clock.monotonic() + work.plan.timeout
    try:
        await work.answering(step, deadline, lambda: _try(work, step, deadline))
    except errors.FencedError:
        raise
    except errors.IsthmusError as error:
        text = work.told(error, name)
        await work.note(
            f"{name} undo failed",
            lambda now: now.with_undo(name, state=operation.State.FAILED, ended=work.now(), message=text),
            cluster=name,
            text=f"could not be taken back: {text}",
            code="failed",
            anywhere=True,
        )


async def _try(work: works.Work, step: plan.Step, deadline: float) -> None:
    name = step.cluster
    run = work.current.undo_run(name)
    started = run.started or work.now()
    await work.note(
        f"{name} undo intent",
        lambda now: now.with_undo(
            name, state=operation.State.STARTED, started=started, attempts=run.attempts + 1
        ),
        cluster=name,
        text=f"back to revision {step.first.revision}"
        if step.first.revision is not None
        else "taking the release out",
    )
    said = [
        await _one(work, step, one, deadline)
        for one in reversed(step.releases)
        if one.action is not plan.Action.KEEP
    ]
    message = "; ".join(dict.fromkeys(said))
    await work.note(
        f"{name} undo done",
        lambda now: now.with_undo(
            name, state=operation.State.DONE, ended=work.now(), message=message, helm=""
        ),
        cluster=name,
        text=message,
        code="done",
    )


async def _one(work: works.Work, whole: plan.Step, step: plan.Step, deadline: float) -> str:
    """Take one release of a step back; return what is to say of it."""
    name = step.cluster
    server = await work.rights.server(name)
    before = await releases.latest(server, step.release, step.namespace)
    revision = await steps.back(await work.hands(step, deadline), step)
    await work.note(
        f"{name} undo outcome",
        lambda now: now.with_undo(
            name, state=operation.State.APPLIED, **({"revision": revision} if step is whole else {})
        ),
        cluster=name,
        text=f"revision {step.revision} again, as {revision}"
        if revision is not None
        else "release uninstalled",
    )
    target = ready.Target(
        server=server, release=step.release, namespace=step.namespace, revision=revision, deadline=deadline
    )
    if revision is None:
        await ready.wait_gone(
            target,
            clock=work.clock,
            objects=steps.objects_of(before),
            say=lambda text: work.say(text, name),
            check=worlds.nothing,
        )
        left = steps.remains(step, before)
        return f"uninstalled; stays: {', '.join(left)}" if left else "uninstalled"
    await ready.wait(
        target,
        clock=work.clock,
        say=lambda text: work.say(text, name),
        check=worlds.nothing,
        free_after=0.0,
    )
    return "back and ready"
