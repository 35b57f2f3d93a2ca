"""What all tests of `access` share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give lines the same length wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "100")
