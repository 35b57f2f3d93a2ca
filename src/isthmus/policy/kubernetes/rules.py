"""All of Kubernetes' own policies among the objects of a cluster to rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import rule
from isthmus.policy.kubernetes import netpol, notes, tiers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.model import finding
    from isthmus.policy import world

GROUPS: Final = frozenset({"networking.k8s.io", "extensions"})
"""Groups of NetworkPolicy; the second is what clusters before 1.16 printed."""


def read(objects: Iterable[world.Object], settings: world.Settings) -> rule.Rules:
    """Return the rules of the policies among some objects; other kinds are left alone."""
    findings: list[finding.Finding] = []
    rules: list[rule.Rule] = []
    isolations: list[rule.Isolation] = []
    ordered: list[tuple[world.Object, notes.Notes]] = []
    kept: dict[tuple[str, str], Any] = {}
    for each in objects:
        if each.kind == "NetworkPolicy" and each.group in GROUPS:
            found = netpol.read(each, notes.of(each, settings, findings, kept))
            rules.extend(found.rules)
            isolations.extend(found.isolations)
        elif each.kind in tiers.DIALECTS and each.group == tiers.GROUP:
            ordered.append((each, notes.of(each, settings, findings, kept)))
    rules.extend(tiers.read(ordered).rules)
    return rule.Rules(tuple(rules), tuple(isolations), tuple(findings))
