"""The live view: as a value, and as it is drawn at 80 columns."""

from __future__ import annotations

import io

from inline_snapshot import snapshot
from rich import console

from isthmus.cli import progress
from isthmus.model import operation
from isthmus.render import board
from tests.render import stories
from tests.rollout import worlds

LONG = "StatefulSet db: 1 of 3 pods updated, 2 of 3 ready (and 4 more)"


def event(cluster: str, text: str, code: str = "step") -> operation.Event:
    return operation.Event(at=stories.at(0), text=text, cluster=cluster, code=code)


def rows(seen: board.Board) -> list[tuple[str, str, str, str]]:
    return [(row.cluster, row.state, row.waits, row.mark.value) for row in seen.rows]


def test_each_event_changes_the_row_of_its_cluster() -> None:
    seen = board.begin(stories.upgrade())
    for number, told in enumerate([
        event("", "operation begins", "begin"),
        event("west", "install db"),
        event("west", "revision 1 applied"),
        event("west", LONG, "wait"),
        event("east", "failed: not ready in time: db", "failed"),
        event("central", "nothing to change", "done"),
    ]):  # fmt: skip
        seen = seen.heard(told, now=float(number))

    assert seen.headline == "operation begins"
    assert rows(seen) == [
        ("west", "revision 1 applied", LONG, "working"),
        ("east", "failed", "not ready in time: db", "bad"),
        ("central", "nothing to change", "", "good"),
    ]
    assert [row.elapsed(65.0) for row in seen.rows] == ["1m04s", "0s", "0s"]


def test_the_way_back_starts_the_time_of_a_cluster_anew() -> None:
    seen = board.begin(stories.upgrade())
    for now, told in [
        (0.0, event("west", "install db")),
        (30.0, event("west", "ready", "done")),
        (90.0, event("west", "taking the release out")),
    ]:
        seen = seen.heard(told, now=now)

    assert seen.rows[0].elapsed(95.0) == "5s"
    assert rows(seen)[0] == ("west", "taking the release out", "", "working")


def test_many_clusters_show_those_at_work_and_count_the_rest() -> None:
    names = [f"c{number:02}" for number in range(40)]
    seen = board.begin(worlds.made([worlds.step(name) for name in names]))
    for name in names[:5]:
        seen = seen.heard(event(name, "ready", "done"), now=1.0)
    seen = seen.heard(event("c30", "upgrade db"), now=1.0).heard(
        event("c20", "failed: no", "failed"), now=1.0
    )

    shown, more = seen.visible(6)

    assert ([row.cluster for row in shown], more) == (["c05", "c06", "c07", "c20", "c30"], 35)
    assert seen.visible(40) == (seen.rows, 0)


def drawn(view: progress.Live, *, width: int = 80, height: int = 24) -> str:
    out = io.StringIO()
    console.Console(file=out, width=width, height=height, force_terminal=False, legacy_windows=False).print(
        view
    )
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_the_view_fits_eighty_columns_and_keeps_its_height() -> None:
    now = [0.0]
    view = progress.Live(stories.upgrade(), now=lambda: now[0])
    before = drawn(view)
    view(event("", "rolling back every cluster that was touched: " + LONG, "undo"))
    view(event("west", "install db"))
    view(event("west", "revision 1 applied"))
    view(event("west", LONG, "wait"))
    view(event("central", "nothing to change", "done"))
    now[0] = 12.0

    after = drawn(view)

    assert after == snapshot("""\
rolling back every cluster that was touched: StatefulSet db: 1 of 3 pods update…
WAVE  CLUSTER     TIME  LAST STEP           WAITS FOR
1     west         12s  revision 1 applied  StatefulSet db: 1 of 3 pods updat…
2     east              planned
2     central       0s  nothing to change\
""")
    assert len(before.splitlines()) == len(after.splitlines())
    assert max(len(line) for line in after.splitlines()) <= 80


def test_the_view_is_never_higher_than_the_terminal_until_it_is_over() -> None:
    names = [f"c{number:02}" for number in range(40)]
    view = progress.Live(worlds.made([worlds.step(name) for name in names]))

    moving = drawn(view, height=12)
    view.is_over = True
    final = drawn(view, height=12)

    assert len(moving.splitlines()) < 12
    assert "and 33 more" in moving
    assert all(name in final for name in names)
