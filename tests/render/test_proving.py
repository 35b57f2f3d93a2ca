"""The live view of `connect verify`: as a value, and as it is drawn on terminals large and small."""

from __future__ import annotations

import io

from rich import console

from isthmus.cli import proving as drawing
from isthmus.render import proving
from isthmus.rollout.connect.proof import judge, news, questions

Leg = questions.Leg
State = judge.State
CLUSTERS = ("west", "east")
TCP = questions.Question(source="west", leg=Leg.POD_TCP, targets=("east",))
UDP = questions.Question(source="west", leg=Leg.POD_UDP, targets=("east",))
SHARED = questions.Question(source="east", leg=Leg.SERVICE_LOCAL, targets=CLUSTERS)
ASKED = (TCP, UDP, SHARED)


def _begun(asked: questions.Question) -> news.News:
    return news.News(phase=news.Phase.ASK, question=asked)


def _known(asked: questions.Question, state: State) -> news.News:
    proof = judge.Proof(leg=asked.leg, state=state)
    return news.News(phase=news.Phase.ASK, question=asked, proofs=dict.fromkeys(asked.targets, proof))


def _board(*heard: news.News) -> proving.Board:
    made = proving.Board(CLUSTERS, ASKED)
    for each in heard:
        made.heard(each)
    return made


def test_a_way_counts_its_legs_until_all_are_known() -> None:
    assert _board().cell("west", "east") == ("0/2", None)
    assert _board(_known(TCP, State.OK)).cell("west", "east") == ("1/2", None)
    assert _board(_known(TCP, State.FAILED)).cell("west", "east") == ("FAILED 1/2", State.FAILED)
    known = _board(_known(TCP, State.OK), _known(UDP, State.NOT_PROVED), _known(SHARED, State.OK))
    assert known.cell("west", "east") == ("not proved", State.NOT_PROVED)
    assert known.cell("east", "west") == ("ok", State.OK)
    assert known.progress == (4, 4)


def test_what_is_asked_once_more_is_as_good_as_its_last_answer() -> None:
    seen = _board(_known(TCP, State.OK), _known(UDP, State.FAILED), _begun(UDP))

    assert seen.cell("west", "east") == ("FAILED", State.FAILED)
    seen.heard(_known(UDP, State.OK))
    assert seen.cell("west", "east") == ("ok", State.OK)


def test_what_is_being_asked_is_named_by_leg_until_it_is_answered() -> None:
    seen = _board(_begun(TCP), _begun(SHARED))

    assert (
        seen.asking() == "pod IP over TCP (west → east); global service with local backends too (east → all)"
    )
    seen.heard(_known(TCP, State.OK))
    assert seen.asking() == "global service with local backends too (east → all)"
    seen.heard(news.News(phase=news.Phase.TAKE))
    assert (seen.asking(), seen.phase.value) == ("", "taking the probes away")


def _drawn(seen: proving.Board, width: int, height: int) -> list[str]:
    screen = console.Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    view = drawing.Live(seen, now=lambda: 5.0)
    view.now = lambda: 77.0
    screen.print(view)
    found = screen.file
    assert isinstance(found, io.StringIO)
    return [line.rstrip() for line in found.getvalue().splitlines()]


def test_the_view_shows_the_matrix_the_time_and_what_is_asked() -> None:
    seen = _board(_known(TCP, State.FAILED), _begun(UDP))

    assert _drawn(seen, 80, 24) == [
        "asking  1m12s  1 of 4 legs known",
        "pod IP over UDP (west → east)",
        "FROM \\ TO  west          east",
        "west       -             FAILED 1/2",
        "east       0/1           0/1",
    ]


def test_a_small_terminal_shows_what_fits_first_what_is_wrong_and_how_much_more_there_is() -> None:
    names = tuple(f"cluster-{number:03}" for number in range(100))
    asked = [
        questions.Question(source=one, leg=Leg.POD_TCP, targets=(two,)) for one in names for two in names
    ]
    seen = proving.Board(names, asked)
    for each in asked:
        seen.heard(_known(each, State.FAILED if each.source == names[77] else State.OK))

    lines = _drawn(seen, 60, 12)

    assert len(lines) <= 11
    assert all(len(line) <= 60 for line in lines)
    assert any(line.startswith("cluster-077") and "FAILED" in line for line in lines)
    assert lines[-1] == "  and 97 more clusters"
