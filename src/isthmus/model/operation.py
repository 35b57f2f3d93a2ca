"""An operation: a running or finished plan, as one value that the journal keeps.

A transition returns a new value; nothing here waits, writes or asks the time.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from isthmus.model import plan as plans

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
EVENTS_KEPT = 200


class Phase(StrEnum):
    """Where an operation stands; only `finished` gives the App free."""

    FORWARD = "forward"
    WAITING = "waiting"
    PAUSED = "paused"
    UNDOING = "undoing"
    HELD = "held"
    NEEDS_HUMAN = "needs-human"
    FINISHED = "finished"


class Outcome(StrEnum):
    """How an operation ended."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled-back"
    HELD = "held"
    NEEDS_HUMAN = "needs-human"


class State(StrEnum):
    """Where one step stands."""

    PLANNED = "planned"
    STARTED = "started"
    APPLIED = "applied"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One step's run: state, Helm's revision, times (ISO 8601, UTC), and what was last seen."""

    cluster: str
    wave: int
    action: plans.Action
    state: State = State.PLANNED
    revision: int | None = None
    started: str | None = None
    ended: str | None = None
    message: str = ""
    attempts: int = 0
    helm: str = ""
    more: tuple[tuple[str, int | None], ...] = ()
    """Further releases of the cluster that were written, with Helm's revisions."""

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will be tried without a decision."""
        return self.state in (State.DONE, State.FAILED, State.SKIPPED)

    @property
    def was_tried(self) -> bool:
        """Say whether the cluster may have been changed."""
        return self.attempts > 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Passage:
    """One gate after one wave: when it began to wait and when it opened."""

    wave: int
    gate: str
    started: str
    ended: str | None = None
    by: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the story; `cluster` is empty for the whole."""

    at: str
    text: str
    cluster: str = ""
    wave: int | None = None
    code: str = ""

    def to_json(self) -> Json:
        """Return the public JSON form."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """A plan on its way: runs forward, runs back, gates passed, and its story.

    `worker` names the process that worked on it last, as the lock names its holder.
    """

    id: str
    plan: plans.Plan
    user: str
    started: str
    worker: str = ""
    phase: Phase = Phase.FORWARD
    outcome: Outcome | None = None
    reason: str = ""
    ended: str | None = None
    runs: tuple[Run, ...] = ()
    undo: tuple[Run, ...] = ()
    passages: tuple[Passage, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Say whether the App is free for another operation."""
        return self.phase is Phase.FINISHED

    @property
    def is_closed(self) -> bool:
        """Say whether somebody gave the App free although a cluster could not be taken back."""
        return self.is_finished and self.outcome is Outcome.NEEDS_HUMAN

    @property
    def is_at_work(self) -> bool:
        """Say whether a process was writing when the journal was last written; else it rests."""
        return self.phase in {Phase.FORWARD, Phase.UNDOING}

    def run(self, cluster: str) -> Run:
        """Return the forward run of a cluster."""
        return next(run for run in self.runs if run.cluster == cluster)

    def undo_run(self, cluster: str) -> Run:
        """Return the backward run of a cluster."""
        return next(run for run in self.undo if run.cluster == cluster)

    def revision(self, step: plans.Step, one: plans.Step) -> int | None:
        """Return Helm's revision of one release of a step as it was written; None where it was kept."""
        run = self.run(step.cluster)
        return run.revision if one is step else dict(run.more).get(one.release)

    def with_run(self, cluster: str, **fields: Any) -> Operation:
        """Return the operation with a forward run changed."""
        return dataclasses.replace(self, runs=_changed(self.runs, cluster, fields))

    def with_undo(self, cluster: str, **fields: Any) -> Operation:
        """Return the operation with a backward run changed."""
        return dataclasses.replace(self, undo=_changed(self.undo, cluster, fields))

    def with_event(self, event: Event) -> Operation:
        """Return the operation with one more line of its story; the oldest fall off."""
        return dataclasses.replace(self, events=(*self.events, event)[-EVENTS_KEPT:])

    def passage(self, wave: int, gate: str) -> Passage | None:
        """Return how a gate after a wave stands."""
        return next((one for one in self.passages if (one.wave, one.gate) == (wave, gate)), None)

    def with_passage(self, passage: Passage) -> Operation:
        """Return the operation with a gate begun or passed."""
        others = tuple(one for one in self.passages if (one.wave, one.gate) != (passage.wave, passage.gate))
        return dataclasses.replace(self, passages=(*others, passage))

    def to_json(self) -> Json:
        """Return the journal's form, which is also what `deploy history -o json` shows."""
        flat = ("runs", "undo", "passages", "events")
        body = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        body |= {name: [dict(vars(one)) for one in body[name]] for name in flat}
        body["plan"] = self.plan.to_json()
        return body

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Operation:
        """Read the journal's form."""
        return Operation(
            id=body["id"],
            plan=plans.Plan.from_json(body["plan"]),
            user=body["user"],
            started=body["started"],
            worker=str(body.get("worker", "")),
            phase=Phase(body["phase"]),
            outcome=Outcome(body["outcome"]) if body["outcome"] else None,
            reason=body["reason"],
            ended=body["ended"],
            runs=tuple(_run(run) for run in body["runs"]),
            undo=tuple(_run(run) for run in body["undo"]),
            passages=tuple(Passage(**passage) for passage in body["passages"]),
            events=tuple(Event(**event) for event in body["events"]),
        )


def begin(plan: plans.Plan, *, identity: str, user: str, now: str, worker: str = "") -> Operation:
    """Return a new operation with every step planned."""
    runs = tuple(
        Run(cluster=step.cluster, wave=number, action=step.first.action)
        for number, wave in enumerate(plan.waves)
        for step in wave
    )
    return Operation(id=identity, plan=plan, user=user, started=now, worker=worker, runs=runs)


def retried(current: Operation) -> Operation:
    """Return a held operation as it is tried again.

    Runs that failed or were taken back are planned anew, and a gate that did not open waits anew.
    """
    again = {run.cluster for run in current.runs if run.state is State.FAILED}
    again |= {run.cluster for run in current.undo}
    runs = tuple(_anew(run) if run.cluster in again else run for run in current.runs)
    passages = tuple(one for one in current.passages if one.ended is not None)
    return dataclasses.replace(
        current, phase=Phase.FORWARD, outcome=None, reason="", runs=runs, undo=(), passages=passages
    )


def _anew(run: Run) -> Run:
    return dataclasses.replace(
        run, state=State.PLANNED, revision=None, ended=None, message="", helm="", more=()
    )


def _changed(runs: tuple[Run, ...], cluster: str, fields: Mapping[str, Any]) -> tuple[Run, ...]:
    return tuple(dataclasses.replace(run, **fields) if run.cluster == cluster else run for run in runs)


def _run(body: Mapping[str, Any]) -> Run:
    more = tuple((str(release), revision) for release, revision in body.get("more") or ())
    known = {"action": plans.Action(body["action"]), "state": State(body["state"]), "more": more}
    return Run(**{**body, **known})
