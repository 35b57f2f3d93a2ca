"""What to do next in a running operation: pure decisions over its recorded state."""

from __future__ import annotations

import dataclasses

from isthmus.model import app, operation, plan


@dataclasses.dataclass(frozen=True)
class Go:
    """The wave stands: pass its gates and go on; `leave` names clusters that are left behind."""

    leave: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Hold:
    """Stop where it is, and keep the App owned."""

    reason: str
    undo: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Undo:
    """Take everything back."""

    reason: str


Decision = Go | Hold | Undo


def after_wave(current: operation.Operation, wave: int) -> Decision:
    """Return what follows a wave whose steps are all over."""
    steps = current.plan.waves[wave]
    failed = [step for step in steps if current.run(step.cluster).state is operation.State.FAILED]
    required = [step for step in failed if step.membership is app.Membership.REQUIRED]
    if not required:
        return Go(leave=tuple(step.cluster for step in failed))
    return on_failure(current, _reason(current, required), tuple(step.cluster for step in required))


def on_failure(current: operation.Operation, reason: str, clusters: tuple[str, ...]) -> Decision:
    """Return what the App's `onFailure` asks for."""
    policy = current.plan.on_failure
    if policy is app.OnFailure.ROLLBACK_ALL:
        return Undo(reason)
    if policy is app.OnFailure.ROLLBACK_FAILED:
        return Hold(reason, undo=clusters)
    return Hold(reason)


def ending(current: operation.Operation) -> operation.Outcome:
    """Return how an operation ends whose waves are all through: a failure where it reached no cluster.

    Only of optional and catch-up clusters can so many fail: `up --only NAME` that levels one of them.
    """
    states = {run.state for run in current.runs}
    if operation.State.FAILED not in states or operation.State.DONE in states:
        return operation.Outcome.SUCCEEDED
    is_back = all(run.state is operation.State.DONE for run in current.undo)
    return operation.Outcome.ROLLED_BACK if is_back else operation.Outcome.NEEDS_HUMAN


def undo_order(
    current: operation.Operation, only: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], ...]:
    """Return the clusters to take back, in waves, last wave first; untouched clusters are left out.

    With a retry, clusters that are already back are left out as well.
    """
    waves = []
    for wave in reversed(current.plan.waves):
        touched = tuple(
            step.cluster
            for step in wave
            if current.run(step.cluster).was_tried
            and not step.is_kept
            and (only is None or step.cluster in only)
        )
        if touched:
            waves.append(touched)
    return tuple(waves)


def undo_runs(current: operation.Operation, only: tuple[str, ...] | None = None) -> tuple[operation.Run, ...]:
    """Return the backward runs, planned, keeping what an earlier try has already finished."""
    before = {run.cluster: run for run in current.undo}
    order = undo_order(current, only)
    fresh = [
        operation.Run(cluster=name, wave=current.run(name).wave, action=current.plan.step(name).undo)
        for names in order
        for name in names
    ]
    kept = [run for run in current.undo if run.cluster not in {one.cluster for one in fresh}]
    return (
        *kept,
        *(
            before[run.cluster]
            if run.cluster in before and before[run.cluster].state is operation.State.DONE
            else run
            for run in fresh
        ),
    )


def left_behind(current: operation.Operation) -> tuple[str, ...]:
    """Return the clusters that are not at the plan's revision although the operation went on."""
    over = (operation.State.FAILED, operation.State.SKIPPED)
    absent = (name for name, _ in current.plan.left_out)
    return (*absent, *(run.cluster for run in current.runs if run.state in over))


def _reason(current: operation.Operation, steps: list[plan.Step]) -> str:
    return "; ".join(f"{step.cluster}: {current.run(step.cluster).message or 'failed'}" for step in steps)
