"""How often a request is repeated: a policy that can be read, printed and replaced.

Which requests may be repeated at all is decided in `connection`; this module counts and waits.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retry:
    """Repeats a request with growing pauses."""

    attempts: int = 4
    """Tries in all, the first one counted."""
    first: float = 0.2
    """Seconds before the second try."""
    factor: float = 2.0
    """Growth of the pause from try to try."""
    jitter: float = 0.25
    """Share of a pause that is random, so that many clients do not come back at one moment."""
    longest: float = 5.0
    """Seconds: no pause is longer, whatever a server asks for by Retry-After."""
    within: float = 20.0
    """Seconds since the first try after which there is no other."""

    def pause(self, attempt: int, *, chance: float, asked: float | None = None) -> float:
        """Return the seconds to wait after a failed attempt (1 is the first); `chance` is from 0 to 1."""
        base = self.first * self.factor ** (attempt - 1) if asked is None else asked
        return min(base * (1 + self.jitter * chance), self.longest)

    def is_over(self, attempt: int, elapsed: float) -> bool:
        """Say whether no try follows this one."""
        return attempt >= self.attempts or elapsed >= self.within


DEFAULT = Retry()
NEVER = Retry(attempts=1)
STARTING = Retry(attempts=100, longest=1.0, within=5.0)
"""For a server that refuses and may have just started, from its first refusal on."""
