"""What the API server says that a user may do in a namespace, read from one answer.

The answer (SelfSubjectRulesReview) may be short: an authorizer that is a webhook lists nothing. So it can say
yes, never no.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.clients import kinds

ANY = "*"


@dataclasses.dataclass(frozen=True)
class Rights:
    """The rules that the server listed for one user in one namespace, as RBAC writes them."""

    rules: tuple[Mapping[str, Any], ...] = ()

    def include(self, verb: str, kind: kinds.Kind, *, subresource: str = "") -> bool:
        """Say whether a rule allows this on every object of the kind."""
        resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
        return any(
            not rule.get("resourceNames")
            and _holds(rule.get("verbs"), verb)
            and _holds(rule.get("apiGroups"), kind.group)
            and _holds(rule.get("resources"), resource, f"*/{subresource}" if subresource else resource)
            for rule in self.rules
        )


def _holds(listed: Iterable[str] | None, *wanted: str) -> bool:
    return any(one == ANY or one in wanted for one in listed or ())
