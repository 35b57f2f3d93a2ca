"""Plans and operations as the journal and saved files keep them."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from isthmus.model import finding, operation, plan
from tests.rollout import worlds

text = st.text(max_size=5)


def strategy(wanted: type[Any], fixed: Any = None) -> Any:
    """Any value of one of our dataclasses, field by field."""
    hints, known = typing.get_type_hints(wanted), dict(fixed or {})
    open_ones = [field.name for field in dataclasses.fields(wanted) if field.name not in known]
    return st.builds(wanted, **{name: of(hints[name]) for name in open_ones}, **known)


def of(hint: Any) -> Any:
    """Any value of a type that plans and operations use."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return (
            st.lists(of(inner[0]), max_size=2).map(tuple) if inner[-1] is ... else st.tuples(*map(of, inner))
        )
    if origin in {types.UnionType, typing.Union}:
        return st.one_of(*map(of, inner))
    if hint is plan.Step:  # further releases have none themselves
        alone = strategy(plan.Step, {"more": st.just(())})
        return strategy(plan.Step, {"more": st.lists(alone, max_size=2).map(tuple)})
    if dataclasses.is_dataclass(hint):
        return strategy(typing.cast("type[Any]", hint))
    plain = {float: st.floats(0, 1e6), str: text}
    return plain[hint] if hint in plain else st.from_type(hint)


pairs = st.dictionaries(text, text, max_size=2).map(lambda found: tuple(found.items()))
plans = strategy(plan.Plan, {"voters": pairs, "left_out": pairs})
operations = strategy(operation.Operation, {"plan": plans})
few = hypothesis.settings(max_examples=40, suppress_health_check=list(hypothesis.HealthCheck), deadline=None)


@few
@hypothesis.given(made=plans)
def test_a_plan_comes_back_from_json_as_it_went(made: plan.Plan) -> None:
    back = plan.Plan.from_json(json.loads(json.dumps(made.to_json())))

    assert back == made
    assert back.digest == made.digest


@few
@hypothesis.given(current=operations)
def test_an_operation_comes_back_from_json_as_it_went(current: operation.Operation) -> None:
    assert operation.Operation.from_json(json.loads(json.dumps(current.to_json()))) == current


POD = plan.Change(verb=plan.Verb.CREATE, kind="Pod", namespace=None, name="p")
MADE = worlds.made([worlds.step("west", bundle="b", changes=(POD,))])
SAID = finding.Finding(code="c", severity=finding.Severity.INFO, message="m", remedy="r")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (dataclasses.replace(MADE, findings=(SAID,)), True),
        (dataclasses.replace(MADE, timeout=1.0), False),
        (dataclasses.replace(MADE, waves=((dataclasses.replace(MADE.steps[0], bundle="c"),),)), False),
        (dataclasses.replace(MADE, waves=((dataclasses.replace(MADE.steps[0], revision=2),),)), False),
    ],
)
def test_the_digest_tells_plans_apart_by_what_would_be_run(other: plan.Plan, same: bool) -> None:
    assert (other.digest == MADE.digest) is same


def test_the_story_keeps_its_last_lines() -> None:
    current = worlds.running(MADE)
    for number in range(operation.EVENTS_KEPT + 5):
        current = current.with_event(operation.Event(at="t", text=str(number)))

    assert len(current.events) == operation.EVENTS_KEPT
    assert current.events[-1].text == str(operation.EVENTS_KEPT + 4)


@pytest.mark.parametrize(
    ("phase", "outcome", "is_finished", "is_closed", "is_at_work"),
    [
        ("forward", None, False, False, True),
        ("undoing", None, False, False, True),
        ("waiting", "held", False, False, False),
        ("needs-human", "needs-human", False, False, False),
        ("finished", "needs-human", True, True, False),
        ("finished", "rolled-back", True, False, False),
    ],
)
def test_an_operation_says_where_it_stands(
    phase: str, outcome: str | None, is_finished: bool, is_closed: bool, is_at_work: bool
) -> None:
    current = dataclasses.replace(
        worlds.running(MADE),
        phase=operation.Phase(phase),
        outcome=operation.Outcome(outcome) if outcome else None,
    )

    assert (current.is_finished, current.is_closed, current.is_at_work) == (
        is_finished,
        is_closed,
        is_at_work,
    )
