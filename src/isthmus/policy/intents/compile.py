"""All intents of a folder to the objects of each cluster, and what of them holds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import settings
from isthmus.policy import world
from isthmus.policy.intents import base, cilium, ground, holding, istio, kubernetes, parties

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import folder

Json = dict[str, Any]
INTENT: Final = "isthmus.dev/access"
"""The label by which objects are found again: `NAMESPACE.NAME` of their intent, or BASE."""
BASE: Final = "default-deny"


@dataclasses.dataclass(frozen=True, slots=True)
class Compiled:
    """Objects by cluster, in the order of the intents, and what holds of each intent."""

    objects: Mapping[str, tuple[Json, ...]]
    held: tuple[holding.Holding, ...]


def compile(read: folder.Folder) -> Compiled:  # noqa: A001  # the verb of a compiler, always with its module
    """Return what the Accesses of a folder come to."""
    intents = parties.read(read.fleet, read.apps, read.accesses)
    grounds = ground.of(read.fleet)
    guarded = {each.namespace for each in read.apps}
    objects = {
        name: (*_base(read, here), *_of_cluster(intents, here, grounds, guarded))
        for name, here in grounds.items()
    }
    held = tuple(each for intent in intents for each in holding.of(intent, grounds, guarded))
    return Compiled(objects, held)


def _base(read: folder.Folder, here: ground.Ground) -> Iterator[Json]:
    """Yield the default deny of each App's namespace in its clusters."""
    cluster = next(each for each in read.fleet.clusters if each.name == here.cluster)
    own = settings.istio(read.fleet, cluster)
    istiods = (own.primary or here.cluster,) if own else ()
    namespaces = dict.fromkeys(each.namespace for each in read.apps if here.cluster in each.spec.clusters)
    networks = {each.network for one in read.fleet.clusters if (each := settings.istio(read.fleet, one))}
    for namespace in namespaces:
        found = base.of(namespace, here, istiods=istiods, gateways=len(networks) > 1)
        yield from (_labelled(each, BASE) for each in found)


def _of_cluster(
    intents: Sequence[parties.Intent],
    here: ground.Ground,
    grounds: Mapping[str, ground.Ground],
    guarded: set[str],
) -> Iterator[Json]:
    for intent in intents:
        made = _cilium if here.enforcer is world.Enforcer.CILIUM else _kubernetes
        found = list(made(intent, here, grounds, guarded))
        if intent.destination.namespace in guarded:
            found += _istio(intent, here, grounds)
        yield from (_labelled(each, f"{intent.namespace}.{intent.name}") for each in found)


def _cilium(
    intent: parties.Intent, here: ground.Ground, grounds: Mapping[str, ground.Ground], guarded: set[str]
) -> Iterator[Json]:
    sides: dict[tuple[str, tuple[tuple[str, str], ...], str | None], Json] = {}
    is_tunnelled = _is_tunnelled(intent, grounds)
    if here.cluster in intent.destination.clusters:
        reads = here.mesh is world.Mesh.NONE
        rules = cilium.ingress(intent, is_tunnelled=is_tunnelled, reads_http=reads)
        sides.setdefault(_key(intent.destination), {})["ingress"] = rules
    if here.cluster in intent.source.clusters:
        rules = cilium.egress(intent, here.cluster, is_tunnelled=is_tunnelled)
        sides.setdefault(_key(intent.source), {})["egress"] = rules
    for party in (intent.destination, intent.source):
        rules_of = sides.pop(_key(party), None) if not party.is_outside else None
        if rules_of is not None:
            spec: Json = {"endpointSelector": cilium.selector(party)}
            if party.namespace not in guarded:
                # Nobody asked to shut this namespace: the rules allow and isolate nothing.
                spec["enableDefaultDeny"] = dict.fromkeys(rules_of, False)
            yield cilium.policy(intent.name_in(party.namespace), party.namespace, {**spec, **rules_of})


def _key(party: parties.Party) -> tuple[str, tuple[tuple[str, str], ...], str | None]:
    return party.namespace, party.labels, party.account


def _is_tunnelled(intent: parties.Intent, grounds: Mapping[str, ground.Ground]) -> bool:
    """Say whether ambient's tunnel carries it: both ends in the mesh, and one of them by ztunnel."""
    modes = {grounds[each].mesh for each in (*intent.source.clusters, *intent.destination.clusters)}
    is_inside = not (intent.source.is_outside or intent.destination.is_outside)
    return is_inside and world.Mesh.NONE not in modes and world.Mesh.AMBIENT in modes


def _kubernetes(
    intent: parties.Intent, here: ground.Ground, _: Mapping[str, ground.Ground], guarded: set[str]
) -> Iterator[Json]:
    """Yield NetworkPolicies; one isolates what it selects, so namespaces that nobody shut get none."""
    source, destination = intent.source, intent.destination
    ports = kubernetes.ports(intent.allow)
    specs: list[tuple[parties.Party, Json]] = []
    if here.cluster in destination.clusters and (source.is_outside or here.cluster in source.clusters):
        rule = {"from": kubernetes.peers(source), "ports": ports}
        specs.append((destination, {"policyTypes": ["Ingress"], "ingress": [rule]}))
    is_near = bool(destination.addresses) or here.cluster in destination.clusters
    if here.cluster in source.clusters and is_near:
        rule = {"to": kubernetes.peers(destination), "ports": ports}
        specs.append((source, {"policyTypes": ["Egress"], "egress": [rule]}))
    for party, spec in specs:
        if party.account is None and party.namespace in guarded:
            side = spec["policyTypes"][0].lower()
            name = f"{intent.name_in(party.namespace)}-{side}"
            whole = {"podSelector": kubernetes.selector(party), **spec}
            yield kubernetes.policy(name, party.namespace, whole)


def _istio(
    intent: parties.Intent, here: ground.Ground, grounds: Mapping[str, ground.Ground]
) -> Iterator[Json]:
    if here.mesh is world.Mesh.NONE or here.cluster not in intent.destination.clusters:
        return
    made = istio.authorization(intent, grounds, reads_http=here.mesh is world.Mesh.SIDECAR)
    if made is not None:
        yield made
        if not here.is_strict:
            yield istio.strict(intent)


def _labelled(each: Json, intent: str) -> Json:
    return {**each, "metadata": {**each["metadata"], "labels": {INTENT: intent}}}
