"""Policies of Cilium against the clusters they are for: whom they select, and what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.address import prefix, space
from isthmus.policy import labels, ports, rule, words, world
from isthmus.policy.cilium import addresses, said, selectors, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.model import finding

Json = dict[str, Any]
WARNING, INFO = said.Severity.WARNING, said.Severity.INFO
HBONE: Final = 15008
PROBES: Final = prefix.parse("169.254.7.127/32")
"""What kubelet probes of pods in ambient come from (Istio's platform notes)."""


class _Known:
    """Endpoints of all clusters, asked by selector."""

    def __init__(self, known: world.World, settings: world.Settings) -> None:
        self.endpoints = known.endpoints
        self.own = [each for each in known.endpoints if each.cluster == settings.cluster]
        self.clusters = {each.cluster for each in known.endpoints} | set(known.settings)
        self._all = labels.Index([each.labels for each in known.endpoints])
        self._own = labels.Index([each.labels for each in self.own])

    def any(self, selector: labels.Selector) -> bool:
        return bool(self._all.select(selector))

    def guarded(self, selector: labels.Selector) -> int:
        """Return the own endpoints that a selector matches, as a bit set over `own`."""
        return self._own.select(selector)

    def all_guarded(self, selectors_: Iterable[labels.Selector]) -> int:
        """Return the own endpoints that any of some selectors matches."""
        found = 0
        for selector in set(selectors_):
            found |= self._own.select(selector)
        return found

    def titles(self, marks: int) -> list[str]:
        """Return what the endpoints of a bit set are called."""
        return [self.own[place].title for place in labels.places(marks)]


def check(
    specs: Sequence[translate.Spec], rules: rule.Rules, *, settings: world.Settings, known: world.World
) -> Iterator[finding.Finding]:
    """Yield the findings on rules that the agent takes, and on what they come to."""
    asked = _Known(known, settings)
    for spec in specs:
        yield from _subject(spec, asked)
    yield from _peers(specs, settings, asked)
    yield from _pods(rules, settings, asked)
    yield from _names(specs, rules, asked)
    yield from _mesh(rules, asked)


def _subject(spec: translate.Spec, asked: _Known) -> Iterator[finding.Finding]:
    if spec.data.get("nodeSelector") is not None or not asked.own:
        return
    guarded = translate.subject(spec)
    is_reserved = any(
        key.startswith(labels.RESERVED) for key in selectors.read(spec.data["endpointSelector"]).keys
    )
    if not is_reserved and not asked.guarded(guarded):
        yield said.about(
            spec.origin,
            "CIL-20",
            WARNING,
            f"{spec.path}.endpointSelector: it selects no endpoint of the cluster",
            remedy="correct the labels, or give the manifests of the workloads too",
        )


def _peers(
    specs: Sequence[translate.Spec], settings: world.Settings, asked: _Known
) -> Iterator[finding.Finding]:
    context = translate.Context(settings, {}, ())
    for spec in specs:
        for direction in rule.Direction:
            side = "from" if direction is rule.Direction.INGRESS else "to"
            for suffix in ("", "Deny"):
                for place, each in enumerate(spec.data.get(f"{direction.value}{suffix}") or ()):
                    path = f"{spec.path}.{direction.value}{suffix}[{place}]"
                    yield from _selected(spec, each or {}, f"{path}.{side}Endpoints", context, asked)
                    yield from _entities(spec, each or {}, f"{path}.{side}Entities", asked)


def _selected(
    spec: translate.Spec, each: Json, path: str, context: translate.Context, asked: _Known
) -> Iterator[finding.Finding]:
    key = path.rpartition(".")[2]
    for written in each.get(key) or ():
        meant = translate.peer(written or {}, spec=spec, context=context)
        is_reserved = any(one.startswith(labels.RESERVED) for one in meant.keys)
        if asked.endpoints and not is_reserved and not asked.any(meant):
            yield said.about(
                spec.origin,
                "CIL-20",
                WARNING,
                f"{path}: a selector selects no endpoint of any cluster",
                remedy="correct labels, namespace or cluster; without a namespace it means the policy's own",
            )
        if (
            len(asked.clusters) > 1
            and not is_reserved
            and labels.CLUSTER not in selectors.read(written or {}).keys
        ):
            reach = "this cluster alone" if context.cluster else "every cluster"
            yield said.about(
                spec.origin,
                "CIL-3",
                INFO,
                f"{path}: a selector without a cluster means {reach}; Cilium 1.19 changed that",
                remedy=f"say it: {labels.CLUSTER} with a name, or with the operator Exists for all",
            )


def _entities(spec: translate.Spec, each: Json, path: str, asked: _Known) -> Iterator[finding.Finding]:
    if len(asked.clusters) > 1 and "cluster" in (each.get(path.rpartition(".")[2]) or ()):
        yield said.about(
            spec.origin,
            "CIL-4",
            INFO,
            f"{path}: the entity cluster means the pods of this cluster alone, and the nodes of all",
            remedy="write cluster-mesh (Cilium 1.20) where the others are meant too",
        )


def _pods(rules: rule.Rules, settings: world.Settings, asked: _Known) -> Iterator[finding.Finding]:
    if "pods" in settings.cidr_match:
        return
    taken = space.of(
        prefix.Prefix(place, 1) for each in asked.endpoints if each.is_pod for place in each.addresses
    )
    told: set[tuple[rule.Origin, str]] = set()
    for each in rules.rules:
        listed = each.peers.addresses
        if each.origin.kind not in translate.KINDS or not taken.intervals or _is_wide(listed):
            continue
        place = each.place.partition(".toPorts")[0]
        if (listed & taken).intervals and (each.origin, place) not in told:
            told.add((each.origin, place))
            yield said.about(
                each.origin,
                "CIL-17",
                WARNING,
                f"{place}: its CIDRs cover addresses of pods, which CIDRs do not select",
                remedy="select the pods by labels, or set policyCIDRMatchMode: pods (Cilium 1.20, beta)",
            )


def _is_wide(listed: space.Space) -> bool:
    """Say whether CIDRs are so wide that pods were hardly meant: a whole family, exceptions aside."""
    return listed.size >= addresses.IPV4.size // 2


def _names(specs: Sequence[translate.Spec], rules: rule.Rules, asked: _Known) -> Iterator[finding.Finding]:
    wanting = [
        spec for spec in specs if any((each or {}).get("toFQDNs") for each in spec.data.get("egress") or ())
    ]
    if not wanting:
        return
    asking = [each.subject for each in rules.rules if each.layer7 and each.layer7.dns]
    shown = asked.all_guarded(asking)
    for spec in wanting:
        guarded = asked.guarded(translate.subject(spec))
        unseen = guarded & ~shown
        if unseen or not (asked.own or asking):
            whom = words.some(asked.titles(unseen)) or "whom it selects"
            yield said.about(
                spec.origin,
                "CIL-11",
                WARNING,
                f"{spec.path}: no rule shows the agent the DNS answers of {whom}: toFQDNs selects nothing",
                remedy="add an egress rule to the DNS servers, port 53, with rules.dns",
            )


def _mesh(rules: rule.Rules, asked: _Known) -> Iterator[finding.Finding]:
    """L7 rules where Istio hides the requests, and tunnels and probes of ambient that nothing lets in."""
    places = {mesh: [n for n, each in enumerate(asked.own) if each.mesh is mesh] for mesh in world.Mesh}
    width = (len(asked.own) + 7) // 8
    ambient = labels.bits(places[world.Mesh.AMBIENT], width)
    meshed = ambient | labels.bits(places[world.Mesh.SIDECAR], width)
    told: set[rule.Origin] = set()
    for each in rules.rules if meshed else ():
        hidden = asked.guarded(each.subject) & meshed if each.layer7 and each.layer7.http else 0
        if hidden and each.origin not in told:
            told.add(each.origin)
            yield said.about(
                each.origin,
                "CIL-6",
                WARNING,
                f"{each.place}: HTTP rules cannot read what Istio carries for "
                f"{words.some(asked.titles(hidden))}",
                remedy="write an AuthorizationPolicy instead, and leave the port to Cilium",
            )
    if ambient:
        yield from _ambient(rules, asked, ambient)


def _ambient(rules: rule.Rules, asked: _Known, ambient: int) -> Iterator[finding.Finding]:
    allowing = [
        each
        for each in rules.rules
        if each.direction is rule.Direction.INGRESS and each.action is rule.Action.ALLOW
    ]
    tunnelled = asked.all_guarded(
        each.subject for each in allowing if ports.has(each.ports.numbers, ports.Protocol.TCP, HBONE)
    )
    probed = asked.all_guarded(
        each.subject
        for each in allowing
        if labels.EVERY in each.peers.selectors or each.peers.addresses.covers(PROBES)
    )
    told: set[rule.Origin] = set()
    for each in rules.isolations:
        isolated = asked.guarded(each.subject) & ambient
        shut = isolated & ~(tunnelled & probed)
        if each.direction is not rule.Direction.INGRESS or not shut or each.origin in told:
            continue
        told.add(each.origin)
        lacking = [
            name
            for name, let in (("the tunnel (TCP 15008)", tunnelled), ("probes from 169.254.7.127", probed))
            if shut & ~let
        ]
        yield said.about(
            each.origin,
            "CIL-7",
            WARNING,
            f"it isolates {words.some(asked.titles(shut))}, in ambient, and nothing lets in "
            f"{' nor '.join(lacking)}",
            remedy="allow TCP 15008 from the mesh, and 169.254.7.127/32 by fromCIDR",
        )
