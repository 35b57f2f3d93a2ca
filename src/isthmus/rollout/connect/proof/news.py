"""What is heard while a mesh is being proved: how far it is, what is being asked, and what is known."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.rollout.connect.proof import judge, questions


class Phase(StrEnum):
    """How far a run is."""

    BRING = "making probes"
    ASK = "asking"
    TAKE = "taking the probes away"


@dataclasses.dataclass(frozen=True, kw_only=True)
class News:
    """One thing that happened: a phase began, or a question is asked (no proofs yet), or is answered."""

    phase: Phase
    question: questions.Question | None = None
    proofs: Mapping[str, judge.Proof] | None = None


def ignore(_: News) -> None:
    """Hear nothing."""
