"""What is kept of helm's words."""

from __future__ import annotations

import pytest

from isthmus.clients import helmwords

HELM4 = (
    'level=DEBUG msg="uninstall: deleting release" name=db\n'
    'level=DEBUG msg="uninstall: Failed to delete release" '
    'error="[configmaps \\"db\\" is forbidden: locked]"\n'
    "Error: failed to delete release: db\n"
)
HELM3 = (
    'uninstall.go:119: [debug] uninstall: Failed to delete release: [configmaps "db" is forbidden: locked]\n'
    "Error: failed to delete release: db\n"
)


@pytest.mark.parametrize("stderr", [HELM3, HELM4])
def test_an_uninstall_that_failed_says_why_and_not_only_that(stderr: str) -> None:
    assert helmwords.last(stderr.encode()) == '[configmaps "db" is forbidden: locked]'
