"""The list of all checks with what each reads, and the one way to run them: `examine`.

A symptom that a known cause explains is told as evidence of that cause, so that one trouble is one finding.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.analysis import (
    beside,
    components,
    datapath,
    numbers,
    offloads,
    packets,
    peering,
    policies,
    ranges,
    report,
    services,
    skew,
    trust,
)
from isthmus.analysis.istio import remotes, roots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.analysis.snapshot import Snapshot

RANK: Final = {report.Severity.ERROR: 0, report.Severity.WARNING: 1, report.Severity.INFO: 2}


class Trouble(NamedTuple):
    """A recurring trouble: its number, what it is, and the codes of its findings."""

    number: int
    title: str
    codes: tuple[str, ...]


TROUBLES: Final = (
    Trouble(0, "parts that do not run", ("cluster-silent", "not-ready")),
    Trouble(
        1,
        "certificates that the other side does not accept",
        ("mesh-ca-differs", "certificate", "certificate-ending", "mesh-tls-refused"),
    ),
    Trouble(
        2,
        "clusters that do not read one another",
        ("mesh-peer-missing", "mesh-peer-unknown", "mesh-peer-half", "mesh-peer-not-ready"),
    ),
    Trouble(
        3,
        "a wrong address of a mesh server",
        ("mesh-address-wrong", "mesh-address-unreachable", "mesh-address-one-node"),
    ),
    Trouble(4, "packets between nodes that die", ("nodes-unreachable", "overlay-dead", "pods-unreachable")),
    Trouble(5, "ranges that overlap", ("ranges-overlap", "services-overlap")),
    Trouble(
        6,
        "packets that are too large for the path",
        ("packets-vanish", "mtu-not-planned", "mtu-mixed", "mtu-not-applied"),
    ),
    Trouble(
        7,
        "ids and names that clash",
        (
            "cluster-id-shared",
            "cluster-name-shared",
            "cluster-id-unset",
            "cluster-id-clashes",
            "cluster-id-changed",
            "cluster-id-not-applied",
            "max-connected-clusters-differ",
        ),
    ),
    Trouble(8, "policies that keep other clusters out", ("policy-local-only",)),
    Trouble(
        9,
        "global services without remote backends",
        (
            "service-not-global",
            "service-ports-differ",
            "service-not-shared",
            "service-affinity",
            "namespace-not-global",
            "service-absent",
            "service-without-backends",
        ),
    ),
    Trouble(
        10,
        "versions and users that do not match",
        ("cilium-version-skew", "cilium-half-upgraded", "cilium-parts-differ", "remote-user-missing"),
    ),
    Trouble(
        11,
        "istiod does not see another cluster",
        (
            "istio-remote-missing",
            "istio-remote-unreadable",
            "istio-remote-token",
            "istio-remote-local",
            "istio-remote-unreachable",
            "istio-remote-refused",
            "istio-remote-ca",
            "istio-remote-unknown",
            "istio-remote-twice",
            "istio-remote-not-synced",
        ),
    ),
    Trouble(
        12, "Istio's roots and trust domains differ", ("istio-root-differs", "istio-trust-domain-differs")
    ),
    Trouble(14, "Cilium passes Istio by", ("sidecars-bypassed", "cni-exclusive")),
    Trouble(16, "interfaces that leave work to the processor", ("offloads-missing",)),
)
"""Numbers 1 to 15 are the rows of docs/doctor.md; 0 and 16 are ours."""

CHECKS: Final[tuple[report.Check, ...]] = (
    components.check,
    trust.check,
    peering.check,
    datapath.check,
    ranges.check,
    packets.check,
    numbers.check,
    policies.check,
    services.check,
    skew.check,
    remotes.check,
    roots.check,
    beside.check,
    offloads.check,
)

SYMPTOMS: Final = frozenset({"mesh-peer-not-ready", "mesh-tls-refused", "mesh-address-unreachable"})
"""Codes that say that a cluster does not read another, and not why it was set up so."""


class State(StrEnum):
    """What is known of one trouble in the whole Fleet."""

    FOUND = "found"
    CLEAR = "clear"
    PARTLY = "partly-checked"
    """Nothing was found, and something was not looked at."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was found, the worst first, and everything that was not looked at."""

    diagnoses: tuple[report.Diagnosis, ...]
    unchecked: tuple[report.Unchecked, ...]

    @property
    def has_errors(self) -> bool:
        """Say whether a finding is an error."""
        return any(each.finding.severity is report.Severity.ERROR for each in self.diagnoses)

    def state(self, trouble: int) -> State:
        """Return what is known of one trouble."""
        if any(each.trouble == trouble for each in self.diagnoses):
            return State.FOUND
        return State.PARTLY if any(each.trouble == trouble for each in self.unchecked) else State.CLEAR

    def to_json(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "findings": [each.to_json() for each in self.diagnoses],
            "troubles": [
                {"trouble": each.number, "title": each.title, "state": self.state(each.number).value}
                for each in TROUBLES
            ],
            "not_checked": [each.to_json() for each in self.unchecked],
        }


def examine(seen: Snapshot) -> Report:
    """Run every check, and rank what they say."""
    said = [one for check in CHECKS for one in check(seen)]
    found = _explained([each for each in said if isinstance(each, report.Diagnosis)])
    left = dict.fromkeys(each for each in said if isinstance(each, report.Unchecked))
    return Report(
        diagnoses=tuple(sorted(found, key=_rank)),
        unchecked=tuple(sorted(left, key=lambda each: (each.cluster, each.trouble, each.what))),
    )


def _rank(each: report.Diagnosis) -> tuple[int, int, str, str]:
    """Return the place of a diagnosis: errors first, then by trouble, since early ones cause later ones."""
    told = each.finding
    return RANK[told.severity], each.trouble, told.cluster or "", told.code


def _explained(found: list[report.Diagnosis]) -> list[report.Diagnosis]:
    """Fold symptoms into their cause: two clusters that do not read one another do so for one reason."""
    causes = [each for each in found if each.finding.code not in SYMPTOMS and each.explains]
    kept, folded = [], dict[int, list[report.Diagnosis]]()
    for each in found:
        cause = _cause(each, causes) if each.finding.code in SYMPTOMS else None
        if cause is None:
            kept.append(each)
        else:
            folded.setdefault(id(cause), []).append(each)
    return [_with(each, folded.get(id(each), ())) for each in kept]


def _cause(symptom: report.Diagnosis, causes: Iterable[report.Diagnosis]) -> report.Diagnosis | None:
    either = {frozenset(pair) for pair in symptom.explains}
    return next(
        (each for each in causes if either & {frozenset(pair) for pair in each.explains}),
        None,
    )


def _with(cause: report.Diagnosis, symptoms: Iterable[report.Diagnosis]) -> report.Diagnosis:
    more = tuple(f"{each.finding.cluster}: {each.finding.message}" for each in symptoms)
    return dataclasses.replace(cause, evidence=(*cause.evidence, *more))
