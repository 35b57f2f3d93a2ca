from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Never

import pytest
import typer

from isthmus.cli import border, main
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = errors.DeniedError(
    "the Lease was refused",
    where="us-west4",
    why="leases is forbidden",
    remedy="isthmus permissions deploy",
)


PLANTED = "hunter2"


def _raise(error: BaseException) -> Never:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("x"), 2),
        (errors.UnreachableError("x"), 3),
        (errors.DeniedError("x"), 1),
        (errors.ConflictError("x"), 1),
        (errors.FencedError("x"), 1),
        (errors.HeldError("x"), 4),
        (errors.ToolError("x"), 1),
        (errors.DiskError("x"), 1),
        (errors.DeadlineError("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_of_ours_has_its_exit_code(error: errors.IsthmusError, code: int) -> None:
    assert border.guard(lambda: _raise(error), []) == code


def test_an_error_tells_what_where_why_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    border.guard(lambda: _raise(REFUSED), ["deploy"])

    assert capsys.readouterr().err == (
        "error: the Lease was refused\n"
        "  where: us-west4\n"
        "  why: leases is forbidden\n"
        "  → isthmus permissions deploy\n"
    )


def test_nothing_goes_to_standard_output_when_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    border.guard(lambda: _raise(REFUSED), ["deploy"])

    assert capsys.readouterr().out == ""


def test_parts_that_an_error_lacks_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    border.guard(lambda: _raise(errors.HeldError("held by ops")), [])

    assert capsys.readouterr().err == "error: held by ops\n"


def test_with_v_an_error_names_the_place_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    border.guard(lambda: _raise(REFUSED), ["deploy", "-v"])

    assert "raised at " in capsys.readouterr().err


def test_errors_of_several_tasks_are_all_told(capsys: pytest.CaptureFixture[str]) -> None:
    group = ExceptionGroup("tasks", [REFUSED, errors.UnreachableError("east does not answer")])

    assert border.guard(lambda: _raise(group), []) == 3
    told = capsys.readouterr().err
    assert "error: the Lease was refused" in told
    assert "error: east does not answer" in told


def test_an_interruption_is_a_sentence_and_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert border.guard(lambda: _raise(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr().err == border.INTERRUPTED_TEXT + "\n"


def test_a_question_answered_with_no_is_a_sentence_and_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert border.guard(lambda: _raise(typer.Abort()), []) == 1
    assert capsys.readouterr().err == "stopped: it was not confirmed\n"


class TestAFaultOfOurs:
    """An exception nobody expected."""

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def test_exits_with_1_and_shows_no_traceback(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert border.guard(lambda: _raise(KeyError(PLANTED)), ["deploy", "up"]) == 1

        told = capsys.readouterr().err
        assert told.startswith("error: a fault in isthmus (KeyError); its trace is in ")
        assert told.endswith("repeat it with -v to see it: isthmus deploy up -v …\n")
        assert "Traceback" not in told

    def test_leaves_a_report_with_the_trace_and_without_the_message(self, tmp_path: Path) -> None:
        border.guard(lambda: _raise(KeyError(PLANTED)), ["deploy", "up"])

        (report,) = tmp_path.iterdir()
        text = report.read_text(encoding="utf-8")
        assert "KeyError" in text
        assert "test_border.py" in text
        assert PLANTED not in text

    def test_names_what_failed_inside_a_group_of_tasks(self, capsys: pytest.CaptureFixture[str]) -> None:
        group = ExceptionGroup("tasks", [REFUSED, KeyError(PLANTED)])

        assert border.guard(lambda: _raise(group), []) == 1
        assert capsys.readouterr().err.startswith("error: a fault in isthmus (DeniedError, KeyError)")

    def test_keeps_the_report_to_its_owner(self, tmp_path: Path) -> None:
        border.guard(lambda: _raise(KeyError("x")), [])

        (report,) = tmp_path.iterdir()
        assert report.stat().st_mode & 0o077 == 0

    def test_shows_the_traceback_with_v_and_writes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert border.guard(lambda: _raise(KeyError("x")), ["deploy", "-v"]) == 1

        assert "Traceback" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["deplow"], "error: No such command 'deplow'."),
        (["version", "-o", "xml"], "error: Invalid value for '--output' / '-o'"),
        (["--nonsense"], "error: No such option: --nonsense"),
        (["permissions", "nothing"], "error: no verb 'nothing'"),
        (["permissions"], "error: Missing argument"),
    ],
    ids=" ".join,
)
def test_flags_that_cannot_be_read_exit_with_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(arguments) == 2
    assert capsys.readouterr().err.startswith(told)


def test_a_verb_that_is_nearly_right_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["versio"])

    assert "Did you mean" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_fault() -> None:
    program = f"{sys.executable} -m isthmus permissions deploy | true"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""
