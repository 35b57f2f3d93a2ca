"""What of an intent holds, and by which layer; what no layer holds is said and never quietly widened."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.model import finding
from isthmus.policy import world

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from isthmus.model import access
    from isthmus.policy.intents import ground, parties


@dataclasses.dataclass(frozen=True, slots=True)
class Holding:
    """One part of an intent in one cluster: `layers` hold it; without one, `why` says why not."""

    intent: str
    cluster: str
    part: str
    layers: tuple[str, ...]
    why: str | None = None
    remedy: str | None = None

    @property
    def holds(self) -> bool:
        """Whether any layer holds it."""
        return bool(self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form."""
        return dataclasses.asdict(self) | {"layers": list(self.layers), "holds": self.holds}


def of(
    intent: parties.Intent, grounds: Mapping[str, ground.Ground], guarded: Collection[str]
) -> Iterator[Holding]:
    """Yield what holds of an intent in each cluster of the side that guards it.

    `guarded` are the namespaces that are shut; where neither end is in one, nobody is kept out.
    """
    is_inbound = not intent.destination.is_outside
    party = intent.destination if is_inbound else intent.source
    if party.namespace not in guarded:
        yield from _open(intent, party)
        return
    for cluster in party.clusters:
        here = grounds[cluster]
        yield _who(intent, here, grounds)
        for rule in intent.allow:
            yield from _above(intent, rule, here)


def _open(intent: parties.Intent, party: parties.Party) -> Iterator[Holding]:
    why = f"namespace {party.namespace} is no App's, so nothing is shut there and others get through too"
    remedy = f"make an App of what runs in {party.namespace}, or shut the namespace yourself"
    for cluster in party.clusters:
        yield Holding(intent.title, cluster, "who", (), why, remedy)


def findings(held: Iterable[Holding]) -> Iterator[finding.Finding]:
    """Yield a finding for each part that nothing holds, with the clusters where that is so."""
    where: dict[tuple[str, str, str | None, str | None], list[str]] = {}
    for each in held:
        if not each.holds:
            where.setdefault((each.intent, each.part, each.why, each.remedy), []).append(each.cluster)
    for (intent, part, why, remedy), clusters in where.items():
        namespace, _, name = intent.partition("/")
        yield finding.Finding(
            code="intent-not-holding",
            severity=finding.Severity.WARNING,
            kind="Access",
            namespace=namespace,
            name=name,
            cluster=clusters[0] if len(clusters) == 1 else None,
            message=f"not holding in {', '.join(clusters)}: {part}: {why}",
            remedy=remedy or "",
        )


def _who(intent: parties.Intent, here: ground.Ground, grounds: Mapping[str, ground.Ground]) -> Holding:
    layers = []
    if here.enforcer is world.Enforcer.CILIUM:
        layers.append("cilium")
    elif _is_in_reach(intent, here.cluster):
        layers.append("kubernetes")
    if here.mesh is not world.Mesh.NONE and _is_an_identity(intent, grounds):
        layers.append("istio")
    if layers:
        return Holding(intent.title, here.cluster, "who", tuple(layers))
    if intent.destination.names:
        why = "a NetworkPolicy knows no DNS names, so they stay shut"
    elif intent.source.account:
        why = "a NetworkPolicy knows no service accounts"
    else:
        why = "a NetworkPolicy knows no pods of other clusters, so they stay shut out"
    remedy = "use Cilium (`network.cni: cilium`), which knows them"
    return Holding(intent.title, here.cluster, "who", (), why, remedy)


def _is_in_reach(intent: parties.Intent, cluster: str) -> bool:
    """Say whether NetworkPolicies of one cluster can tell who is meant."""
    if intent.destination.is_outside:
        return not intent.destination.names and intent.source.account is None
    source = intent.source
    return source.is_outside or (source.clusters == (cluster,) and source.account is None)


def _is_an_identity(intent: parties.Intent, grounds: Mapping[str, ground.Ground]) -> bool:
    """Say whether who is meant is just what a certificate proves: an account, or a whole namespace.

    A principal is the same in every cluster of a trust domain, so some clusters of many are no identity.
    """
    source = intent.source
    if source.is_outside or intent.destination.is_outside:
        return False
    meshed = {name for name, each in grounds.items() if each.mesh is not world.Mesh.NONE}
    return meshed <= set(source.clusters) and (source.account is not None or not source.labels)


def _above(intent: parties.Intent, rule: access.Rule, here: ground.Ground) -> Iterator[Holding]:
    """Yield what holds of a rule: its port, the requests, the tables."""
    network = here.enforcer.value
    is_meshed = here.mesh is not world.Mesh.NONE and rule.protocol == "tcp"
    is_tunnelled = here.mesh is world.Mesh.AMBIENT and rule.protocol == "tcp"
    is_inbound = not intent.destination.is_outside
    layers = [] if is_tunnelled and is_inbound else [network]
    layers += ["istio"] if is_meshed and is_inbound else []
    title, port = intent.title, f"port {rule.port}/{rule.protocol}"
    yield Holding(title, here.cluster, port, tuple(layers))
    if rule.http:
        yield _http(title, f"HTTP on {port}", here, is_inbound=is_inbound)
    if rule.cassandra:
        tables = ", ".join(rule.cassandra.tables)
        yield Holding(
            title,
            here.cluster,
            f"{', '.join(rule.cassandra.verbs)} on {tables}",
            (),
            "no layer reads CQL; whoever reaches the port may do what its role in Cassandra may",
            "grant the role no more than this in Cassandra",
        )


def _http(title: str, part: str, here: ground.Ground, *, is_inbound: bool) -> Holding:
    if is_inbound and here.mesh is world.Mesh.SIDECAR:
        return Holding(title, here.cluster, part, ("istio",))
    if is_inbound and here.mesh is world.Mesh.NONE and here.enforcer is world.Enforcer.CILIUM:
        return Holding(title, here.cluster, part, ("cilium",))
    why, remedy = "a NetworkPolicy reads no requests", "use Cilium or Istio's sidecars"
    if not is_inbound:
        why, remedy = "requests are read where they arrive, which is outside", "leave `http` out"
    elif here.mesh is world.Mesh.AMBIENT:
        why, remedy = "ztunnel reads no requests", "put a waypoint before it, or use sidecars"
    return Holding(title, here.cluster, part, (), why, remedy)
