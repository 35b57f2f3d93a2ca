"""Findings: what a check has to say, always with a way out."""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters; `error` makes a command exit 1 (2 when documents cannot be read)."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a check says: code, severity, where, why, what to do.

    The field names are a public contract (`-o json`); absent parts are None.
    """

    code: str
    severity: Severity
    message: str
    remedy: str
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    cluster: str | None = None
    file: str | None = None
    line: int | None = None

    def to_json(self) -> dict[str, str | int | None]:
        """Return the public JSON form."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "cluster": self.cluster,
            "file": self.file,
            "line": self.line,
            "message": self.message,
            "remedy": self.remedy,
        }


def has_errors(findings: tuple[Finding, ...] | list[Finding]) -> bool:
    """Say whether any finding is an error."""
    return any(found.severity is Severity.ERROR for found in findings)
