"""What is to say about connecting a Fleet, before the first cluster is touched.

What the plan of addresses and the rollout itself have to say is said there.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from isthmus.mesh import settings
from isthmus.model import datapath, finding
from isthmus.rollout.connect import system

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.mesh import cilium
    from isthmus.mesh.trust import secrets
    from isthmus.model import fleet
    from isthmus.rollout.connect import facts as asked

CHART: Final = (
    "write where the chart is: `network: {chart: {path: charts/cilium}}`, "
    "or `chart: {repo: ADDRESS, name: cilium, version: 1.20.2}`"
)


SHOWN: Final = 3
"""Clusters named in one sentence."""


def of_fleet(known: fleet.Fleet, *, needs_chart: bool = True) -> Iterator[finding.Finding]:
    """Yield what the Fleet itself says against connecting it, or beyond what is done."""
    if not settings.uses_cilium(known):
        yield _error(
            "no-cilium",
            "the Fleet says `network: {cni: none}`, so there is nothing to connect",
            "write `network: {cni: cilium}`",
        )
    elif needs_chart and (known.spec.network is None or known.spec.network.chart is None):
        yield _error("no-chart", "the Fleet does not say where Cilium's chart comes from", CHART)


def plain(known: fleet.Fleet) -> Iterator[finding.Finding]:
    """Yield what still crosses in plain when all is done: encapsulation encrypts nothing."""
    if not settings.uses_cilium(known):
        return
    named = [
        each.name
        for each in known.clusters
        if settings.cilium(known, each).datapath.encryption is datapath.Encryption.NONE
    ]
    meshed = {each.name for each in known.clusters if settings.istio(known, each) is not None}
    for names, whose in (
        ([name for name in named if name not in meshed], "what pods send"),
        (
            [name for name in named if name in meshed],
            "what pods without a sidecar send, DNS and kube-system included,",
        ),
    ):
        if names:
            yield _about(
                "plain-path",
                finding.Severity.INFO,
                f"{whose} leaves the nodes of {_some(names)} in plain: a tunnel encrypts nothing",
                "write `network: {encryption: wireguard}` where whoever is on the way must not read it",
            )


def plain_hosts(known: fleet.Fleet) -> Iterator[finding.Finding]:
    """Yield where pods' traffic is encrypted and that of nodes is not.

    WireGuard encrypts what pods of Cilium send; nodes and pods in their network only with `nodeEncryption`,
    which IPsec does not have (Cilium, security/network/encryption).
    """
    names = []
    for each in known.clusters:
        own = settings.cilium(known, each) if settings.uses_cilium(known) else None
        if own is None or own.datapath.encryption is datapath.Encryption.NONE:
            continue
        stated = system.with_own(known, each, {}).get("encryption") or {}
        if own.datapath.encryption is datapath.Encryption.IPSEC or not stated.get("nodeEncryption"):
            names.append(each.name)
    if names:
        yield _about(
            "plain-hosts",
            finding.Severity.INFO,
            f"nodes of {_some(names)}, and pods in their network, send to other nodes in plain: "
            "only what other pods send is encrypted",
            "with WireGuard: `network: {values: {encryption: {nodeEncryption: true}}}`",
        )


def of_cluster(known: fleet.Fleet, cluster: fleet.Cluster, seen: asked.Facts) -> Iterator[finding.Finding]:
    """Yield what one cluster says against it."""
    own = settings.cilium(known, cluster)
    if own.datapath.encryption is datapath.Encryption.IPSEC and not seen.has_ipsec_keys:
        yield _error(
            "no-ipsec-keys",
            f"Secret {system.NAMESPACE}/cilium-ipsec-keys is not there, and agents do not start without it",
            "create it with the same key in every cluster",
            cluster.name,
        )
    if own.kube_proxy_replacement and (cluster.network is None or cluster.network.api_server is None):
        yield from _local_server(cluster, seen)


def _local_server(cluster: fleet.Cluster, seen: asked.Facts) -> Iterator[finding.Finding]:
    host, port = seen.api_server
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if is_local:
        yield _error(
            "api-server-local",
            f"the kubeconfig has the API server at {host}:{port}, which is another machine on each node",
            "write where nodes reach it: `network: {apiServer: HOST:PORT}` of the cluster",
            cluster.name,
        )


def adoption(seen: Mapping[str, asked.Facts], *, adopt: bool) -> Iterator[finding.Finding]:
    """Yield each Cilium that somebody else installed: it is changed only when that is asked for."""
    severity = finding.Severity.WARNING if adopt else finding.Severity.ERROR
    for name, one in seen.items():
        if one.error or one.is_ours:
            continue
        if one.release is not None:
            what = f"{one.release.chart} {one.release.chart_version} at revision {one.release.revision}"
            yield _about(
                "foreign-cilium",
                severity,
                f"Cilium was installed here by somebody else ({what})"
                + (": this operation takes it over, its certificates too" if adopt else ""),
                "look at what would change, then take it over with --adopt"
                if not adopt
                else "agents and peers trust the new authority once every cluster has it; traffic goes on",
                name,
            )
        elif one.has_agents:
            yield _error(
                "cilium-without-helm",
                f"DaemonSet {system.NAMESPACE}/cilium is there, and Helm has no release `{system.NAME}`",
                "manage it with what installed it, or let Helm own its objects first (labels and annotations "
                "of `meta.helm.sh`)",
                name,
            )


def unread(
    errors: Mapping[str, str], told: Sequence[finding.Finding], what: str = "network"
) -> Iterator[finding.Finding]:
    """Yield each cluster of which something could not be read, unless an error tells of it already.

    To go on without would write it as if nothing were there.
    """
    known = {each.cluster for each in told if each.severity is finding.Severity.ERROR}
    for name, why in errors.items():
        if name not in known:
            yield _error(
                "cluster-not-read",
                f"how its {what} stands cannot be read: {why}",
                "`isthmus account up`, or the rights that `isthmus permissions connect` prints",
                name,
            )


def waiting(
    known: fleet.Fleet, peers: Mapping[str, Mapping[str, cilium.Peer]], only: Sequence[str] | None
) -> Iterator[finding.Finding]:
    """Yield each cluster whose address nobody knows yet: a second run finds it."""
    viewers = [each.name for each in known.clusters if only is None or each.name in only]
    for each in known.clusters:
        if all(each.name in peers.get(viewer, {}) for viewer in viewers if viewer != each.name):
            continue
        exposure = settings.cilium(known, each).exposure
        what = (
            "node with an InternalIP"
            if exposure is datapath.Exposure.NODE_PORT
            else "Service with an address"
        )
        yield _about(
            "peer-later",
            finding.Severity.INFO,
            f"its ClusterMesh API server has no {what} yet: the others reach it after a second run",
            "once it has one, run it again: isthmus connect up",
            each.name,
        )


def of_trust(found: Mapping[str, secrets.Trust], *, known: Sequence[str]) -> Iterator[finding.Finding]:
    """Yield certificates of ours that another authority signed: to change them all at once cuts the mesh."""
    for name, trust in found.items():
        others = {
            each.authority
            for each in trust.certificates
            if each.is_ours and each.authority and each.authority not in known
        }
        if others:
            yield _error(
                "other-authority",
                f"its certificates were signed by authority {min(others)[:16]}, this one is {known[0][:16]}",
                "name the authority that signed them: --ca PATH",
                name,
            )


def down(names: Sequence[str]) -> Iterator[finding.Finding]:
    """Yield what taking Cilium out means and leaves."""
    if not names:
        return
    yield _about(
        "no-network",
        finding.Severity.WARNING,
        f"in {_some(names)} new pods get no network then, and those that run lose theirs when their node "
        "restarts",
        "have another CNI ready, or take the workloads out first",
    )
    yield _about(
        "cilium-stays",
        finding.Severity.INFO,
        "what Cilium made by itself stays: CustomResourceDefinitions of cilium.io with their objects, "
        "and programs, interfaces and CNI files on nodes",
        "`kubectl delete crd` those of cilium.io; restart the nodes",
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _error(code: str, message: str, remedy: str, cluster: str | None = None) -> finding.Finding:
    return _about(code, finding.Severity.ERROR, message, remedy, cluster)


def _about(
    code: str, severity: finding.Severity, message: str, remedy: str, cluster: str | None = None
) -> finding.Finding:
    kind = "Fleet" if cluster is None else None
    return finding.Finding(
        code=code, severity=severity, message=message, remedy=remedy, kind=kind, cluster=cluster
    )
