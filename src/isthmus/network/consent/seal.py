"""What a check of one signature says, so that `network` can judge signatures that `clients` verifies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import StrEnum
from typing import Final

NAMESPACE: Final = "isthmus-plan@isthmus.dev"
"""What every signature of a plan is for (PROTOCOL.sshsig of OpenSSH: no signature serves two purposes)."""


class Fault(StrEnum):
    """Why a signature proves nothing."""

    UNREADABLE = "unreadable"
    PURPOSE = "purpose"
    FORGED = "forged"


@dataclasses.dataclass(frozen=True)
class Seal:
    """The canonical key that made a good signature, or the fault of a bad one in a few words."""

    key: str = ""
    fault: Fault | None = None
    why: str = ""


Check = Callable[[str, str], Seal]
"""Takes an armored signature and the text that it should be over."""
