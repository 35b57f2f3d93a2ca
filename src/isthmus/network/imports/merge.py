"""Several readings of one cluster become one: what a live cluster says goes before what a file says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, TypeVar

from isthmus.address import prefix
from isthmus.model import datapath, finding, types
from isthmus.network import imported
from isthmus.network.ipam import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence


Section = TypeVar("Section", bound=types.Value)
PLACE: Final = ("provider", "account", "region")
"""What two clusters of one name differ in."""
PLAIN: Final = ("id", "provider", "region", "account", "vpc", "nodes", "pods_per_node")


def merged(lives: Sequence[imported.Live]) -> list[imported.Live]:
    """Return each cluster once; readings of live clusters come first."""
    found: list[imported.Live] = []
    for each in lives:
        place = next((index for index, one in enumerate(found) if _is_same(one, each)), None)
        if place is None:
            found.append(each)
        else:
            found[place] = _both(found[place], each)
    return found


def _is_same(one: imported.Live, other: imported.Live) -> bool:
    if one.context is not None and other.context is not None:
        return one.uid is not None and one.uid == other.uid
    if one.name != other.name or (one.context is None and one.file == other.file):
        return False
    return not any(_differ(getattr(one, field), getattr(other, field)) for field in PLACE)


def _differ(one: object, other: object) -> bool:
    # kubeadm is a way to set clusters up, in any cloud.
    return None not in {one, other} and datapath.Provider.KUBEADM not in {one, other} and one != other


def _both(one: imported.Live, other: imported.Live) -> imported.Live:
    """Return the first reading with what it lacks from the second."""
    if one.context is not None and other.context is not None:
        told = _finding(
            one,
            "same-cluster",
            f"the contexts '{one.context}' and '{other.context}' lead to one cluster; it is written once",
            "keep the context that the Fleet shall use",
            severity=finding.Severity.INFO,
        )
        return dataclasses.replace(one, findings=(*one.findings, told))
    sources, inferred = {**other.sources, **one.sources}, set(one.inferred)
    changes: dict[str, object] = {
        field: getattr(other, field) for field in PLAIN if getattr(one, field) is None
    }
    if one.provider is datapath.Provider.KUBEADM and other.provider is not None:
        changes["provider"], sources["provider"] = other.provider, other.sources["provider"]
    findings = [*one.findings, *other.findings]
    for role in ranges.Role:
        field = imported.attribute(role)
        mine, theirs = one.of(role), other.of(role)
        if not mine or (field in inferred and _holds(theirs, mine)):
            changes[field] = theirs
            inferred -= {field}
            inferred |= {field} & other.inferred
            sources |= {key: text for key, text in other.sources.items() if key == field}
        elif theirs and mine != theirs and field not in other.inferred:
            findings.append(_disagreement(one, other, role))
    return dataclasses.replace(
        one,
        **changes,  # type: ignore[arg-type]  # values of the same fields of the other
        network=_filled(one.network, other.network),
        istio=_filled(one.istio, other.istio),
        sources=sources,
        inferred=frozenset(inferred),
        findings=tuple(findings),
    )


def _holds(outer: ranges.Family, inner: ranges.Family) -> bool:
    return bool(outer) and all(any(prefix.contains(big, each) for big in outer) for each in inner)


def _disagreement(one: imported.Live, other: imported.Live, role: ranges.Role) -> finding.Finding:
    field = imported.attribute(role)
    mine, theirs = (",".join(map(str, each.of(role))) for each in (one, other))
    return _finding(
        one,
        "sources-disagree",
        f"`{role.field}` is {mine} by {one.sources[field]}, and {theirs} by {other.sources[field]}",
        f"{mine} is written; find out which of the two is old",
    )


def _finding(
    one: imported.Live,
    code: str,
    message: str,
    remedy: str,
    *,
    severity: finding.Severity = finding.Severity.WARNING,
) -> finding.Finding:
    return finding.Finding(code=code, severity=severity, cluster=one.name, message=message, remedy=remedy)


def _filled(one: Section | None, other: Section | None) -> Section | None:
    """Return the first with what it does not state from the second."""
    if one is None or other is None:
        return one or other
    return other.model_copy(update=one.model_dump(exclude_none=True))
