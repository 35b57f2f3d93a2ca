from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from isthmus.cli import main, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

PRESENT = [verb.name for verb in main.present()]


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", child)


@pytest.mark.parametrize("verb", PRESENT)
def test_every_command_says_what_it_does_and_shows_an_example(verb: str) -> None:
    without = [
        path
        for path, command in _commands(verb, main.load(verb))
        if not hasattr(command, "commands")
        and ("Example" not in (command.help or "") or f"isthmus {path}" not in (command.help or ""))
    ]

    assert without == []


@pytest.mark.parametrize("verb", PRESENT)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    silent = [
        f"{path} {parameter.opts[0]}"
        for path, command in _commands(verb, main.load(verb))
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]

    assert silent == []


def test_the_root_lists_every_verb_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0

    shown = capsys.readouterr().out
    assert [verb.name for verb in main.VERBS if f"\n  {verb.name} " in shown] == PRESENT


def test_the_root_cuts_no_verb_short(capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["--help"])

    assert "..." not in capsys.readouterr().out.split("Commands:")[1]


def test_a_verb_whose_module_is_missing_is_not_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "VERBS", (*main.VERBS, main.Verb("unwritten", "Comes later.")))

    assert main.main(["--help"]) == 0
    assert "unwritten" not in capsys.readouterr().out


def test_examples_keep_their_lines() -> None:
    text = """Do a thing
    with words.

    Example:
        isthmus do
    """

    assert prose.mark(text) == "Do a thing\nwith words.\n\n\b\nExample:\n    isthmus do"


def test_marking_twice_changes_nothing() -> None:
    once = prose.mark("Words.\n\nExample:\n    isthmus do")

    assert prose.mark(once) == once
