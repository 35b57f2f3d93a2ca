"""Troubles 2 and 3: clusters that do not read one another, by name, by address, by what KVStoreMesh says.

Agents read a cache of their own cluster, so their words about a peer come second: the leg of KVStoreMesh to
the other cluster is looked at first (cilium#29161). Certificates are judged in `trust`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis import addresses, report
from isthmus.analysis.snapshot import Missing, Site, Snapshot, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES: Final = 2
ADDRESS: Final = 3
TLS: Final = 1
KVSTOREMESH: Final = "cilium-kvstoremesh"
AGENTS: Final = "cilium-clustermesh"
PARTS: Final = ("nodes", "endpoints", "identities", "services")
"""What has to be read of a peer before it is ready (cilium-cli, remoteClusterStatusToError)."""
RESTART: Final = "-n kube-system rollout restart deployment/clustermesh-apiserver"
LEGS: Final = (
    ("Cannot resolve hostname", ADDRESS),
    ("Cannot establish TCP connection", ADDRESS),
    ("Cannot establish TLS connection", TLS),
    ("TLS client authentication failed", TLS),
)
"""Words of `kvstoremesh-dbg troubleshoot` (Cilium 1.20 pkg/kvstore/etcd_debug.go), with the trouble."""


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield what keeps clusters from reading one another."""
    for site in seen.meshed:
        if isinstance(site.secrets, Missing):
            yield report.unchecked(NAMES, site, "peers in Secrets", site.secrets)
            yield report.unchecked(ADDRESS, site, "addresses of peers", site.secrets)
        else:
            peers = addresses.configured(site.secret(KVSTOREMESH))
            yield from _names(seen, site, peers)
            yield from _addresses(seen, site, peers)
        yield from _said(seen, site)


# --- names ---------------------------------------------------------------------------------------
def _names(seen: Snapshot, site: Site, peers: dict[str, tuple[str, ...]]) -> Iterator[report.Said]:
    """Compare the keys of both Secrets with the names that clusters have: all three have to be one."""
    others = [each for each in seen.meshed if each is not site]
    if not others:
        return
    known = {each.name for each in seen.answering}
    for name in sorted(set(peers) - known):
        if seen.planned is not None and name not in seen.planned.ids:
            yield report.found(
                NAMES,
                "mesh-peer-unknown",
                site,
                f"it looks for a cluster '{name}', and no cluster has that `cluster-name`",
                seen.up,
                kind="Secret",
                name=KVSTOREMESH,
                evidence=(f"keys of {KVSTOREMESH}: {', '.join(sorted(peers))}", _called(others)),
                explains=frozenset({(site.cluster, name)}),
            )
    for other in others:
        if other.name not in peers:
            yield report.found(
                NAMES,
                "mesh-peer-missing",
                site,
                f"it does not look for {other.cluster}: no key of that name ('{other.name}') is there",
                seen.up,
                kind="Secret",
                name=KVSTOREMESH,
                evidence=(f"keys of {KVSTOREMESH}: {', '.join(sorted(peers)) or 'none'}",),
                explains=frozenset({(site.cluster, other.cluster)}),
            )
    agents = set(addresses.configured(site.secret(AGENTS)))
    for name in sorted(agents ^ set(peers)) if site.secret(AGENTS) else ():
        where, lacks = (AGENTS, KVSTOREMESH) if name in agents else (KVSTOREMESH, AGENTS)
        other_one = seen.named(name)
        if other_one is not None and lacks == KVSTOREMESH:
            continue  # told above
        yield report.found(
            NAMES,
            "mesh-peer-half",
            site,
            f"'{name}' stands in Secret {where} and not in {lacks}: agents ask KVStoreMesh for what it "
            "does not fetch, or the reverse",
            seen.up,
            kind="Secret",
            name=lacks,
            evidence=(
                f"keys of {AGENTS}: {', '.join(sorted(agents))}",
                f"of {KVSTOREMESH}: {', '.join(peers)}",
            ),
        )


def _called(others: list[Site]) -> str:
    return f"cluster-name of the others: {', '.join(each.name for each in others)}"


# --- addresses -----------------------------------------------------------------------------------
def _addresses(seen: Snapshot, site: Site, peers: dict[str, tuple[str, ...]]) -> Iterator[report.Said]:
    for name, listed in peers.items():
        other = seen.named(name)
        if other is None or other is site:
            continue
        if isinstance(other.service, Missing) or isinstance(other.nodes, Missing):
            why = other.service if isinstance(other.service, Missing) else other.nodes
            assert isinstance(why, Missing)
            yield report.unchecked(ADDRESS, other, "the address of its mesh server", why)
            continue
        there = addresses.real(other)
        wrong = [each for each in listed if each not in there and _is_address(each)]
        if wrong:
            yield _wrong(seen, site, other, wrong, there)
        for each in listed:
            if each not in there and not _is_address(each):
                why = Missing(
                    why=f"'{each}' is a name, and the Service of {other.cluster} does not list it: "
                    "whether it resolves to that Service is seen from the nodes alone",
                    remedy=kubectl(other, "-n kube-system get service clustermesh-apiserver -o wide"),
                )
                yield report.unchecked(ADDRESS, site, f"the name of {other.cluster}", why)
        yield from _fragile(site, other, listed)


def _wrong(
    seen: Snapshot, site: Site, other: Site, wrong: list[str], there: tuple[str, ...]
) -> report.Diagnosis:
    return report.found(
        ADDRESS,
        "mesh-address-wrong",
        site,
        f"it looks for the mesh server of {other.cluster} at {', '.join(wrong)}, and no Service or "
        "node of that cluster has this address",
        seen.up,
        kind="Secret",
        name=KVSTOREMESH,
        evidence=(f"{other.cluster} is reached at {', '.join(there) or 'no address yet'}",),
        explains=frozenset({(site.cluster, other.cluster)}),
    )


def _fragile(site: Site, other: Site, listed: tuple[str, ...]) -> Iterator[report.Diagnosis]:
    nodes = addresses.internal(other)
    if addresses.kind(other) == "NodePort" and len(listed) == 1 and len(nodes) > 1:
        yield report.found(
            ADDRESS,
            "mesh-address-one-node",
            site,
            f"it reaches {other.cluster} by one node alone ({listed[0]}) of {len(nodes)}: when that "
            "node goes, so does the peer",
            "name more nodes (isthmus connect up names three), or use `exposure: LoadBalancer`",
            severity=report.Severity.WARNING,
            kind="Secret",
            name=KVSTOREMESH,
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


# --- what KVStoreMesh and agents say -------------------------------------------------------------
def _said(seen: Snapshot, site: Site) -> Iterator[report.Said]:
    mesh = site.kvstoremesh
    if isinstance(mesh, Missing):
        yield report.unchecked(NAMES, site, "what KVStoreMesh says of its peers", mesh)
    waiting = {} if mesh is None or isinstance(mesh, Missing) else {each["name"]: each for each in mesh}
    for name, one in waiting.items():
        if why := unready(one):
            yield _leg(seen, site, name, why)
    if isinstance(site.agents, Missing):
        yield report.unchecked(NAMES, site, "what agents say of their peers", site.agents)
        return
    for name, pods in sorted(_of_agents(site).items()):
        if name in waiting and unready(waiting[name]):
            continue  # the agents wait for KVStoreMesh, which was told of
        yield _agents(seen, site, name, pods)


def unready(one: dict[str, Any]) -> str:
    """Return why a remote cluster is not ready, as its status says it; empty where it is."""
    config = one.get("config") or {}
    if not one.get("connected"):
        return str(one.get("status") or "not connected")
    if config.get("required") and not config.get("retrieved"):
        return "remote cluster configuration required but not found"
    synced = one.get("synced") or {}
    lacking = [part for part in PARTS if not synced.get(part)]
    if lacking:
        return f"synchronization in progress for {', '.join(lacking)}"
    return "" if one.get("ready") else str(one.get("status") or "not ready")


def stage(text: str, name: str) -> tuple[str, int]:
    """Return the first failure that the troubleshooter tells of a cluster, and its trouble."""
    inside = False
    for line in text.splitlines():
        if line.startswith("Cluster "):
            inside = line.startswith(f'Cluster "{name}"')
        elif inside and "❌" in line:
            words = line.partition("❌")[2].strip()
            return words, next((number for start, number in LEGS if words.startswith(start)), NAMES)
    return "", NAMES


def _leg(seen: Snapshot, site: Site, name: str, why: str) -> report.Diagnosis:
    """Tell why KVStoreMesh does not read a peer, by the step at which it fails."""
    words, trouble = stage(site.troubleshoot, name)
    other = seen.named(name)
    pair = frozenset({(site.cluster, other.cluster if other else name)})
    code, remedy = {
        TLS: ("mesh-tls-refused", kubectl(site, RESTART) + " (it may hold certificates of before)"),
        ADDRESS: (
            "mesh-address-unreachable",
            "open the port between the nodes of both clusters (isthmus plan check lists the flows), then: "
            + kubectl(site, "-n kube-system exec deploy/clustermesh-apiserver -c kvstoremesh -- ")
            + "clustermesh-apiserver kvstoremesh-dbg troubleshoot",
        ),
    }.get(trouble, ("mesh-peer-not-ready", kubectl(site, RESTART)))
    return report.found(
        trouble,
        code,
        site,
        f"KVStoreMesh does not read {name}: {words or why}",
        remedy,
        kind="Deployment",
        name="clustermesh-apiserver",
        evidence=tuple(dict.fromkeys((why, words))) if words else (why,),
        explains=pair,
    )


def _of_agents(site: Site) -> dict[str, list[tuple[str, str]]]:
    """Return for each peer the agents that do not have it ready, each with why."""
    found: dict[str, list[tuple[str, str]]] = {}
    assert not isinstance(site.agents, Missing)
    for agent in site.agents:
        if isinstance(agent.status, Missing):
            continue
        for one in (agent.status.get("cluster-mesh") or {}).get("clusters") or ():
            if why := unready(one):
                found.setdefault(str(one.get("name")), []).append((agent.node, why))
    return found


def _agents(seen: Snapshot, site: Site, name: str, pods: list[tuple[str, str]]) -> report.Diagnosis:
    node, why = pods[0]
    more = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
    other = seen.named(name)
    return report.found(
        NAMES,
        "mesh-peer-not-ready",
        site,
        f"the agent of {node}{more} does not read {name}, though KVStoreMesh does: {why}",
        kubectl(site, "-n kube-system rollout restart daemonset/cilium"),
        kind="DaemonSet",
        name="cilium",
        evidence=(why,),
        explains=frozenset({(site.cluster, other.cluster if other else name)}),
    )
