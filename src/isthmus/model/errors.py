"""The one tree of errors a user may see.

    IsthmusError
    ├── InputError          documents or flags that cannot be read (exit 2)
    ├── UnreachableError    a cluster does not answer (exit 3)
    ├── DeniedError         a cluster answers and refuses: rights, admission, quota (exit 1)
    │   └── UnauthenticatedError  the credential is not accepted, any more or at all (exit 1)
    ├── ConflictError       somebody else changed or holds the thing (exit 1)
    │   └── FencedError     a successor took the operation over; this process must stop (exit 1)
    ├── HeldError           the work waits for a person (exit 4)
    ├── ToolError           a program we run failed or is missing (exit 1)
    ├── DiskError           the local disk refused a write (exit 1)
    └── DeadlineError       a wait ran out of time (exit 1)

An error says what failed, where, why and what to do; it never carries a secret.
Library errors are wrapped at the border, in `clients`, and chained.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line, a public contract."""

    DONE = 0
    FAILED = 1
    UNREADABLE = 2
    UNREACHABLE = 3
    HELD = 4


class IsthmusError(Exception):
    """A failure in the user's words: what, where, why, and what to do."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    @property
    def brief(self) -> str:
        """What and why, for places that already say where."""
        return f"{self.what}: {self.why}" if self.why else self.what

    def __str__(self) -> str:
        return f"{self.where}: {self.brief}" if self.where else self.brief


class InputError(IsthmusError):
    """Documents or flags cannot be read."""

    exit_code = Exit.UNREADABLE


class UnreachableError(IsthmusError):
    """A cluster does not answer."""

    exit_code = Exit.UNREACHABLE


class DeniedError(IsthmusError):
    """A cluster answers and refuses."""


class UnauthenticatedError(DeniedError):
    """A cluster does not accept the credential: expired, revoked or wrong."""


class ConflictError(IsthmusError):
    """Somebody else changed or holds the thing."""


class FencedError(ConflictError):
    """A successor took the operation over; this process must stop."""


class HeldError(IsthmusError):
    """The work waits for a person."""

    exit_code = Exit.HELD


class ToolError(IsthmusError):
    """A program we run failed or is missing."""


class DiskError(IsthmusError):
    """The local disk refused a write."""


class DeadlineError(IsthmusError):
    """A wait ran out of time."""
