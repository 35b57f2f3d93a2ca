"""Findings about policies of Cilium, with the object they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import finding

if TYPE_CHECKING:
    from isthmus.policy import rule

Severity = finding.Severity


def about(
    origin: rule.Origin, code: str, severity: finding.Severity, message: str, *, remedy: str
) -> finding.Finding:
    """Return a finding about the object that a rule comes from."""
    return origin.told(code, severity, message, remedy=remedy)


def shown(version: tuple[int, int]) -> str:
    """Return a version as people write it."""
    return f"{version[0]}.{version[1]}"
