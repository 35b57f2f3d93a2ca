"""What every test may ask for, and which tests share a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from xdist import scheduler  # type: ignore[import-untyped]  # it ships no types

pytest_plugins = ["tests.labs", "tests.shops"]

# How long a machine with other work takes for an example says nothing about what it shows.
hypothesis.settings.register_profile(
    "calm",
    parent=hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("calm")

SHARED = (
    "tests/demo/",
    "tests/lab_network/",
    "tests/lab_fault/",
    "tests/connect_network/",
    "tests/connect_verify/",
    "tests/connect_ways/",
    "tests/connect_istio/",
    "tests/doctor_network/",
)
"""Folders whose tests share a lab with real nodes, made once: two workers would make two of each."""


@pytest.hookimpl(optionalhook=True)  # unknown where xdist is switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduler.Scheduling | None:
    """Send each of those folders to one worker.

    `xdist_group` does not: pytest 9.2 keeps an item's id where pytest-xdist 3.8 does not write its group.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist import scheduler

    class ByFolder(scheduler.LoadGroupScheduling):  # type: ignore[misc]  # xdist's classes have no types
        def _split_scope(self, nodeid: str) -> str:
            shared = (folder for folder in SHARED if nodeid.startswith(folder))
            return next(shared, super()._split_scope(nodeid))

    return ByFolder(config, log)
