"""Trouble 4: packets between nodes that do not arrive, whatever the control planes say.

What each agent's health probe and, where asked, probe pods saw; nothing is sent from here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis import peering, report
from isthmus.analysis.snapshot import Agent, Missing, Site, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TROUBLE: Final = 4
NO_RESULT: Final = Missing(why="its health probe has no result yet", remedy="ask again in a minute")
OFF: Final = Missing(
    why="health checks between nodes are off (`enable-health-checking` of cilium-config)",
    remedy="`healthChecking: true` and `endpointHealthChecking.enabled: true` in Helm's values",
)
LEGS: Final = ("pod-tcp", "pod-udp")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """One way from a node to another that its agent probed."""

    source: str
    """The node."""
    target: str
    """CLUSTER/NODE, by the name of the cluster in the mesh."""
    over: str
    """`node` for the underlay, `overlay` for the health endpoint behind it."""
    address: str
    """What was asked: an address of the node, or of its health endpoint."""
    why: str
    """Empty where it answered."""
    when: str = ""
    """The time of the probe, as its agent writes it."""

    @property
    def is_dead(self) -> bool:
        """Say whether nothing came back."""
        return bool(self.why)


def ways(agent: Agent) -> tuple[Way, ...]:
    """Return what an agent knows of the ways to all nodes; what it never probed is left out.

    A report of `cilium-health` is up to two rounds old (three minutes in a small mesh), so a way that was
    dead then and takes a connection now is not dead. Source: `pkg/health/server/prober.go` of Cilium, which
    publishes the results of a round when the next one begins.
    """
    if isinstance(agent.health, Missing):
        return ()
    found = []
    for node in agent.health.get("nodes") or ():
        name = str(node.get("name") or "")
        legs = {
            "node": (node.get("host") or {}).get("primary-address"),
            "overlay": (node.get("health-endpoint") or {}).get("primary-address"),
        }
        found += [
            Way(source=agent.node, target=name, over=over, why=why, when=_when(leg), address=_address(leg))
            for over, leg in legs.items()
            if (why := _why(leg)) is not None
        ]
    return tuple(dataclasses.replace(way, why="") if way.address in agent.answering else way for way in found)


def _address(leg: Mapping[str, Any] | None) -> str:
    return str((leg or {}).get("ip") or "")


def _why(leg: Mapping[str, Any] | None) -> str | None:
    """Return why neither ICMP nor HTTP came through, empty where one did, None where it was never tried.

    One of both is often shut by a firewall on purpose, so one answer proves the way.
    """
    tried = [each for each in ((leg or {}).get("icmp"), (leg or {}).get("http")) if each and _is_tried(each)]
    if not tried:
        return None
    said = [str(each.get("status") or "") for each in tried]
    return "" if "" in said else said[0]


def _when(leg: Mapping[str, Any] | None) -> str:
    """Return when the later of both probes was sent."""
    return max(str(((leg or {}).get(name) or {}).get("lastProbed") or "") for name in ("icmp", "http"))


def _is_tried(probe: Mapping[str, Any]) -> bool:
    last = str(probe.get("lastProbed") or "")
    return bool(last) and not last.startswith("0001-")


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield pairs of clusters between which packets die, and agents that could not be asked."""
    known: dict[str, list[Way]] = {}
    for site in seen.answering:
        if site.setting("enable-health-checking") == "false":
            yield report.unchecked(TROUBLE, site, "packets between nodes", OFF)
        elif isinstance(site.agents, Missing):
            yield report.unchecked(TROUBLE, site, "packets between nodes", site.agents)
        else:
            yield from _unasked(seen, site, site.agents)
            known[site.cluster] = [way for agent in site.agents for way in ways(agent)]
    for site in seen.answering:
        for target in seen.answering:
            yield from _pair(seen, site, target, known.get(site.cluster, []))
    yield from _probed(seen)


def _unasked(seen: Snapshot, site: Site, agents: Sequence[Agent]) -> Iterator[report.Unchecked]:
    """Yield agents that gave no answer, once for each reason, and clusters that nobody probed yet."""
    reasons: dict[Missing, list[str]] = {}
    for agent in agents:
        why = agent.health if isinstance(agent.health, Missing) else None
        if why is None and not ways(agent):
            why = NO_RESULT
        if why is not None:
            reasons.setdefault(why, []).append(agent.node)
    for why, nodes in reasons.items():
        yield report.unchecked(TROUBLE, site, f"packets from {_some(nodes)}", why)
    if reasons or len(seen.meshed) < 2 or not site.is_meshed:
        return
    reached = {way.target.partition("/")[0] for agent in agents for way in ways(agent)}
    for other in seen.meshed:
        if other is not site and other.name not in reached:
            yield report.unchecked(TROUBLE, site, f"packets to {other.cluster}", NO_RESULT)


def _pair(seen: Snapshot, site: Site, target: Site, known: Sequence[Way]) -> Iterator[report.Diagnosis]:
    between = [way for way in known if way.target.partition("/")[0] == target.name]
    dead = [way for way in between if way.is_dead]
    if not dead:
        return
    under = [way for way in dead if way.over == "node"]
    where = f"between nodes of {site.cluster}" if site is target else f"to {target.cluster}"
    green = ", although its control plane reads that cluster" if _is_green(site, target) else ""
    yield report.found(
        TROUBLE,
        "nodes-unreachable" if under else "overlay-dead",
        site,
        f"{len(dead)} of {len(between)} ways {where} are dead{green}: {dead[0].why}",
        _remedy(site, is_under=bool(under)),
        severity=report.Severity.WARNING if _is_past(seen, site, target) else report.Severity.ERROR,
        evidence=tuple(
            f"{way.source} → {way.target} ({way.over}): {way.why} at {way.when}" for way in dead[:5]
        ),
        explains=frozenset({(site.cluster, target.cluster)}),
    )


def _is_past(seen: Snapshot, site: Site, target: Site) -> bool:
    """Say whether pods were answered now: agents probe each node once in a minute or several."""
    proofs = () if isinstance(seen.proofs, Missing) else seen.proofs
    said = [each.state for each in proofs if each.leg in LEGS
            and (each.source, each.target) == (site.cluster, target.cluster)]  # fmt: skip
    return bool(said) and all(state == "ok" for state in said)


def _remedy(site: Site, *, is_under: bool) -> str:
    if is_under:
        return (
            "open the way between the InternalIPs of the nodes (routes, peering, firewall; NAT and "
            "ExternalIPs do not do): isthmus plan check lists every flow"
        )
    if site.setting("routing-mode") == "native":
        return "route the pod ranges between the nodes of both clusters: isthmus plan check lists them"
    port = site.setting("tunnel-port") or {"geneve": "6081"}.get(site.setting("tunnel-protocol"), "8472")
    return (
        f"open UDP {port} between the nodes of both clusters, in both directions: isthmus plan check lists it"
    )


def _is_green(site: Site, target: Site) -> bool:
    """Say whether the control planes call the other cluster ready."""
    if site is target or isinstance(site.agents, Missing):
        return False
    mesh = () if site.kvstoremesh is None or isinstance(site.kvstoremesh, Missing) else site.kvstoremesh
    if any(each.get("name") == target.name and peering.unready(each) for each in mesh):
        return False  # agents call a peer ready for a while, out of their own cluster's cache
    said = [
        one.get("ready")
        for agent in site.agents
        if not isinstance(agent.status, Missing)
        for one in (agent.status.get("cluster-mesh") or {}).get("clusters") or ()
        if one.get("name") == target.name
    ]
    return bool(said) and all(said)


def _probed(seen: Snapshot) -> Iterator[report.Said]:
    """Yield what probe pods found dead; without them the agents' own probes have to do."""
    if isinstance(seen.proofs, Missing):
        return
    dead: dict[tuple[str, str], list[str]] = {}
    for proof in seen.proofs:
        if proof.leg in LEGS and proof.state == "failed":
            dead.setdefault((proof.source, proof.target), []).append(f"{proof.leg}: {proof.why}")
        elif proof.leg in LEGS and proof.state == "not-proved":
            site = seen.sites[proof.source]
            yield report.unchecked(TROUBLE, site, f"{proof.leg} to {proof.target}", Missing(why=proof.why))
    for (source, target), words in dead.items():
        yield report.found(
            TROUBLE,
            "pods-unreachable",
            seen.sites[source],
            f"a pod here does not reach one in {target} by its IP: {words[0]}",
            _remedy(seen.sites[source], is_under=False),
            evidence=tuple(words),
            explains=frozenset({(source, target)}),
        )


def _some(nodes: Sequence[str]) -> str:
    more = len(nodes) - 3
    return ", ".join(nodes[:3]) + (f" and {more} more" if more > 0 else "")
