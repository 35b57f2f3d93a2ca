"""Istio beside Cilium: its charts as Apps of the same operation, and what the Fleet says against it.

Values come from `mesh`; `mesh.istio.values` and a cluster's own are merged last. istio-cni is not installed:
pods get their redirection from an init container.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import gateways, readers, remotes, settings
from isthmus.mesh import istio as istios
from isthmus.model import app as apps
from isthmus.model import datapath, document, finding
from isthmus.model import mesh as meshes
from isthmus.rollout.connect import system

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from isthmus.model import chart as charts
    from isthmus.model import fleet
    from isthmus.rollout import release

Json = dict[str, Any]
Values = dict[str, Any]

BASE, ISTIOD, GATEWAY = "istio-base", "istiod", gateways.GATEWAY
RELEASES: Final = (BASE, ISTIOD, GATEWAY)
"""In the order of installation, after Cilium; the gateway where the mesh has several networks."""
TIMEOUT: Final = "10s"
"""How long a starting istiod waits for other clusters. It waits all of it, since it also waits for Secrets
that it may not read. The switch that leaves these out (PILOT_ENABLE_REMOTE_CREDENTIALS_CONTROLLER) makes it
panic as soon as a cluster is synced (seen with 1.31 of 2026-08: pilot/pkg/credentials/kube, HasSynced)."""
CHART_OF: Final[Mapping[str, str]] = {BASE: "base", ISTIOD: "istiod", GATEWAY: "gateway"}
CHARTS: Final = (
    "write where the charts are: `mesh: {istio: {charts: {base: {path: charts/base}, "
    "istiod: {path: charts/istiod}}}}`, or `{repo: ADDRESS, name: istiod, version: 1.30.1}`"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What one cluster says of its Istio; with `error` nothing else is known.

    `remotes` are the Secrets by which its istiod reads others, `rights` the accounts, role and binding of
    ours by which others read it, `policies` all PeerAuthentications; `authority` is that of its API server
    (PEM, base64). `home` is namespace istio-system, `gateway` the Deployment of its east-west gateway,
    `crossing` what that lets in, `nodes` are the InternalIPs of nodes where they lead to it.
    """

    cluster: str
    error: str = ""
    server: str = ""
    authority: str = ""
    releases: Mapping[str, release.Release] = dataclasses.field(default_factory=dict)
    ours: frozenset[str] = frozenset()
    """The releases that an operation of ours wrote."""
    deployment: Json | None = None
    cacerts: Json | None = dataclasses.field(default=None, repr=False)
    managed: Mapping[str, Json] | None = None
    """What asks cert-manager for certificates in istio-system, by name; None where it is not there."""
    has_own_root: bool = False
    """Whether istiod made a root of its own, with its key in the cluster."""
    remotes: Mapping[str, Json] = dataclasses.field(default_factory=dict, repr=False)
    rights: tuple[Json, ...] = ()
    policies: tuple[Json, ...] = ()
    home: Json | None = None
    gateway: Json | None = None
    gateway_service: Json | None = None
    crossing: Json | None = None
    nodes: tuple[tuple[str, ...], ...] = ()
    service: Json | None = None
    """Service `istiod`: of the chart in a primary, ours in a remote."""

    @property
    def accounts(self) -> dict[str, str]:
        """The uids of the accounts by which others read it, by reader."""
        return readers.uids(self.rights)


def members(known: fleet.Fleet) -> tuple[fleet.Cluster, ...]:
    """Return the clusters that have Istio."""
    return tuple(each for each in known.clusters if settings.istio(known, each) is not None)


def names_authorities(known: fleet.Fleet) -> bool:
    """Say whether authorities of clusters have names of ours: somebody else gives other ones."""
    stated = known.spec.trust.istio if known.spec.trust else None
    return stated is None or stated.path is not None


def releases_of(known: fleet.Fleet) -> tuple[str, ...]:
    """Return the releases that each cluster of the mesh has."""
    is_crossed = any(istios.has_gateway(known, each) for each in members(known))
    return RELEASES if is_crossed else (BASE, ISTIOD)


def app(
    known: fleet.Fleet,
    release: str,
    marks: Mapping[str, str],
    addresses: Mapping[str, Mapping[str, Sequence[gateways.Address]]] | None = None,
    root: str = "",
) -> apps.App | None:
    """Return one chart of Istio as an App of the clusters in `marks`; None where there are none.

    A mark names root and authority of a cluster: istiod reads them at its start, so a new one restarts it.
    `addresses` is what each is told of the gateways of each network, `root` is PEM.
    """
    stated = known.spec.mesh.istio.charts if known.spec.mesh and known.spec.mesh.istio else None
    told = addresses or {}
    found = {
        each.name: apps.Member(
            values=values(known, each, release, marks[each.name], told.get(each.name), root),
            membership=system.membership(each),
        )
        for each in members(known)
        if each.name in marks
    }
    chart = getattr(stated, CHART_OF[release], None)
    return _app(known, release, found, chart) if found and chart is not None else None


def shell(known: fleet.Fleet, release: str) -> apps.App:
    """Return one chart as an App of all clusters, without values: it does for looking and for taking out."""
    found = {each.name: apps.Member() for each in known.clusters}
    return _app(known, release, found, apps.Chart(path=release))


def values(
    known: fleet.Fleet,
    cluster: fleet.Cluster,
    release: str,
    mark: str,
    addresses: Mapping[str, Sequence[gateways.Address]] | None = None,
    root: str = "",
) -> Values:
    """Return the Helm values of one chart in one cluster, the user's laid over them."""
    compiled = istios.charts(known, cluster, addresses=addresses, root=root)
    if release == GATEWAY:
        return _gateway(known, cluster, compiled["gateway"])
    # The chart's own reader may read every Secret; ours may not (`readers`).
    plain: Values = {
        "global": {"enableReaderRBAC": False},
        # Else the chart renders another policy at the first installation than later, and istiod changes it.
        "base": {"validationFailurePolicy": "Fail"},
    }
    chart = compiled["base"] if release == BASE else _istiod(known, cluster, compiled["istiod"], mark)
    merged = apps.merge_values(chart, plain)
    base = known.spec.mesh.istio if known.spec.mesh else None
    merged = apps.merge_values(merged, (base.values if base else None) or {})
    return apps.merge_values(merged, (cluster.istio.values if cluster.istio else None) or {})


def _gateway(known: fleet.Fleet, cluster: fleet.Cluster, compiled: Values) -> Values:
    base = known.spec.mesh.istio if known.spec.mesh else None
    for stated in (base, cluster.istio):
        own = stated.gateway if stated else None
        compiled = apps.merge_values(compiled, (own.values if own else None) or {})
    return compiled


def _istiod(known: fleet.Fleet, cluster: fleet.Cluster, compiled: Values, mark: str) -> Values:
    """Return the values of istiod beyond the plan's.

    istiod tells agents of new roots, and agents listen: else a proxy learns of a root only when it renews its
    certificate, half a day later (Istio pilot/pkg/xds/pcds.go; pilot/cmd/pilot-agent/options/options.go).
    """
    if remotes.is_remote(known, cluster):
        return compiled
    pilot: Values = {
        "cni": {"enabled": False},
        "env": {"PILOT_REMOTE_CLUSTER_TIMEOUT": TIMEOUT, "ISTIO_MULTIROOT_MESH": "true"},
        "podAnnotations": {system.TRUSTS: mark},
    }
    if istios.needs_host_network(known, cluster):
        # Two of them cannot share the ports of one node, so the old one goes first.
        pilot |= {"rollingMaxSurge": 0, "rollingMaxUnavailable": 1}
    agents: Values = {"defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": "true"}}}
    return apps.merge_values(compiled, {"pilot": pilot, "meshConfig": agents})


def findings(known: fleet.Fleet) -> Iterator[finding.Finding]:
    """Yield what the Fleet says of Istio that is not done, or would not work."""
    here = members(known)
    if not here:
        return
    stated = known.spec.mesh.istio if known.spec.mesh else None
    yield from _topologies(known)
    if stated is None or stated.charts is None:
        yield _finding("no-istio-charts", "the Fleet does not say where Istio's charts come from", CHARTS)
    elif GATEWAY in releases_of(known) and stated.charts.gateway is None:
        yield _finding(
            "no-istio-charts",
            "the mesh has several networks, and the Fleet does not say where the gateway's chart comes from",
            "write it beside the others: `charts: {gateway: {path: charts/gateway}}`",
        )
    if stated is not None and stated.mtls is meshes.Mtls.PERMISSIVE:
        yield _finding(
            "mtls-permissive",
            "the Fleet says `mtls: permissive`: pods of the mesh take plain traffic too",
            "write `mesh: {istio: {mtls: strict}}` once every caller has a sidecar",
            severity=finding.Severity.WARNING,
        )
    for each in here:
        yield from _of_cilium(known, each)
        yield from _of_gateway(known, each)


def _topologies(known: fleet.Fleet) -> Iterator[finding.Finding]:
    here = {each.name: settings.istio(known, each) for each in members(known)}
    ambient = [name for name, own in here.items() if own and own.mode is meshes.Mode.AMBIENT]
    if ambient:
        yield _later("ambient (ztunnel, waypoints)", "`mode: sidecar`")
    serving = remotes.serving(known)
    if serving and istios.spans_networks(known):
        yield _later(
            "primary-remote over several networks", "one `network` for all, or `topology: multi-primary`"
        )
    if serving and not settings.uses_cilium(known):
        yield _later("primary-remote without ClusterMesh", "`topology: multi-primary`")
    if len(serving) > 1:
        # Cilium merges Services by their name, so a remote would reach the istiod of either.
        yield _later(f"more than one primary with remotes ({', '.join(serving)})", "one of them as `primary`")
    yield from _order(known)


def _order(known: fleet.Fleet) -> Iterator[finding.Finding]:
    """Yield each remote that would come with its primary, or before it."""
    turns = {name: turn for turn, wave in enumerate(system.shell(known).waves) for name in wave}
    for primary in remotes.serving(known):
        for name in remotes.of(known, primary):
            if name in turns and primary in turns and turns[name] <= turns[primary]:
                yield _finding(
                    "remote-before-primary",
                    f"its istiod is that of {primary}, which does not come in an earlier wave",
                    f"write `network: {{rollout: {{waves: [[{primary}], [{name}]]}}}}`",
                    name,
                )


def changed(
    known: fleet.Fleet, seen: Mapping[str, Facts], chosen: Collection[str]
) -> Iterator[finding.Finding]:
    """Yield where a cluster would change sides in place, or come without its primary."""
    for name in chosen:
        one, cluster = seen[name], known.cluster(name)
        if remotes.is_remote(known, cluster) and one.deployment is not None:
            yield _finding(
                "istiod-in-remote",
                "it has an istiod, and the Fleet says that it uses that of "
                f"{remotes.primary_of(known, cluster)}",
                f"isthmus connect down --only {name}, with the Fleet as it was; then isthmus connect up",
                name,
            )
        if not remotes.is_remote(known, cluster) and remotes.is_ours(one.service):
            yield _finding(
                "was-remote",
                "it used the istiod of another cluster, and the Fleet says that it has its own",
                f"isthmus connect down --only {name}; then isthmus connect up",
                name,
            )
        primary = remotes.primary_of(known, cluster)
        if primary and primary not in chosen and ISTIOD not in seen[primary].releases:
            yield _finding(
                "no-primary",
                f"its istiod is that of {primary}, where none is"
                + (f": {seen[primary].error}" if seen[primary].error else ""),
                f"isthmus connect up --only {primary},{name}",
                name,
            )


def rooted(known: fleet.Fleet) -> tuple[finding.Finding, ...]:
    """Return why the root of Istio is not replaced: pods of remotes have it from their making on."""
    late = [name for primary in remotes.serving(known) for name in remotes.of(known, primary)]
    if not late:
        return ()
    return (
        _finding(
            "root-in-pods",
            f"the root of Istio is not replaced where clusters have no istiod ({', '.join(late)}): their "
            "pods get it when they are made, and trust no istiod below another one",
            "take Istio out of them and give it back afterwards, or write `topology: multi-primary`",
        ),
    )


def orphaned(
    known: fleet.Fleet, seen: Mapping[str, Facts], gone: Collection[str]
) -> Iterator[finding.Finding]:
    """Yield each remote that would stay without its primary."""
    for primary in remotes.serving(known):
        left = [
            name for name in remotes.of(known, primary) if name not in gone and ISTIOD in seen[name].releases
        ]
        if primary in gone and left:
            yield _finding(
                "remotes-left",
                f"{', '.join(left)} would have no istiod: no pod with a sidecar starts there then",
                f"isthmus connect down --only {','.join([*left, primary])}",
                primary,
            )


def _of_gateway(known: fleet.Fleet, cluster: fleet.Cluster) -> Iterator[finding.Finding]:
    """Yield a gateway that other networks would not reach."""
    own = settings.istio(known, cluster)
    if (
        own is not None
        and own.exposure is datapath.Exposure.CLUSTER_IP
        and istios.has_gateway(known, cluster)
    ):
        yield _finding(
            "gateway-cluster-ip",
            "its east-west gateway would have a ClusterIP, which other networks do not reach",
            "write `mesh: {istio: {gateway: {exposure: LoadBalancer}}}`, or NodePort",
            cluster.name,
        )


def _of_cilium(known: fleet.Fleet, cluster: fleet.Cluster) -> Iterator[finding.Finding]:
    """Yield the Helm values of Cilium by which Istio would not work, though the Fleet asks for both."""
    own = (known.spec.network.values if known.spec.network else None) or {}
    own = apps.merge_values(own, (cluster.network.values if cluster.network else None) or {})
    if dig(own, "cni", "exclusive") is True:
        yield _finding(
            "cilium-excludes-istio",
            "the values of Cilium say `cni.exclusive: true`, which renames Istio's CNI configuration away",
            "take it out of `network.values`",
            cluster.name,
        )
    if (
        settings.cilium(known, cluster).kube_proxy_replacement
        and dig(own, "socketLB", "hostNamespaceOnly") is False
    ):
        yield _finding(
            "cilium-before-sidecar",
            "the values of Cilium say `socketLB.hostNamespaceOnly: false`: with kubeProxyReplacement a "
            "ClusterIP is resolved before the sidecar sees it, so nothing is mTLS (cilium#16583)",
            "take it out of `network.values`",
            cluster.name,
        )


def adoption(seen: Mapping[str, Facts], *, adopt: bool) -> Iterator[finding.Finding]:
    """Yield each Istio that somebody else installed: it is changed only when that is asked for."""
    severity = finding.Severity.WARNING if adopt else finding.Severity.ERROR
    for name, one in seen.items():
        foreign = [each for each in one.releases if each not in one.ours]
        if foreign:
            yield _finding(
                "foreign-istio",
                f"release {' and '.join(foreign)} was installed here by somebody else"
                + (": this operation takes it over" if adopt else ""),
                "look at what would change, then take it over with --adopt"
                if not adopt
                else "sidecars get certificates of the new root when their pods restart",
                name,
                severity=severity,
            )
        elif one.deployment is not None and ISTIOD not in one.releases:
            yield _finding(
                "istio-without-helm",
                f"Deployment {readers.NAMESPACE}/istiod is there, and Helm has no release `{ISTIOD}`",
                "manage it with what installed it (istioctl, an operator), or let Helm own its objects first",
                name,
            )


def dig(body: Any, *path: str) -> Any:
    """Return what stands at a path of nested mappings; None where nothing does."""
    for key in path:
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


def _app(known: fleet.Fleet, release: str, found: Mapping[str, apps.Member], chart: charts.Chart) -> apps.App:
    base = system.shell(known)
    waves = tuple(tuple(name for name in wave if name in found) for wave in base.waves)
    rollout = base.spec.rollout.model_copy(update={"waves": tuple(wave for wave in waves if wave)})
    return apps.App(
        metadata=document.Metadata(name=release, namespace=readers.NAMESPACE),
        spec=apps.AppSpec(chart=chart, release=release, clusters=dict(found), rollout=rollout),
    )


def _later(what: str, instead: str) -> finding.Finding:
    return _finding(
        "istio-not-implemented",
        f"{what} is not implemented by connect yet; `isthmus plan render istio` has its values",
        f"write {instead}",
    )


def _finding(
    code: str,
    message: str,
    remedy: str,
    cluster: str | None = None,
    *,
    severity: finding.Severity = finding.Severity.ERROR,
) -> finding.Finding:
    kind = "Fleet" if cluster is None else None
    return finding.Finding(
        code=code, severity=severity, message=message, remedy=remedy, kind=kind, cluster=cluster
    )
