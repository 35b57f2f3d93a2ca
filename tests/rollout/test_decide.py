"""What to do next in a running operation."""

from __future__ import annotations

import dataclasses
import itertools

import hypothesis
import pytest
from hypothesis import strategies as st

from isthmus.model import app as apps
from isthmus.model import operation, plan
from isthmus.rollout import decide
from tests.rollout import worlds

OVER = ("done", "failed", "skipped")


@pytest.mark.parametrize("policy", list(apps.OnFailure))
@pytest.mark.parametrize(("west", "east"), list(itertools.product(OVER, OVER)))
@pytest.mark.parametrize(("one", "other"), list(itertools.product(apps.Membership, apps.Membership)))
def test_only_a_required_cluster_that_failed_stops_a_wave(
    policy: apps.OnFailure, west: str, east: str, one: apps.Membership, other: apps.Membership
) -> None:
    made = worlds.made(
        [worlds.step("west", membership=one), worlds.step("east", membership=other)], on_failure=policy
    )
    pairs = [("west", west, one), ("east", east, other)]
    failed = tuple(name for name, state, _ in pairs if state == "failed")
    required = tuple(name for name, state, rank in pairs if state == "failed" and rank == "required")

    decision = decide.after_wave(worlds.running(made, west=west, east=east), 0)

    reason = "; ".join(f"{name}: failed" for name in required)
    expected: dict[str, decide.Decision] = {
        "rollback-all": decide.Undo(reason),
        "rollback-failed": decide.Hold(reason, undo=required),
        "hold": decide.Hold(reason),
    }
    assert decision == (expected[policy] if required else decide.Go(leave=failed))


@pytest.mark.parametrize(
    ("west", "east", "undone", "expected"),
    [
        ("done", "done", "planned", "succeeded"),
        ("done", "failed", "done", "succeeded"),
        ("done", "failed", "failed", "succeeded"),
        ("skipped", "skipped", "planned", "succeeded"),  # as a person wanted it
        ("failed", "failed", "done", "rolled-back"),
        ("failed", "skipped", "done", "rolled-back"),
        ("failed", "failed", "failed", "needs-human"),
    ],
)
def test_an_operation_that_has_reached_no_cluster_has_not_succeeded(
    west: str, east: str, undone: str, expected: str
) -> None:
    ranks = {"membership": apps.Membership.OPTIONAL}
    made = worlds.made([worlds.step("west", **ranks), worlds.step("east", **ranks)])
    current = worlds.running(made, west=west, east=east)
    left = tuple(run.cluster for run in current.runs if run.state == "failed")
    back = tuple(
        dataclasses.replace(run, state=operation.State(undone)) for run in decide.undo_runs(current, left)
    )

    assert decide.ending(dataclasses.replace(current, undo=back)) == expected


steps = st.sampled_from(["install", "upgrade", "rollback", "uninstall", "keep"])
states = st.sampled_from([state.value for state in operation.State])


@st.composite
def operations(draw: st.DrawFn) -> operation.Operation:
    names = ["a", "b", "c", "d", "e"]
    cuts = sorted(draw(st.sets(st.integers(1, 4), max_size=3)))
    waves = [names[i:j] for i, j in itertools.pairwise([0, *cuts, 5])]
    made = worlds.made(*[[worlds.step(name, draw(steps)) for name in wave] for wave in waves])
    return worlds.running(made, **{name: draw(states) for name in names})


@hypothesis.given(current=operations(), only=st.none() | st.sets(st.sampled_from("abcde")))
def test_the_way_back_is_the_way_forward_reversed_and_kept_to_what_was_touched(
    current: operation.Operation, only: set[str] | None
) -> None:
    order = decide.undo_order(current, None if only is None else tuple(only))

    touched = {
        step.cluster
        for step in current.plan.steps
        if current.run(step.cluster).state != "planned"
        and step.action != "keep"
        and (only is None or step.cluster in only)
    }
    forward = [tuple(s.cluster for s in wave if s.cluster in touched) for wave in current.plan.waves]
    assert order == tuple(wave for wave in reversed(forward) if wave)


@hypothesis.given(current=operations(), finished=st.sets(st.sampled_from("abcde")))
def test_a_second_way_back_keeps_what_the_first_has_done(
    current: operation.Operation, finished: set[str]
) -> None:
    first = operation.Operation(**{**vars(current), "undo": decide.undo_runs(current)})
    for name in finished & {run.cluster for run in first.undo}:
        first = first.with_undo(name, state=operation.State.DONE, message="back")

    again = decide.undo_runs(first)

    assert {run.cluster for run in again} == {run.cluster for run in first.undo}
    assert len(again) == len({run.cluster for run in again})
    for run in again:
        assert (run.state == "done") is (run.cluster in finished)
        assert run.wave == current.run(run.cluster).wave
        assert run.action == current.plan.step(run.cluster).undo


def test_an_install_is_taken_out_and_an_upgrade_goes_back() -> None:
    made = worlds.made(
        [worlds.step("west", "install")], [worlds.step("east")], [worlds.step("central", "keep")]
    )

    undo = decide.undo_runs(worlds.running(made, west="done", east="failed", central="done"))

    assert [(run.cluster, run.action) for run in undo] == [
        ("east", plan.Action.ROLLBACK),
        ("west", plan.Action.UNINSTALL),
    ]


def test_who_did_not_come_along_is_left_behind() -> None:
    made = worlds.made([worlds.step("west"), worlds.step("east")], left_out=(("central", "no answer"),))

    assert decide.left_behind(worlds.running(made, west="skipped", east="done")) == ("central", "west")


def test_what_was_taken_back_is_tried_again_and_a_shut_gate_waits_anew() -> None:
    made = worlds.made([worlds.step("west"), worlds.step("east")], [worlds.step("central")])
    held = worlds.running(made, west="done", east="failed")
    held = operation.Operation(
        **{
            **vars(held),
            "phase": operation.Phase.HELD,
            "outcome": operation.Outcome.HELD,
            "reason": "east: failed",
            "undo": decide.undo_runs(held),
            "passages": (
                operation.Passage(wave=0, gate="ready", started="t", ended="t"),
                operation.Passage(wave=0, gate="bake 5s", started="t"),
            ),
        }
    )

    again = operation.retried(held)

    assert (again.phase, again.outcome, again.reason, again.undo) == ("forward", None, "", ())
    assert [(run.cluster, run.state, run.attempts) for run in again.runs] == [
        ("west", "planned", 1),
        ("east", "planned", 1),
        ("central", "planned", 0),
    ]
    assert [passage.gate for passage in again.passages] == ["ready"]
