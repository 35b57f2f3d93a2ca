"""How a command in a pod is asked for, and what the Status at its end says; connect_verify runs real ones."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.clients import commands


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"status": "Success"}, 0),
        (
            {
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
            },
            7,
        ),
        ({"status": "Failure", "reason": "NonZeroExitCode"}, None),
        ({"status": "Failure", "reason": "InternalError", "message": "no such file"}, None),
        ({}, None),
    ],
)
def test_the_status_at_the_end_tells_the_exit_code_where_the_command_ran(
    status: dict[str, Any], code: int | None
) -> None:
    assert commands.exit_code(status) == code


def test_each_word_of_a_command_stays_one_word() -> None:
    command = commands.Command(namespace="n", pod="p", container="c", words=("sh", "-c", "echo a b"))

    words = [value for key, value in command.params if key == "command"]

    assert words == ["sh", "-c", "echo a b"]
    assert dict(command.params)["container"] == "c"


def test_what_a_command_said_is_in_no_repr() -> None:
    assert "hunter2" not in repr(commands.Done(code=0, stdout=b"hunter2", stderr=b"hunter2"))
