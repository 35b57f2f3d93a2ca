"""What a check says: something is wrong, or something could not be looked at. Never that all is well.

A `Diagnosis` is a finding with its trouble and what was read; how it is shown is not known here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from isthmus.analysis import snapshot as snapshots
from isthmus.model import finding

if TYPE_CHECKING:
    from isthmus.analysis.snapshot import Missing, Site, Snapshot

Severity = finding.Severity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A finding, the number of its trouble in docs/doctor.md, and the evidence."""

    trouble: int
    finding: finding.Finding
    evidence: tuple[str, ...] = ()
    explains: frozenset[tuple[str, str]] = frozenset()
    """Pairs of clusters (from, to; as the user calls them) that cannot reach one another because of it."""

    def to_json(self) -> dict[str, Any]:
        """Return the public form."""
        return {**self.finding.to_json(), "trouble": self.trouble, "evidence": list(self.evidence)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unchecked:
    """Something that was not looked at in one cluster, and why."""

    trouble: int
    cluster: str
    what: str
    why: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the public form."""
        return {**dataclasses.asdict(self), "remedy": self.remedy or None}


Said = Diagnosis | Unchecked
Check = Callable[["Snapshot"], Iterator[Said]]


def found(
    trouble: int,
    code: str,
    site: Site | None,
    message: str,
    remedy: str,
    *,
    severity: Severity = Severity.ERROR,
    kind: str | None = None,
    name: str | None = None,
    namespace: str | None = None,
    evidence: tuple[str, ...] = (),
    explains: frozenset[tuple[str, str]] = frozenset(),
) -> Diagnosis:
    """Return a diagnosis in a cluster; an object without a namespace is one of kube-system, if not a node."""
    home = snapshots.SYSTEM if kind in {"Secret", "ConfigMap", "DaemonSet", "Deployment"} else None
    told = finding.Finding(
        code=code,
        severity=severity,
        message=message,
        remedy=remedy,
        kind=kind,
        namespace=namespace or home,
        name=name,
        cluster=site.cluster if site is not None else None,
    )
    return Diagnosis(trouble=trouble, finding=told, evidence=evidence, explains=explains)


def unchecked(trouble: int, site: Site, what: str, why: Missing) -> Unchecked:
    """Return what could not be looked at."""
    return Unchecked(trouble=trouble, cluster=site.cluster, what=what, why=why.why, remedy=why.remedy)
