"""Runs an operation: waves, gates, decisions and the way back, in that order.

What to do next is decided in `rollout.decide`; how one cluster goes is in `forward` and `back`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

from isthmus.engine import back, closing, forward, gates, session, steps
from isthmus.engine import work as works
from isthmus.model import errors, operation, plan
from isthmus.rollout import decide

_NOT_BACK = "; not taken back: "
"""Parts the cause of a rollback from the clusters it could not take back, in an operation's reason."""


async def run(current: operation.Operation, rights: session.Session) -> operation.Operation:
    """Run to an outcome, or to where a person has to act; return the operation as journalled last."""
    work = works.Work(current, rights)
    listening = asyncio.create_task(work.listen())
    try:
        with contextlib.suppress(works.WaitingError):
            await rights.guard(asyncio.create_task(_run(work)))
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return work.current


async def _run(work: works.Work) -> None:
    await work.hear()
    if work.current.phase in (operation.Phase.UNDOING, operation.Phase.NEEDS_HUMAN):
        await _undo(work, work.current.reason.partition(_NOT_BACK)[0])
        return
    try:
        await _forward(work)
    except works.AbortedError as asked:
        await _undo(work, str(asked))


async def _forward(work: works.Work) -> None:
    if _forwards(work.current) != work.current:  # a new operation says so already
        await work.note("forward", _forwards)
    for number, wave in enumerate(work.plan.waves):
        work.check()
        await gates.pause_point(work)
        await works.together([forward.advance(work, step) for step in wave])
        work.check()
        if not await _goes_on(work, decide.after_wave(work.current, number)):
            return
        for gate in work.plan.gates:
            if not await _opens(work, gate, number):
                return
    if await _closes(work):
        await _commit(work)


async def _closes(work: works.Work) -> bool:
    """Write what the plan has for the end; return whether the operation goes on."""
    try:
        await closing.close(work)
    except (works.AbortedError, errors.FencedError):
        raise
    except errors.IsthmusError as error:
        why = f"at the end: {work.world.secrets.clean(str(error))}"
        names = tuple(dict.fromkeys(each.cluster for each in work.plan.closings))
        return await _goes_on(work, decide.on_failure(work.current, why, names))
    return True


def _forwards(current: operation.Operation) -> operation.Operation:
    return dataclasses.replace(current, phase=operation.Phase.FORWARD, outcome=None, reason="")


async def _opens(work: works.Work, gate: plan.Gate, number: int) -> bool:
    try:
        await gates.pass_gate(work, gate, number)
    except (works.WaitingError, works.AbortedError, errors.FencedError):
        raise
    except errors.IsthmusError as error:
        names = tuple(step.cluster for step in work.plan.waves[number])
        why = f"gate {gate} after wave {number + 1}: {work.world.secrets.clean(str(error))}"
        return await _goes_on(work, decide.on_failure(work.current, why, names))
    return True


async def _goes_on(work: works.Work, decision: decide.Decision) -> bool:
    """Act on a decision; return whether the operation goes on to the next wave."""
    if isinstance(decision, decide.Undo):
        await _undo(work, decision.reason)
        return False
    if isinstance(decision, decide.Hold):
        await _hold(work, decision)
        return False
    touched = tuple(name for name in decision.leave if work.current.run(name).was_tried)
    if touched:
        await back.some(work, touched)
    for name in decision.leave:
        work.say(f"left behind; level it with: {work.plan.command('up')} --only {name}", name)
    return True


async def _undo(work: works.Work, reason: str) -> None:
    await closing.take_back(work)
    stuck = await back.everything(work, reason)
    if not stuck:
        await _finish(work, operation.Phase.FINISHED, operation.Outcome.ROLLED_BACK, reason)
        return
    said = f"{reason}{_NOT_BACK}{', '.join(stuck)}; then: {work.plan.command('resume')}"
    await _finish(work, operation.Phase.NEEDS_HUMAN, operation.Outcome.NEEDS_HUMAN, said)


async def _hold(work: works.Work, decision: decide.Hold) -> None:
    stuck = await back.some(work, decision.undo) if decision.undo else ()
    command = work.plan.command
    ways = f"{command('resume')} tries again, {command('abort')} goes back"
    said = decision.reason + (f"; not taken back: {', '.join(stuck)}" if stuck else "")
    await _finish(work, operation.Phase.HELD, operation.Outcome.HELD, f"{said}; {ways}")


async def _commit(work: works.Work) -> None:
    if work.plan.intent is plan.Intent.DOWN:
        # The record of a release that stays installed has to stay as well.
        done = {run.cluster for run in work.current.runs if run.state is operation.State.DONE}
        steps_out = [one for step in work.plan.steps if step.cluster in done for one in step.releases]
        await works.together([_purge(work, step) for step in steps_out])
    behind = decide.left_behind(work.current)
    level = f"{work.plan.command('up')} --only {','.join(behind)}"
    reason = f"left behind: {', '.join(behind)}; level with: {level}" if behind else ""
    await _finish(work, operation.Phase.FINISHED, decide.ending(work.current), reason)


async def _purge(work: works.Work, step: plan.Step) -> None:
    try:
        await steps.purge(await work.hands(step), step)
    except errors.FencedError:
        raise
    except errors.IsthmusError as error:
        work.say(f"its release history stays: {error}", step.cluster)


async def _finish(work: works.Work, phase: operation.Phase, outcome: operation.Outcome, reason: str) -> None:
    ended = work.now() if phase is operation.Phase.FINISHED else None
    await work.note(
        str(outcome),
        lambda now: dataclasses.replace(now, phase=phase, outcome=outcome, reason=reason, ended=ended),
        text=f"{outcome}: {reason}" if reason else str(outcome),
        code="end",
    )
