from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

import isthmus
from isthmus.cli import main

if TYPE_CHECKING:
    import pytest


def test_version_as_json_names_isthmus_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["version", "-o", "json"]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert (facts["isthmus"], facts["python"]) == (isthmus.__version__, platform.python_version())


def test_the_flag_and_the_verb_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0

    assert capsys.readouterr().out == f"isthmus {isthmus.__version__}\n"
