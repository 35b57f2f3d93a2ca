"""Deploy plans, status and history as text for people; times are UTC, as in the journal."""

from __future__ import annotations

import collections
import datetime as dt
from typing import TYPE_CHECKING, Any

from isthmus.model import app as apps
from isthmus.model import operation, plan
from isthmus.render import certificates, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIGN = {plan.Verb.CREATE: "+", plan.Verb.UPDATE: "~", plan.Verb.DELETE: "-"}
FIELDS = 3
"""Changed fields named per object; `-o json` has all of them."""
MANY = 5
"""Objects of one kind that are named one by one."""
WHEN = {
    apps.OnFailure.ROLLBACK_ALL: "The way back, when a required cluster or a gate fails",
    apps.OnFailure.ROLLBACK_FAILED: "The way back of a cluster that fails; of all by `{abort}`",
    apps.OnFailure.HOLD: "The way back, by `{abort}`; a failure only holds",
}


def plan_text(made: plan.Plan, *, width: int = table.WIDTH) -> str:
    """Return the whole preview: what changes where, what restarts in which order, and the way back."""
    rows = [
        row for number, wave in enumerate(made.waves) for step in wave for row in _step_rows(number, step)
    ]
    lines = [*table.wrapped(_head(made), width=width), ""]
    lines.extend(table.columns(rows, ("WAVE", "CLUSTER", "RELEASE", "OBJECT", "CHANGE"), width=width))
    lines.extend(_restarts(made, width))
    lines.extend(_stays(made, width))
    lines.extend(_at_the_end(made, width))
    lines.extend(_way_back(made, width))
    if made.left_out:
        lines.extend(["", "Left out, because they do not answer and are not required:"])
        lines.extend(table.columns([(f"  {name}", why) for name, why in made.left_out], width=width))
    return "\n".join(lines)


def _head(made: plan.Plan) -> str:
    gates = ", ".join(str(gate) for gate in made.gates) or "none"
    clusters, waves = len(made.steps), len(made.waves)
    changing = sum(not step.is_kept for step in made.steps)
    return (
        f"{made.intent} {made.namespace}/{made.app}: {changing} of {clusters} {_plural(clusters, 'cluster')} "
        f"change, in {waves} {_plural(waves, 'wave')}; gates after each wave: {gates}; "
        f"on failure: {made.on_failure}"
    )


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


def _step_rows(number: int, step: plan.Step) -> list[tuple[str, str, str, str, str]]:
    """Return the rows of a cluster; with several releases each is named."""
    place, rows = (str(number + 1), step.cluster), list[tuple[str, str, str, str, str]]()
    for one in step.releases:
        head = (*place, f"{one.release}: {_action(one)}" if step.more else _action(one))
        place = ("", "")
        if not one.changes:
            rows.append((*head, "-", _nothing(one)))
            continue
        rows.append((*head, *_change(one.changes[0])))
        rows.extend(("", "", "", *_change(change)) for change in one.changes[1:])
    return rows


def _nothing(step: plan.Step) -> str:
    if step.action is not plan.Action.KEEP:
        return "no object changes"
    return f"nothing changes; waits for {step.waits}" if step.waits else "nothing changes"


def _action(step: plan.Step) -> str:
    if step.action is plan.Action.KEEP:
        return f"keep {step.revision}" if step.revision else "keep"
    if step.action is plan.Action.INSTALL:
        return "install"
    if step.action is plan.Action.UNINSTALL:
        return f"uninstall {step.revision or ''}".strip()
    goal = f"to {step.target}" if step.target else f"{step.revision} → new"
    return f"{step.action} {goal}".strip()


def _change(change: plan.Change) -> tuple[str, str]:
    label = f"{SIGN[change.verb]} {change.kind} {change.name}"
    if change.verb is not plan.Verb.UPDATE:
        return label, change.verb.value
    more = len(change.fields) - FIELDS
    return label, ", ".join(change.fields[:FIELDS]) + (f" and {more} more" if more > 0 else "")


def _restarts(made: plan.Plan, width: int) -> list[str]:
    rows = [
        (f"  {step.cluster}", f"{restart.kind} {restart.name}", _order(restart))
        for step in made.steps
        for one in step.releases
        for restart in one.restarts
    ]
    return ["", "Pods that restart, in order:", *table.columns(rows, width=width)] if rows else []


def _order(restart: plan.Restart) -> str:
    return ", then ".join(restart.pods) or "when its pods are deleted"


def _stays(made: plan.Plan, width: int) -> list[str]:
    rows = [
        (f"  {step.cluster}", _listed(one.stays))
        for step in made.steps
        for one in step.releases
        if one.action is plan.Action.UNINSTALL and one.stays
    ]
    return (
        ["", "What stays behind, and is yours to delete:", *table.columns(rows, width=width)] if rows else []
    )


def _at_the_end(made: plan.Plan, width: int) -> list[str]:
    rows = [(f"  {each.cluster}", str(each)) for each in made.closings]
    return ["", "At the end, when every wave stands:", *table.columns(rows, width=width)] if rows else []


def _way_back(made: plan.Plan, width: int) -> list[str]:
    """Say how the operation would be taken back, before it begins."""
    waves = [[step for step in wave if not step.is_kept] for wave in reversed(made.waves)]
    rows = [
        (f"  {number}." if place == 0 else "", step.cluster, _undo(step))
        for number, wave in enumerate((wave for wave in waves if wave), start=1)
        for place, step in enumerate(wave)
    ]
    if not rows:
        return []
    abort = made.command("abort").removesuffix(f" {made.app}")
    head = f"{WHEN[made.on_failure].format(abort=abort)} (no approval, no bake; ready per cluster):"
    return ["", *table.wrapped(head, width=width), *table.columns(rows, width=width)]


def _undo(step: plan.Step) -> str:
    changing = [one for one in reversed(step.releases) if one.action is not plan.Action.KEEP]
    if step.more:
        return ", then ".join(f"{one.release}: {_undo_one(one)}" for one in changing)
    return _undo_one(step)


def _undo_one(step: plan.Step) -> str:
    if step.undo is plan.Action.UNINSTALL:
        return "uninstall" + (f"; stays: {_listed(step.stays)}" if step.stays else "")
    points = f"; point of no return: {', '.join(step.no_return)}" if step.no_return else ""
    return f"back to revision {step.revision}{points}"


def _listed(stays: Sequence[str]) -> str:
    """Return what stays, where there are many of one kind their number; `-o json` has all of them."""
    kinds = collections.Counter(each.partition(" ")[0] for each in stays)
    many = {kind: count for kind, count in kinds.items() if count > MANY}
    few = [each for each in stays if each.partition(" ")[0] not in many]
    return ", ".join([*few, *(f"{count} objects of kind {kind}" for kind, count in many.items())])


def event_text(event: operation.Event) -> str:
    """Return one line of an operation's story."""
    place = event.cluster or "all"
    return f"{event.at[11:19]}  {place:<12} {event.text}"


def history_text(operations: Sequence[operation.Operation], *, width: int = table.WIDTH) -> str:
    """Return one line per operation, newest last."""
    if not operations:
        return "no operation yet"
    rows = [
        (
            one.id,
            str(one.plan.intent),
            table.shorten(one.user, 16),
            f"{one.started[:10]} {one.started[11:16]}",
            _took(one.started, one.ended),
            how(one),
            table.shorten(one.reason, 4 * table.LEAST),
        )
        for one in operations
    ]
    header = ("OPERATION", "VERB", "BY", "STARTED (UTC)", "TOOK", "OUTCOME", "WHY")
    return "\n".join(table.columns(rows, header, width=width))


def how(one: operation.Operation) -> str:
    """Return how an operation ended, or where it stands."""
    return str(one.outcome) if one.outcome is not None else str(one.phase)


def operation_text(one: operation.Operation, *, width: int = table.WIDTH) -> str:
    """Return an operation cluster by cluster, forward and back."""
    back = {run.cluster: run for run in one.undo}
    rows = [_run_row(run, back.get(run.cluster)) for run in one.runs]
    lines = [f"Operation {one.id}: {one.plan.intent} by {one.user}, {how(one)}"]
    if one.reason:
        lines.extend(table.wrapped(one.reason, indent="  ", width=width))
    header = ("WAVE", "CLUSTER", "FORWARD", "BACK", "REVISION", "TOOK", "LAST SEEN")
    return "\n".join([*lines, *table.columns(rows, header, width=width)])


def story_text(one: operation.Operation, *, width: int = table.WIDTH) -> str:
    """Return an operation with every line of its story."""
    return "\n".join([operation_text(one, width=width), "", *(event_text(event) for event in one.events)])


def _run_row(run: operation.Run, back: operation.Run | None) -> tuple[str, ...]:
    last = back if back is not None and back.state is not operation.State.PLANNED else run
    return (
        str(run.wave + 1),
        run.cluster,
        f"{run.action} {run.state}",
        f"{back.action} {back.state}" if back is not None else "-",
        str(last.revision or "-"),
        _took(run.started, last.ended),
        _message(run, back) or "-",
    )


def _message(run: operation.Run, back: operation.Run | None) -> str:
    """Say what went wrong forward, and what is to know of the way back; all well is not worth a word."""
    if back is None:
        return run.message
    forward = "" if run.state is operation.State.DONE else run.message
    backward = "" if back.state is operation.State.DONE and back.revision is not None else back.message
    return "; then ".join(text for text in (forward, backward) if text)


def _took(started: str | None, ended: str | None) -> str:
    if not started or not ended:
        return "-"
    seconds = int((_moment(ended) - _moment(started)).total_seconds())
    return f"{seconds}s" if seconds < 120 else f"{seconds // 60}m{seconds % 60:02}s"


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def status_text(body: Mapping[str, Any], *, width: int = table.WIDTH) -> str:
    """Return how the App stands in every cluster, who holds the lock, and what is unfinished."""
    fields = ("cluster", "revision", "status", "chart", "ready", "modified", "message")
    rows = [tuple(str(one.get(field) or "-") for field in fields) for one in body["clusters"]]
    header = ("CLUSTER", "REVISION", "RELEASE", "CHART", "READY", "CHANGED (UTC)", "WHAT")
    lines = [f"App {body['namespace']}/{body['app']}", *table.columns(rows, header, width=width)]
    held = [row for one in body["clusters"] for row in certificates.rows(one)]
    if held:
        lines += ["", *table.columns(held, certificates.HEADER, width=width)]
    if body["error"]:
        lines.extend(["", *table.wrapped(f"no majority of voters answers: {body['error']}", width=width)])
    if body["lock"]:
        lock = body["lock"]
        lines.extend(["", *table.wrapped(f"locked by {lock['holder']} since {lock['since']}", width=width)])
    if body["operation"]:
        current = operation.Operation.from_json(body["operation"])
        lines.extend(["", operation_text(current, width=width)])
    return "\n".join(lines)
