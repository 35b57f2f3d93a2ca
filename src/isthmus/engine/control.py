"""What other processes ask of an operation: pause, approve, abort, skip, resume (skeleton)."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from isthmus.engine import clock as clocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.engine import voters as voting


class Verb(StrEnum):
    PAUSE = "pause"
    APPROVE = "approve"
    ABORT = "abort"
    SKIP = "skip"
    RESUME = "resume"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    id: str
    verb: Verb
    argument: str
    user: str
    at: str


async def request(
    voters: Sequence[voting.Api],
    operation: str,
    verb: Verb,
    argument: str = "",
    *,
    user: str,
    key: str,
    clock: clocks.Clock = clocks.SYSTEM,
    deadline: float = 10.0,
) -> Request:
    """Return once a majority has it."""
    raise NotImplementedError


async def read(
    voters: Sequence[voting.Api], operation: str, *, clock: clocks.Clock = clocks.SYSTEM, deadline: float = 10.0
) -> tuple[Request, ...]:
    """Return every request in order of time; needs a majority."""
    raise NotImplementedError
