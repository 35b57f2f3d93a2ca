"""How one authority takes the place of another without an outage: three operations, each visible by itself.

First everybody trusts both, then the new one signs, then nobody trusts the old one. Which is next is read
from the certificates that stand; nothing is remembered elsewhere. Istio's proxies are told by istiod and not
by a Secret, so before an operation counts on them they are asked what they hold.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    from isthmus.mesh.trust import judge
    from isthmus.mesh.trust import proxies as held


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
APPS_SAID: Final = {
    Stage.TRUST: "1 of 3: every App trusts the old authority and the new one",
    Stage.ISSUE: "2 of 3: the new authority signs every certificate of Apps",
    Stage.DROP: "3 of 3: no App trusts the old authority any more",
}
ROOT_SAID: Final = {
    Stage.TRUST: "1 of 3: every istiod, and so every proxy, trusts the old root and the new one",
    Stage.ISSUE: "2 of 3: every istiod signs below the new root",
    Stage.DROP: "3 of 3: no istiod trusts the old root any more",
}
PROXIES_SAID: Final = {
    Stage.TRUST: "every proxy trusts the old root and the new one",
    Stage.ISSUE: "every proxy presents a certificate below the new root",
    Stage.DROP: "no proxy trusts the old root",
}
"""What has to hold of the proxies after an operation, before the next one or the end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy of the mesh, and what it holds; `silent` is why that is not known."""

    cluster: str
    namespace: str
    pod: str
    held: held.Held | None = None
    silent: str = ""

    def __str__(self) -> str:
        """Return where it is."""
        return f"{self.cluster}: {self.namespace}/{self.pod}"


def remaining(found: Iterable[judge.Certificate], *, old: str, new: str) -> tuple[Stage, ...]:
    """Return the stages that are left, from all certificates of all clusters; `old` and `new` are key ids."""
    seen = [each for each in found if each.authority]
    signers = {each.authority for each in seen}
    if new not in signers:
        both = bool(seen) and all({old, new} <= set(each.trusts) for each in seen)
        return STAGES[1:] if both else STAGES
    return STAGES[1:] if old in signers else STAGES[2:]


def behind(
    stage: Stage, found: Iterable[Proxy], *, old: x509.Certificate, new: x509.Certificate
) -> tuple[str, ...]:
    """Return each proxy that does not hold what it has to after a stage, with the reason."""
    said = ((each, _lacks(stage, each, old, new)) for each in found)
    return tuple(f"{each} {why}" for each, why in said if why)


def _lacks(stage: Stage, one: Proxy, old: x509.Certificate, new: x509.Certificate) -> str:
    if one.held is None:
        return f"does not say what it holds ({one.silent})"
    if stage is not Stage.DROP and not one.held.trusts(new):
        return "does not trust the new root"
    if stage is Stage.TRUST:
        return "" if one.held.trusts(old) else "does not trust the old root any more"
    if not one.held.is_below(new):
        return (
            "still presents a certificate below the old root"
            if one.held.is_below(old)
            else ("presents a certificate below neither root")
        )
    return "still trusts the old root" if stage is Stage.DROP and one.held.trusts(old) else ""
