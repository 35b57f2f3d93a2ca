"""What stands in a cluster beside what its intents come to: taken away, changed by hand, added by others.

Rules of addresses and ports are compared by what they mean, so that fields an API server fills in are no
drift; Istio's by what is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding
from isthmus.policy import rule, world
from isthmus.policy.cilium import translate
from isthmus.policy.intents import compile as compiling
from isthmus.policy.kubernetes import rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

Json = dict[str, Any]
Key = tuple[str, str, str]
KINDS: Final = {
    "NetworkPolicy": "networking.k8s.io",
    "CiliumNetworkPolicy": "cilium.io",
    "AuthorizationPolicy": "security.istio.io",
    "PeerAuthentication": "security.istio.io",
}
"""Kinds that intents come to, with their groups."""
AGAIN: Final = "isthmus access up -f DIR brings it back"


def findings(
    settings: world.Settings,
    *,
    live: Sequence[world.Object],
    wanted: Sequence[Json],
    guarded: Collection[str],
) -> Iterator[finding.Finding]:
    """Yield what differs in one cluster; `guarded` are the namespaces that are shut by its intents."""
    here = {key: each for each in live if (key := _key(each)) and KINDS.get(each.kind) == each.group}
    planned = {key: each for each in map(world.Object, wanted) if (key := _key(each))}
    for key, each in planned.items():
        if key not in here:
            yield _about("access-missing", settings, key, "it is not there: somebody took it away", AGAIN)
        elif not _is_same(here[key], each, settings):
            why = "its rules are not those of the intents: somebody changed it"
            yield _about("access-changed", settings, key, why, AGAIN)
    for key, each in here.items():
        if key in planned:
            continue
        if compiling.INTENT in ((each.data.get("metadata") or {}).get("labels") or {}):
            yield _about("access-left", settings, key, "no intent wants it any more", AGAIN)
        elif key[1] in guarded:
            why = "no intent made it, and it decides in a namespace that intents shut"
            way = "write it as an Access, or take it out"
            yield _about("access-foreign", settings, key, why, way, finding.Severity.WARNING)


def _key(each: world.Object) -> Key | None:
    return (each.kind, each.namespace, each.name) if each.namespace else None


def _is_same(one: world.Object, other: world.Object, settings: world.Settings) -> bool:
    if one.group == KINDS["AuthorizationPolicy"]:
        return _spec(one) == _spec(other)
    return _meaning(one, settings) == _meaning(other, settings)


def _spec(each: world.Object) -> Mapping[str, Any]:
    """Return what Istio is told; ALLOW is what an AuthorizationPolicy does where it says nothing."""
    spec = dict(each.data.get("spec") or {})
    if each.kind == "AuthorizationPolicy":
        spec.setdefault("action", "ALLOW")
    return spec


def _meaning(each: world.Object, settings: world.Settings) -> tuple[frozenset[Any], frozenset[Any]]:
    found = rules.read([each], settings) + translate.translate([each], settings=settings)
    return frozenset(map(_said, found.rules)), frozenset(
        (one.direction, one.subject) for one in found.isolations
    )


def _said(each: rule.Rule) -> tuple[Any, ...]:
    return each.direction, each.action, each.subject, each.peers, each.ports, each.tier, each.layer7


def _about(
    code: str,
    settings: world.Settings,
    key: Key,
    message: str,
    remedy: str,
    severity: finding.Severity = finding.Severity.ERROR,
) -> finding.Finding:
    kind, namespace, name = key
    return finding.Finding(
        code=code,
        severity=severity,
        cluster=settings.cluster,
        kind=kind,
        namespace=namespace,
        name=name,
        message=message,
        remedy=remedy,
    )


def others(live: Iterable[world.Object]) -> list[world.Object]:
    """Return the objects of a cluster that no intent made."""
    return [
        each
        for each in live
        if compiling.INTENT not in ((each.data.get("metadata") or {}).get("labels") or {})
    ]


def guarded(objects: Iterable[Json]) -> frozenset[str]:
    """Return the namespaces that a cluster's objects shut."""
    return frozenset(
        each["metadata"]["namespace"]
        for each in objects
        if each["metadata"]["labels"].get(compiling.INTENT) == compiling.BASE
    )
