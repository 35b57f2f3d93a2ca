"""What people read about a deploy, at 100 columns as in a pipe."""

from __future__ import annotations

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st
from inline_snapshot import snapshot

from isthmus.model import app as apps
from isthmus.render import deploy as render
from isthmus.render import table
from tests.render import stories


def test_a_plan_shows_changes_restarts_and_the_way_back() -> None:
    assert render.plan_text(stories.upgrade()) == snapshot("""\
up data/db: 2 of 3 clusters change, in 2 waves; gates after each wave: ready, bake 120s, approve; on
failure: rollback-all

WAVE  CLUSTER  RELEASE          OBJECT                 CHANGE
1     west     install          + Namespace data       create
                                + StatefulSet db       create
2     east     upgrade 3 → new  ~ StatefulSet db       spec.template.metadata.annotations.version,
                                                       spec.template.spec.containers[0].image, spec.
                                                       template.spec.containers[0].resources.limits.
                                                       memory and 1 more
                                - ConfigMap db-legacy  delete
2     central  keep 7           -                      nothing changes

Pods that restart, in order:
  east  StatefulSet db  db-2, then db-1, then db-0

The way back, when a required cluster or a gate fails (no approval, no bake; ready per cluster):
  1.  east  back to revision 3; point of no return: StatefulSet db: immutable
  2.  west  uninstall; stays: Namespace data, PersistentVolumeClaim data-db-*

Left out, because they do not answer and are not required:
  edge-1  no answer: nothing came back in 10 s from https://192.0.2.7:6443\
""")


def test_a_removal_shows_what_stays() -> None:
    assert render.plan_text(stories.removal()) == snapshot("""\
down data/db: 2 of 2 clusters change, in 2 waves; gates after each wave: none; on failure: hold

WAVE  CLUSTER  RELEASE      OBJECT            CHANGE
1     central  uninstall 7  - StatefulSet db  delete
2     west     uninstall 2  - StatefulSet db  delete

What stays behind, and is yours to delete:
  central  PersistentVolumeClaim data-db-*, ConfigMap precious

The way back, by `isthmus deploy abort`; a failure only holds (no approval, no bake; ready per
cluster):
  1.  west     back to revision 2
  2.  central  back to revision 7\
""")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("rollback-all", "The way back, when a required cluster or a gate fails"),
        ("rollback-failed", "The way back of a cluster that fails; of all by `isthmus deploy abort`"),
        ("hold", "The way back, by `isthmus deploy abort`; a failure only holds"),
    ],
)
def test_a_plan_says_when_the_way_back_is_gone(policy: str, told: str) -> None:
    made = dataclasses.replace(stories.upgrade(), on_failure=apps.OnFailure(policy))

    assert told in render.plan_text(made)


def test_an_operation_shows_each_cluster_forward_and_back() -> None:
    assert render.operation_text(stories.rolled_back()) == snapshot("""\
Operation 20261122-100000-ab12: up by ops, rolled-back
  east: not ready in time: StatefulSet db: 1 of 3 pods updated, 2 of 3 ready
WAVE  CLUSTER  FORWARD          BACK           REVISION  TOOK   LAST SEEN
1     west     upgrade done     rollback done  3         3m10s  -
2     east     upgrade failed   rollback done  3         93s    not ready in time: StatefulSet db: 1
                                                                of 3 pods updated, 2 of 3 ready
2     central  upgrade planned  -              -         -      -\
""")


def test_an_operation_that_waits_says_for_what_and_the_command() -> None:
    assert render.operation_text(stories.waiting()) == snapshot("""\
Operation 20261122-110000-cd34: up by ops, held
  wave 1 waits for approval: isthmus deploy approve db
WAVE  CLUSTER  FORWARD          BACK  REVISION  TOOK  LAST SEEN
1     west     upgrade done     -     2         31s   ready
2     east     upgrade planned  -     -         -     -\
""")


def test_a_story_ends_with_its_events() -> None:
    told = render.story_text(stories.rolled_back()).partition("\n\n")[2]

    assert told == snapshot("""\
10:00:00  all          operation 20261122-100000-ab12 begins
10:00:31  west         ready
10:01:33  all          rolling back every cluster that was touched\
""")


def test_history_is_a_line_for_each_operation_newest_last() -> None:
    assert render.history_text([stories.rolled_back(), stories.waiting()]) == snapshot("""\
OPERATION             VERB  BY   STARTED (UTC)     TOOK   OUTCOME      WHY
20261122-100000-ab12  up    ops  2026-11-22 10:00  3m10s  rolled-back  east: not ready in time:
                                                                       StatefulSet db: 1 of 3 pods
                                                                       updated, 2 of 3 ready
20261122-110000-cd34  up    ops  2026-11-22 10:00  -      held         wave 1 waits for approval:
                                                                       isthmus deploy approve db\
""")
    assert render.history_text([]) == "no operation yet"


def test_status_shows_every_cluster_and_one_that_is_silent() -> None:
    assert render.status_text(stories.status()) == snapshot("""\
App data/db
CLUSTER  REVISION  RELEASE   CHART     READY  CHANGED (UTC)        WHAT
west     2         deployed  db-1.0.0  yes    2026-11-22T10:00:31  -
east     -         unknown   -         -      -                    east: no answer: nothing came
                                                                   back in 10 s
central  2         deployed  db-1.0.0  no     2026-11-22T10:00:31  StatefulSet db: 1 of 3 pods
                                                                   updated, 2 of 3 ready\
""")


def test_status_shows_lock_and_operation() -> None:
    lock = {"holder": "ops on bastion (pid 77, operation 20261122-110000-cd34)", "since": stories.at(0)}
    body = stories.status(lock=lock, operation=stories.waiting().to_json(), clusters=[])

    assert render.status_text(body) == snapshot("""\
App data/db
CLUSTER  REVISION  RELEASE  CHART  READY  CHANGED (UTC)  WHAT

locked by ops on bastion (pid 77, operation 20261122-110000-cd34) since 2026-11-22T10:00:00Z

Operation 20261122-110000-cd34: up by ops, held
  wave 1 waits for approval: isthmus deploy approve db
WAVE  CLUSTER  FORWARD          BACK  REVISION  TOOK  LAST SEEN
1     west     upgrade done     -     2         31s   ready
2     east     upgrade planned  -     -         -     -\
""")


TEXTS = {
    "plan": render.plan_text(stories.upgrade()),
    "removal": render.plan_text(stories.removal()),
    "operation": render.operation_text(stories.rolled_back()),
    "history": render.history_text([stories.rolled_back(), stories.waiting()]),
    "status": render.status_text(stories.status()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_line_is_longer_than_the_pipe_is_wide_nor_ends_in_space(name: str) -> None:
    for line in TEXTS[name].splitlines():
        assert len(line) <= table.WIDTH, line
        assert line == line.rstrip()


words = st.text("ab ", max_size=60)


@hypothesis.given(
    rows=st.lists(st.tuples(words, words, words), min_size=1, max_size=4), width=st.integers(40, 200)
)
def test_columns_start_at_the_same_place_and_lose_no_word(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    lines = table.columns(rows, ("A", "B", "C"), width=width)

    given = [("A", "B", "C"), *rows]
    assert sorted("".join(lines).replace(" ", "")) == sorted("".join(map("".join, given)).replace(" ", ""))
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(("text", "width", "short"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 0, "")])
def test_a_text_that_is_cut_says_so(text: str, width: int, short: str) -> None:
    assert table.shorten(text, width) == short
