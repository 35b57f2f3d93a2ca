"""Plans and operations whose texts are looked at."""

from __future__ import annotations

import dataclasses
from typing import Any

from isthmus.model import app as apps
from isthmus.model import operation, plan
from tests.rollout import worlds

CREATED = (
    plan.Change(verb=plan.Verb.CREATE, kind="Namespace", namespace=None, name="data"),
    plan.Change(verb=plan.Verb.CREATE, kind="StatefulSet", namespace="data", name="db"),
)
CHANGED = (
    plan.Change(
        verb=plan.Verb.UPDATE,
        kind="StatefulSet",
        namespace="data",
        name="db",
        fields=(
            "spec.template.metadata.annotations.version",
            "spec.template.spec.containers[0].image",
            "spec.template.spec.containers[0].resources.limits.memory",
            "spec.updateStrategy.rollingUpdate.partition",
        ),
    ),
    plan.Change(verb=plan.Verb.DELETE, kind="ConfigMap", namespace="data", name="db-legacy"),
)
RESTART = plan.Restart(kind="StatefulSet", name="db", pods=("db-2", "db-1", "db-0"))
CLAIM = "PersistentVolumeClaim data-db-*"


def upgrade() -> plan.Plan:
    """Install one, upgrade one with a point of no return, keep one, leave one out."""
    return worlds.made(
        [worlds.step("west", "install", changes=CREATED, stays=("Namespace data", CLAIM))],
        [
            worlds.step(
                "east",
                revision=3,
                changes=CHANGED,
                restarts=(RESTART,),
                no_return=("StatefulSet db: immutable",),
            ),
            worlds.step("central", "keep", revision=7),
        ],
        gates=(plan.Gate(type="ready"), plan.Gate(type="bake", seconds=120), plan.Gate(type="approve")),
        left_out=(("edge-1", "no answer: nothing came back in 10 s from https://192.0.2.7:6443"),),
    )


def removal() -> plan.Plan:
    """Take out two clusters."""
    gone = (plan.Change(verb=plan.Verb.DELETE, kind="StatefulSet", namespace="data", name="db"),)
    return worlds.made(
        [worlds.step("central", "uninstall", revision=7, changes=gone, stays=(CLAIM, "ConfigMap precious"))],
        [worlds.step("west", "uninstall", revision=2, changes=gone)],
        intent=plan.Intent.DOWN,
        gates=(),
        on_failure=apps.OnFailure.HOLD,
    )


def at(seconds: int) -> str:
    """A moment after the beginning."""
    return f"2026-11-22T10:{seconds // 60:02}:{seconds % 60:02}Z"


WHY = "east: not ready in time: StatefulSet db: 1 of 3 pods updated, 2 of 3 ready"


def rolled_back() -> operation.Operation:
    """Forward until east failed, then back."""
    done, failed = operation.State.DONE, operation.State.FAILED
    current = worlds.running(
        worlds.made([worlds.step("west")], [worlds.step("east"), worlds.step("central")])
    )
    current = current.with_run(
        "west", state=done, revision=2, started=at(0), ended=at(31), message="ready", attempts=1
    )
    current = current.with_run("east", state=failed, revision=2, started=at(32), ended=at(92), attempts=1,
                               message=WHY.removeprefix("east: "))  # fmt: skip
    back = plan.Action.ROLLBACK
    undo = (
        operation.Run(cluster="east", wave=1, action=back, state=done, revision=3, started=at(93),
                      ended=at(125), message="back and ready"),
        operation.Run(cluster="west", wave=0, action=back, state=done, revision=3, started=at(126),
                      ended=at(190), message="back and ready"),
    )  # fmt: skip
    return dataclasses.replace(
        current,
        undo=undo,
        phase=operation.Phase.FINISHED,
        outcome=operation.Outcome.ROLLED_BACK,
        reason=WHY,
        ended=at(190),
        events=(
            operation.Event(at=at(0), text="operation 20261122-100000-ab12 begins", code="begin"),
            operation.Event(at=at(31), text="ready", cluster="west", wave=0, code="done"),
            operation.Event(at=at(93), text="rolling back every cluster that was touched", code="undo"),
        ),
    )


def waiting() -> operation.Operation:
    """After its first wave, before somebody approves."""
    current = worlds.running(worlds.made([worlds.step("west")], [worlds.step("east")]))
    current = current.with_run(
        "west",
        state=operation.State.DONE,
        revision=2,
        started=at(0),
        ended=at(31),
        message="ready",
        attempts=1,
    )
    return dataclasses.replace(
        current,
        id="20261122-110000-cd34",
        phase=operation.Phase.WAITING,
        outcome=operation.Outcome.HELD,
        reason="wave 1 waits for approval: isthmus deploy approve db",
    )


def status(**fields: Any) -> dict[str, Any]:
    """The public form of `deploy status`."""

    def row(cluster: str, **own: Any) -> dict[str, Any]:
        return {
            "cluster": cluster, "revision": 2, "status": "deployed", "chart": "db-1.0.0", "ready": "yes",
            "modified": "2026-11-22T10:00:31", "message": "", "error": None, "certificates": [], **own,
        }  # fmt: skip

    silent = "east: no answer: nothing came back in 10 s"
    missing = dict.fromkeys(("revision", "chart", "ready", "modified"))
    return {
        "app": "db", "namespace": "data", "operation": None, "lock": None, "error": None,
        "clusters": [
            row("west"),
            row("east", **missing, status="unknown", message=silent, error=silent),
            row("central", ready="no", message="StatefulSet db: 1 of 3 pods updated, 2 of 3 ready"),
        ],
        **fields,
    }  # fmt: skip
