"""What is wrong with policies of Cilium, or means something else than it seems; each with a way out.

Codes CIL-1 to CIL-17 are those of the project's reference, from CIL-18 on of this module and its
neighbours: `pieces.py` (ports and L7 rules), `overlap.py` (rules that meet), `setting.py` (policies against
the clusters) and `capacity.py` (map sizes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels, rule, words, world
from isthmus.policy.cilium import (
    addresses,
    capacity,
    overlap,
    pieces,
    said,
    sanitize,
    selectors,
    services,
    setting,
    shape,
    translate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import finding

Json = dict[str, Any]
ERROR, WARNING, INFO = said.Severity.ERROR, said.Severity.WARNING, said.Severity.INFO
REMOVED: Final = ("kafka", "l7proto", "l7")


def check(
    objects: Sequence[world.Object], *, settings: world.Settings, known: world.World | None = None
) -> tuple[finding.Finding, ...]:
    """Return the findings on all policies of Cilium among objects, for the cluster of the settings.

    With the endpoints and services of the clusters (`known`), what policies select is checked as well.
    """
    mine = [each for each in objects if translate.is_policy(each)]
    found: list[finding.Finding] = []
    taken: list[translate.Spec] = []
    for one in mine:
        found.extend(_shape(one, settings))
        specs = translate.taken(one, settings)
        taken.extend(specs)
        if not specs:
            found.extend(_refused(one, translate.refusals(one, settings.cilium), settings))
    for one in _groups(objects):
        found.extend(_group(one, settings))
    groups = addresses.groups(objects)
    offered = known.services if known else ()
    own = tuple(one for one in offered if one.cluster == settings.cluster)
    for spec in taken:
        found.extend(_spec(spec, settings))
        for path, each, is_deny in _each(spec):
            found.extend(_rule(spec, each, path, settings))
            found.extend(pieces.check(spec, each, path, settings, is_deny=is_deny))
            found.extend(_missing(spec, each, path, groups))
            if known:
                found.extend(_services(spec, each, path, settings, own))
    rules = translate.translate(mine + _groups(objects), settings=settings, services=own)
    found.extend(overlap.check(rules))
    if known:
        found.extend(setting.check(taken, rules, settings=settings, known=known))
        found.extend(capacity.check(rules, settings=settings, known=known))
    return tuple(dict.fromkeys(found))


def _groups(objects: Sequence[world.Object]) -> list[world.Object]:
    return [each for each in objects if each.kind == addresses.GROUP_KIND]


def _group(each: world.Object, settings: world.Settings) -> Iterator[finding.Finding]:
    origin = rule.Origin(each.kind, None, each.name, settings.cluster, each.file, each.line)
    odds = list(shape.check(each.data, shape.GROUP, settings.cilium))
    for odd in odds:
        yield said.about(
            origin,
            "CIL-19" if odd.is_unknown else "CIL-18",
            WARNING if odd.is_unknown else ERROR,
            f"{odd.path}: {odd.message}",
            remedy="correct it: until then the group has no addresses",
        )
    is_read = all(odd.is_unknown for odd in odds)
    for text in (each.data.get("spec") or {}).get("externalCIDRs") or () if is_read else ():
        if not addresses.is_cidr(text):
            yield said.about(
                origin,
                "CIL-18",
                WARNING,
                f"spec.externalCIDRs: '{text}' is no CIDR, and the agent leaves it out",
                remedy="write an address, a slash and a length",
            )


def _origin(each: world.Object, settings: world.Settings) -> rule.Origin:
    return rule.Origin(
        each.kind, translate.namespace(each), each.name, settings.cluster, each.file, each.line
    )


def _shape(each: world.Object, settings: world.Settings) -> Iterator[finding.Finding]:
    """Unknown fields; those of L7 protocols that are gone leave their ports open."""
    origin, version = _origin(each, settings), settings.cilium
    for odd in shape.check(each.data, shape.POLICY, version):
        if not odd.is_unknown:
            continue
        last = odd.path.rpartition(".")[2]
        if last in REMOVED and ".rules." in f".{odd.path}":
            yield said.about(
                origin,
                "CIL-1",
                ERROR,
                f"{odd.path}: Cilium {said.shown(version)} has no such L7 rules; the API server drops them, "
                "and the ports stay open to every request",
                remedy="take the rules away and limit the peers instead, or demand it elsewhere: "
                "a CiliumEnvoyConfig, or the application's own grants",
            )
            continue
        yield said.about(
            origin,
            "CIL-19",
            WARNING,
            f"{odd.path}: {odd.message}; it has no effect",
            remedy="correct the name, or take the field away",
        )


def _refused(
    each: world.Object, refusals: Sequence[sanitize.Refusal], settings: world.Settings
) -> Iterator[finding.Finding]:
    for one in refusals:
        is_requires = one.path.endswith("Requires")
        yield said.about(
            _origin(each, settings),
            "CIL-2" if is_requires else "CIL-18",
            ERROR,
            f"{one.path}: {one.message}; nothing of the policy is enforced by Cilium "
            f"{said.shown(settings.cilium)}",
            remedy="put the labels into the selectors of the peers"
            if is_requires
            else "correct it: until then whom it selects is guarded by the other policies alone",
        )


def _each(spec: translate.Spec) -> Iterator[tuple[str, Json, bool]]:
    for key in sanitize.LISTS:
        for place, each in enumerate(spec.data.get(key) or ()):
            yield f"{spec.path}.{key}[{place}]", each or {}, key.endswith("Deny")


def _spec(spec: translate.Spec, settings: world.Settings) -> Iterator[finding.Finding]:
    for direction in rule.Direction:
        allows, denies = spec.data.get(direction.value), spec.data.get(f"{direction.value}Deny")
        told = (spec.data.get("enableDefaultDeny") or {}).get(direction.value)
        if denies and not allows and told is None:
            yield said.about(
                spec.origin,
                "CIL-13",
                WARNING,
                f"{spec.path}: it only denies on {direction.value}, and so denies everything else there too",
                remedy=f"set enableDefaultDeny.{direction.value}: false, or true where that is meant"
                if settings.cilium >= (1, 16)
                else f"add an {direction.value} rule for the entity all where the rest is to pass",
            )
    yield from _selected(spec)
    if spec.data.get("nodeSelector") is not None:
        yield said.about(
            spec.origin,
            "CIL-25",
            INFO,
            f"{spec.path}.nodeSelector: it guards nodes only where the host firewall is on",
            remedy="set hostFirewall.enabled in Cilium's values",
        )


def _selected(spec: translate.Spec) -> Iterator[finding.Finding]:
    written = spec.data.get("endpointSelector") or {}
    if spec.namespace is None:
        return
    for requirement in selectors.read(written).requirements:
        is_other = requirement.operator is labels.Operator.IN and spec.namespace not in requirement.values
        if requirement.key == labels.NAMESPACE and is_other:
            yield said.about(
                spec.origin,
                "CIL-27",
                WARNING,
                f"{spec.path}.endpointSelector: it asks for {words.some(sorted(requirement.values))}, "
                f"but the policy guards the namespace {spec.namespace} alone",
                remedy="put the policy into that namespace, or write a CiliumClusterwideNetworkPolicy",
            )


def _rule(spec: translate.Spec, each: Json, path: str, settings: world.Settings) -> Iterator[finding.Finding]:
    for key, value in each.items():
        if key.startswith(("from", "to")) and key != "toPorts" and value == []:
            is_nothing = key.removeprefix("from").removeprefix("to") in translate.REQUIRED
            effect = "selects nobody" if is_nothing else "is as if it were not there"
            yield said.about(
                spec.origin,
                "CIL-14",
                WARNING,
                f"{path}.{key}: an empty list {effect}",
                remedy="leave the field out for everybody, or write `- {}` for all endpoints in scope",
            )
        if key.endswith("Groups") and value:
            yield said.about(
                spec.origin,
                "CIL-21",
                WARNING,
                f"{path}.{key}: which addresses a cloud's groups have is not known here; taken as none",
                remedy="ask about such addresses in the cluster, or write their CIDRs",
            )
        if key.endswith("Nodes") and value:
            yield said.about(
                spec.origin,
                "CIL-25",
                WARNING,
                f"{path}.{key}: the agent refuses the policy unless node labels are on",
                remedy="set nodeSelectorLabels: true in Cilium's values",
            )
        if key.endswith("Requires") and value and settings.cilium < sanitize.WITHOUT_REQUIRES:
            yield said.about(
                spec.origin,
                "CIL-2",
                WARNING,
                f"{path}.{key}: not asked here, and refused by Cilium 1.19 and later",
                remedy="put the labels into the selectors of the peers",
            )
    mode = (each.get("authentication") or {}).get("mode")
    if mode == "required":
        yield said.about(
            spec.origin, "CIL-5", WARNING, f"{path}.authentication: {_authentication(settings)}",
            remedy="let Istio's mutual TLS say who calls, or the application itself",
        )  # fmt: skip


def _authentication(settings: world.Settings) -> str:
    if settings.cilium >= (1, 20):
        return "mutual authentication is deprecated in 1.20, off unless switched on, and not for ClusterMesh"
    if settings.cilium >= (1, 19):
        return "mutual authentication is off unless switched on (then traffic passes without), no ClusterMesh"
    return "mutual authentication does not work between clusters of a ClusterMesh"


def _missing(
    spec: translate.Spec, each: Json, path: str, groups: dict[str, addresses.Group]
) -> Iterator[finding.Finding]:
    for side in ("from", "to"):
        for one in each.get(f"{side}CIDRSet") or ():
            name = one.get("cidrGroupRef")
            if name and name not in groups:
                yield said.about(
                    spec.origin, "CIL-22", WARNING,
                    f"{path}.{side}CIDRSet: no CiliumCIDRGroup is named {name}; it selects nothing",
                    remedy="give the manifest of the group too, or correct the name",
                )  # fmt: skip
        for name in each.get(f"{side}Entities") or ():
            if name in {"world-ipv4", "world-ipv6"}:
                yield said.about(
                    spec.origin, "CIL-30", WARNING,
                    f"{path}.{side}Entities: the agent knows {name}, but the API server refuses it",
                    remedy=f"write {side}CIDR with {'::/0' if name.endswith('6') else '0.0.0.0/0'}",
                )  # fmt: skip


def _services(
    spec: translate.Spec, each: Json, path: str, settings: world.Settings, own: Sequence[world.Service]
) -> Iterator[finding.Finding]:
    if not each.get("toServices"):
        return
    found = services.named(each["toServices"], own)
    if not translate.is_open(each, "to", found, settings.cilium):
        return
    opens = bool(each.get("toPorts") or each.get("icmps"))
    effect = "the rule lets its ports through to everybody" if opens else "the rule opens nothing"
    yield said.about(
        spec.origin, "CIL-23", ERROR if opens else WARNING,
        f"{path}.toServices: it finds no service with anything behind it, and {effect}",
        remedy="correct name, namespace or labels of the service; where it is yet to come, add toPorts then",
    )  # fmt: skip
