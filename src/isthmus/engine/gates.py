"""Gates: what must hold after a wave before the next may begin.

Waiting for a person or for time gives the lock back; the operation stays the App's owner.
"""

from __future__ import annotations

import dataclasses

from isthmus.engine import control, ready
from isthmus.engine import work as works
from isthmus.engine import world as worlds
from isthmus.engine.connect import meshed
from isthmus.model import app as apps
from isthmus.model import errors, operation, plan

LOOK = 5.0
"""Seconds between looks at the App's health while it bakes."""
TICK = 1.0


async def pass_gate(work: works.Work, gate: plan.Gate, number: int) -> None:
    """Wait at one gate after a wave; an IsthmusError is why it did not open."""
    passage = work.current.passage(number, str(gate))
    if passage is not None and passage.ended is not None:
        return
    begun = passage or operation.Passage(wave=number, gate=str(gate), started=work.now())
    by = seen = ""
    if gate.type == "ready":
        await _still_ready(work, begun, work.clock.monotonic() + work.plan.timeout)
    elif gate.type == "bake":
        await _begin(work, begun)
        await _bake(work, gate, begun, number)
    elif gate.type == "mesh":
        seen = await meshed.wait(work, number, lambda: _begin(work, begun))
    else:
        await _begin(work, begun)
        by = await _approval(work, number)
    done = dataclasses.replace(begun, ended=work.now(), by=by)
    await work.note(
        f"wave {number} gate {gate} passed",
        lambda now: now.with_passage(done),
        text=f"wave {number + 1}: gate {gate} passed"
        + (f", approved by {by}" if by else "")
        + (f": {seen}" if seen else ""),
        code="gate",
    )


async def _begin(work: works.Work, begun: operation.Passage) -> None:
    if work.current.passage(begun.wave, begun.gate) is None:
        label = f"wave {begun.wave} gate {begun.gate} begins"
        await work.note(label, lambda now: now.with_passage(begun))


async def _still_ready(work: works.Work, begun: operation.Passage, deadline: float) -> None:
    """Wait until every cluster that is done so far is ready, whatever was true when its step ended.

    An open gate is passed without a word before: it changes nothing, and nobody waits.
    """
    while True:
        work.check()
        waits = await _unready(work, begun.wave)
        if not waits:
            return
        await _begin(work, begun)
        if work.clock.monotonic() >= deadline:
            raise errors.DeadlineError("; ".join(waits), remedy="look at the pods' events")
        work.say("; ".join(waits))
        await work.clock.sleep(TICK)


async def _unready(work: works.Work, number: int) -> tuple[str, ...]:
    """Return what the clusters up to this wave still wait for; it reads as the user, so it needs no lock."""

    async def one(name: str) -> str:
        step = work.plan.step(name)
        for each in step.releases:
            target = ready.Target(
                server=work.world.cluster(name),
                release=each.release,
                namespace=each.namespace,
                revision=work.current.revision(step, each),
                deadline=0.0,
            )
            seen = await ready.glance(target)
            if not seen.is_ready:
                return f"{name}: {seen.waits_for}"
        return ""

    done = [run for run in work.current.runs if run.state is operation.State.DONE and run.wave <= number]
    found = await worlds.each(tuple(run.cluster for run in done), one)
    required = {step.cluster for step in work.plan.steps if step.membership is apps.Membership.REQUIRED}
    return tuple(str(said) for name, said in found.items() if said and name in required)


async def _bake(work: works.Work, gate: plan.Gate, passage: operation.Passage, number: int) -> None:
    """Let the wave stand for a while, without the lock: another process may take over meanwhile."""
    left = gate.seconds - worlds.since(work.clock, passage.started)
    if left <= 0:
        return
    await work.note(
        f"wave {number} bakes",
        lambda now: dataclasses.replace(
            now, phase=operation.Phase.WAITING, reason=f"baking after wave {number + 1}"
        ),
        text=f"wave {number + 1} bakes for {left:.0f}s",
        code="gate",
    )
    await work.rights.let_go()
    until = work.clock.monotonic() + left
    unready: tuple[str, ...] = ()
    while not unready and work.clock.monotonic() < until and not work.asked.newest(control.Verb.ABORT):
        await work.clock.sleep(min(LOOK, max(0.0, until - work.clock.monotonic())))
        unready = await _unready(work, number)
    await work.rights.regain()
    await work.note(
        f"wave {number} baked", lambda now: dataclasses.replace(now, phase=operation.Phase.FORWARD, reason="")
    )
    work.check()
    if unready:
        raise errors.DeadlineError(
            f"not ready while baking: {'; '.join(unready)}", remedy="look at the pods' events"
        )


async def _approval(work: works.Work, number: int) -> str:
    await work.hear()
    given = work.asked.newest(control.Verb.APPROVE, str(number))
    if given is not None:
        return given.user
    await wait_for_person(work, f"wave {number + 1} waits for approval", work.plan.command("approve"))
    return ""


async def pause_point(work: works.Work) -> None:
    """Stop here when somebody has asked for a pause."""
    await work.hear()
    work.check()
    asked = work.asked.is_paused()
    if asked is not None:
        await wait_for_person(work, f"paused by {asked.user}", work.plan.command("resume"), paused=True)


async def wait_for_person(work: works.Work, why: str, command: str, *, paused: bool = False) -> None:
    """Journal that a person has to act, and end this process's work."""
    phase = operation.Phase.PAUSED if paused else operation.Phase.WAITING
    reason = f"{why}: {command}"
    await work.note(
        why,
        lambda now: dataclasses.replace(now, phase=phase, outcome=operation.Outcome.HELD, reason=reason),
        text=reason,
        code="end",
    )
    raise works.WaitingError(why, remedy=command)
