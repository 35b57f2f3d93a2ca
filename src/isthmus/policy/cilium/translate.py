"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy to the one form of rules (`policy/rule.py`).

As `ParseToCiliumRule` (pkg/k8s/apis/cilium.io/utils) and `RulesToPolicyEntries` (pkg/policy/utils) do. What
the API server or the agent refuses gives no rule at all; the findings that say so come from `lint.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.policy import labels, rule, world
from isthmus.policy.cilium import addresses, entities, level4, sanitize, selectors, services, shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]
NAMESPACED: Final = "CiliumNetworkPolicy"
CLUSTERWIDE: Final = "CiliumClusterwideNetworkPolicy"
KINDS: Final = (NAMESPACED, CLUSTERWIDE)
GROUP: Final = "cilium.io"
DEFAULT_NAMESPACE: Final = "default"
REQUIRED: Final = ("Endpoints", "Nodes", "Entities", "CIDR", "CIDRSet")
"""Lists of peers that, empty, select nothing instead of everything (`mergeEndpointSelectors`)."""


class Context(NamedTuple):
    """What rules of one cluster are read against."""

    settings: world.Settings
    groups: Mapping[str, addresses.Group]
    services: tuple[world.Service, ...]

    @property
    def version(self) -> tuple[int, int]:
        """Cilium's version."""
        return self.settings.cilium

    @property
    def cluster(self) -> str | None:
        """The cluster that a selector without one means; None for all."""
        return self.settings.cluster if self.settings.selects_own_cluster else None


class Spec(NamedTuple):
    """One rule of an object, without the fields that the version drops: its path, and what it stands in."""

    origin: rule.Origin
    namespace: str | None
    path: str
    data: Json


def translate(
    objects: Sequence[world.Object], *, settings: world.Settings, services: Sequence[world.Service] = ()
) -> rule.Rules:
    """Return the rules of all Cilium policies among objects, for the endpoints of the settings' cluster.

    `services` are those of that cluster, for `toServices`; CiliumCIDRGroups are taken from the objects.
    """
    context = Context(settings, addresses.groups(objects), tuple(services))
    rules: list[rule.Rule] = []
    isolations: list[rule.Isolation] = []
    for each in objects:
        for spec in taken(each, settings) if is_policy(each) else ():
            rules.extend(_rules(spec, context))
            isolations.extend(_isolations(spec))
    return rule.Rules(tuple(rules), tuple(isolations))


def is_policy(each: world.Object) -> bool:
    """Say whether an object is a policy of Cilium."""
    return each.kind in KINDS and each.group == GROUP


def namespace(each: world.Object) -> str | None:
    """Return the namespace of a policy; None for a clusterwide one."""
    return None if each.kind == CLUSTERWIDE else each.namespace or DEFAULT_NAMESPACE


def taken(each: world.Object, settings: world.Settings) -> list[Spec]:
    """Return the rules of an object, `spec` and each of `specs`; none where any is refused."""
    return [] if _misshapen(each, settings.cilium) else _sound(_specs(each, settings), settings.cilium)


def refusals(each: world.Object, version: tuple[int, int]) -> list[sanitize.Refusal]:
    """Return why the API server or the agent refuses an object; empty when they take it."""
    return _misshapen(each, version) or [
        found for one in _specs(each, world.Settings(cilium=version)) for found in _checked(one, version)
    ]


def _specs(each: world.Object, settings: world.Settings) -> list[Spec]:
    data = shape.known({key: each.data.get(key) for key in shape.POLICY}, shape.POLICY, settings.cilium)
    found = [("spec", data["spec"])] if data.get("spec") is not None else []
    found += [(f"specs[{place}]", one) for place, one in enumerate(data.get("specs") or ())]
    home = namespace(each)
    origin = rule.Origin(each.kind, home, each.name, settings.cluster, each.file, each.line)
    return [Spec(origin, home, path, one) for path, one in found]


def _sound(found: list[Spec], version: tuple[int, int]) -> list[Spec]:
    return found if all(next(_checked(one, version), None) is None for one in found) else []


def _checked(one: Spec, version: tuple[int, int]) -> Iterator[sanitize.Refusal]:
    is_namespaced = one.namespace is not None
    return sanitize.check(one.data, path=one.path, is_namespaced=is_namespaced, version=version)


def _misshapen(each: world.Object, version: tuple[int, int]) -> list[sanitize.Refusal]:
    odd = shape.check(each.data, shape.POLICY, version)
    wrong = [sanitize.Refusal(one.path, one.message) for one in odd if not one.is_unknown]
    if not wrong and each.data.get("spec") is None and each.data.get("specs") is None:
        wrong = [sanitize.Refusal("spec", "there is neither spec nor specs")]
    if not wrong and not each.name:
        wrong = [sanitize.Refusal("metadata.name", "a policy needs a name")]
    return wrong


def subject(spec: Spec) -> labels.Selector:
    """Return whom a rule guards: nodes by `nodeSelector`, else endpoints."""
    nodes = spec.data.get("nodeSelector")
    if nodes is not None:
        return selectors.nodes(nodes)
    return selectors.subject(spec.data.get("endpointSelector") or {}, namespace=spec.namespace)


def peers(each: Json, *, spec: Spec, context: Context, is_ingress: bool) -> rule.Peers | None:
    """Return the other side of a rule; None where it selects nothing, ANYONE where it names nobody."""
    side = "from" if is_ingress else "to"
    if any(each.get(f"{side}{kind}") == [] for kind in REQUIRED):
        return None
    chosen = _selectors(each, side, spec, context)
    sets = each.get(f"{side}CIDRSet") or ()
    space = addresses.of_cidrs(each.get(f"{side}CIDR") or ()) | addresses.of_sets(sets, context.groups)
    space |= addresses.of_names(each.get("toFQDNs") or (), context.settings.answers, context.version)
    found = services.named(each.get("toServices") or (), context.services)
    chosen |= services.pods(found, cluster=context.cluster, version=context.version)
    space |= services.addresses(found)
    if is_open(each, side, found, context.version):
        return rule.ANYONE
    return rule.Peers(
        selectors=chosen,
        addresses=space,
        reaches_pods="pods" in context.settings.cidr_match,
        reaches_nodes="nodes" in context.settings.cidr_match,
    )


def is_open(each: Json, side: str, found: Sequence[world.Service], version: tuple[int, int]) -> bool:
    """Say whether a rule names nobody, which is everybody where it lists ports.

    So does one whose `toServices` finds no service, or nothing behind it: nothing is put in its place
    (`appendEndpoints`, and `createL4Filter`, which takes no peer for every peer).
    """
    given = [key for key, value in each.items() if key.startswith(side) and key != "toPorts" and value]
    if given == ["toServices"]:
        return not any(one.addresses if one.selector is None else version >= services.PODS for one in found)
    return not [key for key in given if key not in {"fromRequires", "toRequires"}]


def peer(written: Json, *, spec: Spec, context: Context) -> labels.Selector:
    """Return what a selector of peers means in a rule."""
    is_init = f"{labels.RESERVED}init" in selectors.read(spec.data.get("endpointSelector")).keys
    return selectors.peer(
        written,
        namespace=spec.namespace,
        cluster=context.cluster,
        is_init=is_init,
        by_labels=context.version >= selectors.NAMESPACE_LABELS,
    )


def _selectors(each: Json, side: str, spec: Spec, context: Context) -> frozenset[labels.Selector]:
    found = {peer(one or {}, spec=spec, context=context) for one in each.get(f"{side}Endpoints") or ()}
    for one in each.get(f"{side}Nodes") or ():
        chosen = selectors.read(one)
        if context.version >= (1, 18):
            # 1.16 and 1.17 put no demand beside the labels, so that pods with them are selected too.
            chosen = selectors.in_cluster(chosen & selectors.reserved("remote-node"), context.cluster)
        found.add(chosen)
    for name in each.get(f"{side}Entities") or ():
        found |= entities.select(name, context.settings.cluster)
    return frozenset(found)


def _rules(spec: Spec, context: Context) -> Iterator[rule.Rule]:
    guarded = subject(spec)
    for key in sanitize.LISTS:
        is_ingress, is_deny = key.startswith("ingress"), key.endswith("Deny")
        for place, each in enumerate(spec.data.get(key) or ()):
            found = peers(each or {}, spec=spec, context=context, is_ingress=is_ingress)
            parts = level4.parts(each or {})
            is_whole = parts == [level4.EVERY]
            if found is None or (is_whole and found is rule.ANYONE):
                # It speaks of nobody (`ingress: [{}]`) and is a rule all the same: where the mode isolates,
                # a node reaches the pods that any rule selects (`computePolicyEnforcementAndRules`).
                found, parts, is_whole = rule.NOBODY, [level4.EVERY], True
            for part in parts:
                yield rule.Rule(
                    origin=spec.origin,
                    place=f"{spec.path}.{key}[{place}]{part.place}",
                    direction=rule.Direction.INGRESS if is_ingress else rule.Direction.EGRESS,
                    action=rule.Action.DENY if is_deny else rule.Action.ALLOW,
                    subject=guarded,
                    peers=found,
                    ports=part.wanted,
                    layer7=None if is_deny else level4.whole(each or {}) if is_whole else part.narrowing,
                )


def _isolations(spec: Spec) -> Iterator[rule.Isolation]:
    guarded = subject(spec)
    for direction in rule.Direction:
        if denies_by_default(spec.data, direction):
            yield rule.Isolation(spec.origin, direction, guarded)


def denies_by_default(data: Json, direction: rule.Direction) -> bool:
    """Say whether a rule isolates whom it selects: it has any rule of the direction, and is not told not to.

    Told to, without a rule of the direction, it isolates nobody: what isolates are its rules.
    """
    has_any = bool(data.get(direction.value) or data.get(f"{direction.value}Deny"))
    told = (data.get("enableDefaultDeny") or {}).get(direction.value)
    return has_any and told is not False
