"""Deploy plans, status and history as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import operation, plan
from isthmus.render import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIGN = {plan.Verb.CREATE: "+", plan.Verb.UPDATE: "~", plan.Verb.DELETE: "-"}
ON_DELETE = "when its pods are deleted"
FIELDS = 3
"""Changed fields named per object; `-o json` has all of them."""


def plan_text(made: plan.Plan) -> str:
    """Return the whole preview: what changes where, what restarts in which order, and the way back."""
    lines = [_head(made), ""]
    rows = [
        row for number, wave in enumerate(made.waves) for step in wave for row in _step_rows(number, step)
    ]
    lines.extend(table.columns(rows, ("WAVE", "CLUSTER", "RELEASE", "OBJECT", "CHANGE")))
    lines.extend(_restarts(made))
    lines.extend(_way_back(made))
    for name, why in made.left_out:
        lines.append(f"Left out: {name} ({why})")
    return "\n".join(lines)


def _head(made: plan.Plan) -> str:
    names = f"{made.namespace}/{made.app}"
    gates = ", ".join(str(gate) for gate in made.gates) or "none"
    clusters, waves = len(made.steps), len(made.waves)
    return (
        f"{made.intent} {names}: {clusters} {_plural(clusters, 'cluster')} in "
        f"{waves} {_plural(waves, 'wave')}, gates after each wave: {gates}; on failure: {made.on_failure}"
    )


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


def _step_rows(number: int, step: plan.Step) -> list[tuple[str, str, str, str, str]]:
    head = (str(number + 1), step.cluster, _action(step))
    if not step.changes:
        return [(*head, "-", "nothing changes" if step.action is plan.Action.KEEP else "no object changes")]
    rows = [(*head, *_change(step.changes[0]))]
    rows.extend(("", "", "", *_change(change)) for change in step.changes[1:])
    return rows


def _action(step: plan.Step) -> str:
    if step.action is plan.Action.KEEP:
        return f"keep {step.revision}" if step.revision else "keep"
    if step.action is plan.Action.INSTALL:
        return "install"
    if step.action is plan.Action.UNINSTALL:
        return f"uninstall {step.revision or ''}".strip()
    goal = f"as {step.target}" if step.target else ""
    return f"{step.action} {step.revision} → {(step.revision or 0) + 1} {goal}".strip()


def _change(change: plan.Change) -> tuple[str, str]:
    label = f"{SIGN[change.verb]} {change.kind} {change.name}"
    if change.verb is not plan.Verb.UPDATE:
        return label, change.verb.value
    more = len(change.fields) - FIELDS
    return label, ", ".join(change.fields[:FIELDS]) + (f" and {more} more" if more > 0 else "")


def _restarts(made: plan.Plan) -> list[str]:
    lines = [
        f"  {step.cluster}: {restart.kind} {restart.name}: {', then '.join(restart.pods) or ON_DELETE}"
        for step in made.steps
        for restart in step.restarts
    ]
    return ["", "Pods that restart, in order:", *lines] if lines else []


def _way_back(made: plan.Plan) -> list[str]:
    """Say how the operation would be taken back, before it begins."""
    lines: list[str] = []
    for wave in reversed(made.waves):
        names = [_undo(step) for step in wave if step.action is not plan.Action.KEEP]
        if names:
            lines.append(f"  {len(lines) + 1}. {'; '.join(names)}")
    if not lines:
        return []
    return ["", "The way back, if it is needed (no approval, no bake; ready per cluster):", *lines]


def _undo(step: plan.Step) -> str:
    if step.undo is plan.Action.UNINSTALL:
        stays = f" (stays: {', '.join(step.stays)})" if step.stays else ""
        return f"{step.cluster}: uninstall{stays}"
    points = f" (point of no return: {', '.join(step.no_return)})" if step.no_return else ""
    return f"{step.cluster}: back to revision {step.revision}{points}"


def event_text(event: operation.Event) -> str:
    """Return one line of an operation's story."""
    place = event.cluster or "all"
    return f"{event.at[11:19]}  {place:<12} {event.text}"


def history_text(operations: Sequence[operation.Operation]) -> str:
    """Return one line per operation, newest last."""
    if not operations:
        return "no operation yet"
    rows = [
        (one.id, str(one.plan.intent), one.user, one.started, _how(one), table.shorten(one.reason, 70))
        for one in operations
    ]
    return "\n".join(table.columns(rows, ("OPERATION", "VERB", "BY", "STARTED", "OUTCOME", "WHY")))


def _how(one: operation.Operation) -> str:
    return str(one.outcome) if one.outcome is not None else str(one.phase)


def operation_text(one: operation.Operation) -> str:
    """Return an operation cluster by cluster, forward and back."""
    back = {run.cluster: run for run in one.undo}
    rows = [
        (
            str(run.wave + 1),
            run.cluster,
            f"{run.action} {run.state}",
            str(run.revision or "-"),
            _back_text(back.get(run.cluster)),
            table.shorten(run.message, 60),
        )
        for run in one.runs
    ]
    head = f"Operation {one.id}: {one.plan.intent} by {one.user}, {_how(one)}" + (
        f" ({one.reason})" if one.reason else ""
    )
    return "\n".join(
        [head, *table.columns(rows, ("WAVE", "CLUSTER", "FORWARD", "REVISION", "BACK", "LAST SEEN"))]
    )


def _back_text(run: operation.Run | None) -> str:
    if run is None:
        return "-"
    return f"{run.action} {run.state}" + (f" (as {run.revision})" if run.revision else "")


def status_text(body: Mapping[str, object], clusters: Sequence[Mapping[str, object]]) -> str:
    """Return how the App stands in every cluster."""
    rows = [
        tuple(
            str(one.get(field) or "-")
            for field in ("cluster", "revision", "status", "ready", "modified", "message")
        )
        for one in clusters
    ]
    lines = [f"App {body['namespace']}/{body['app']}"]
    lines.extend(table.columns(rows, ("CLUSTER", "REVISION", "RELEASE", "READY", "CHANGED", "WHAT")))
    return "\n".join(lines)
