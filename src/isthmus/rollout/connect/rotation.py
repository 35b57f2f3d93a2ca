"""How one authority takes the place of another without an outage: three operations, each visible by itself.

First everybody trusts both, then the new one signs, then nobody trusts the old one. Which is next is read
from the certificates that stand; nothing is remembered elsewhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.mesh.trust import judge


class Stage(StrEnum):
    """One operation of a rotation."""

    TRUST = "trust"
    ISSUE = "issue"
    DROP = "drop"


STAGES: Final = tuple(Stage)
SAID: Final = {
    Stage.TRUST: "1 of 3: every cluster trusts the old authority and the new one",
    Stage.ISSUE: "2 of 3: the new authority signs every certificate",
    Stage.DROP: "3 of 3: no cluster trusts the old authority any more",
}


def remaining(found: Iterable[judge.Certificate], *, old: str, new: str) -> tuple[Stage, ...]:
    """Return the stages that are left, from all certificates of all clusters; `old` and `new` are key ids."""
    seen = [each for each in found if each.authority]
    signers = {each.authority for each in seen}
    if new not in signers:
        both = bool(seen) and all({old, new} <= set(each.trusts) for each in seen)
        return STAGES[1:] if both else STAGES
    return STAGES[1:] if old in signers else STAGES[2:]
