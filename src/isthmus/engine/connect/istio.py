"""Istio beside Cilium: asks each cluster what it has, and drafts its releases for the same operation.

The root comes in; where its key lies is not known here. What is written, the operation writes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds, kube, kubeconfig, releases
from isthmus.engine import beside as besides
from isthmus.engine import draft as drafts
from isthmus.engine import issued
from isthmus.engine import voters as voting
from isthmus.engine import world as worlds
from isthmus.engine.connect import look as looks
from isthmus.mesh import gateways as crossings
from isthmus.mesh import istio as istios
from isthmus.mesh import readers, remotes, settings
from isthmus.mesh.trust import intermediate, secrets, sources
from isthmus.model import datapath, errors, finding
from isthmus.rollout import manifest
from isthmus.rollout.connect import changes, closings, gateways, istio, system
from isthmus.rollout.connect import findings as saying

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from isthmus.model import fleet
    from isthmus.model import plan as plans

Json = dict[str, Any]

OWN_ROOT = "istio-ca-secret"
ROLES = (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING, kinds.ROLE, kinds.ROLE_BINDING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drafted:
    """Istio's part of a draft: the releases to add, the values that change, what is to say, and the end."""

    drafts: tuple[drafts.Draft, ...] = ()
    values: tuple[changes.ValueChange, ...] = ()
    findings: tuple[finding.Finding, ...] = ()
    closings: tuple[plans.Closing, ...] = ()


async def look(world: worlds.World, known: fleet.Fleet) -> dict[str, istio.Facts]:
    """Return what each cluster of the Fleet says of its Istio."""

    async def one(name: str) -> istio.Facts:
        own = settings.istio(known, known.cluster(name))
        by_nodes = own is not None and own.exposure is datapath.Exposure.NODE_PORT
        needs_nodes = by_nodes and istios.has_gateway(known, known.cluster(name))
        return await _look(world.cluster(name), known.cluster(name), needs_nodes=needs_nodes)

    found = await worlds.each(tuple(each.name for each in known.clusters), one)
    return {
        name: istio.Facts(cluster=name, error=world.secrets.clean(str(seen)))
        if isinstance(seen, errors.IsthmusError)
        else seen
        for name, seen in found.items()
    }


async def up(
    world: worlds.World,
    known: fleet.Fleet,
    *,
    folder: Path,
    source: sources.Source,
    chosen: Collection[str],
    adopt: bool = False,
) -> Drafted:
    """Draft what brings the clusters that are chosen to the Fleet's Istio, with authorities of a source."""
    if any(each.severity is finding.Severity.ERROR for each in istio.findings(known)):
        return Drafted(findings=tuple(istio.findings(known)))
    seen = await look(world, known)
    names = [each.name for each in istio.members(known) if each.name in chosen and not seen[each.name].error]
    now = world.clock.now()
    trust = {
        name: sources.settle(
            source,
            known.name,
            name,
            seen[name].cacerts,
            standing=seen[name].managed,
            random=os.urandom,
            now=now,
        )
        for name in names
        if name in remotes.primaries(known)
    }
    marks = dict.fromkeys(names, "") | {
        name: sources.mark(source, each, seen[name].cacerts) for name, each in trust.items()
    }
    made, values = list[drafts.Draft](), list[changes.ValueChange]()
    addresses = {name: gateways.of(known, name, seen) for name in names}
    for release in istio.releases_of(known):
        app = istio.app(known, release, marks, addresses, intermediate.pem(source.roots))
        if app is None:
            continue
        beside = {name: _beside(known, name, release, seen[name], trust.get(name)) for name in names}
        made.append(await drafts.up(world, app, known, folder=folder, only=names, beside=beside, key=_key()))
        for name in names:
            old = seen[name].releases.get(release)
            found = changes.of(name, old.config if old else {}, app.values_for(name))
            values += [dataclasses.replace(each, path=f"{release}: {each.path}") for each in found]
    picked = {name: seen[name] for name in names}
    failed = {
        each.name: seen[each.name].error
        for each in istio.members(known)
        if each.name in chosen and seen[each.name].error
    }
    return Drafted(
        drafts=tuple(made),
        values=tuple(values),
        findings=(
            *istio.findings(known),
            *saying.unread(failed, (), "Istio"),
            *istio.adoption(picked, adopt=adopt),
            *itertools.chain.from_iterable(
                sources.findings(source, name, seen[name].cacerts, standing=seen[name].managed, now=now)
                for name in trust
            ),
            *istio.changed(known, seen, names),
            *_roots({name: seen[name] for name in trust}, trust, source, adopt=adopt),
            *itertools.chain.from_iterable(_local(known, one) for one in picked.values()),
            *gateways.findings(known, picked, adopt=adopt),
            *gateways.left(known, chosen, seen),
            *closings.findings(known, names, seen),
        ),
        closings=closings.of(known, names, seen, now=now, adopt=adopt),
    )


async def down(
    world: worlds.World, known: fleet.Fleet, *, only: Sequence[str] | None = None, adopt: bool = False
) -> Drafted:
    """Draft taking Istio out where it is, with all of ours that stands beside it."""
    seen = await look(world, known)
    there = {
        name: one
        for name, one in seen.items()
        if not one.error and (only is None or name in only) and (one.releases or _ours(one))
    }
    if not there:
        return Drafted()
    made = []
    for release in istio.RELEASES:
        if release == istio.GATEWAY and not any(release in one.releases for one in there.values()):
            continue
        draft = await drafts.down(world, istio.shell(known, release), known, only=tuple(there), key=_key())
        if release != istio.BASE:
            ours = _crossing if release == istio.GATEWAY else _ours
            names = {name: ours(one) for name, one in there.items()}
            draft = dataclasses.replace(draft, plan=besides.with_names(draft.plan, names))
        if release == istio.ISTIOD:
            draft = drafts.leaving(draft, {name: gateways.unlabelled(one) for name, one in there.items()})
        made.append(dataclasses.replace(draft, plan=besides.deleted(draft.plan)))
    return Drafted(
        drafts=tuple(made),
        findings=(
            *istio.adoption(there, adopt=adopt),
            *istio.orphaned(known, seen, tuple(there)),
            *_stays(seen, there),
        ),
    )


async def _look(server: kube.Cluster, cluster: fleet.Cluster, *, needs_nodes: bool) -> istio.Facts:
    home = readers.NAMESPACE
    if await server.get(kinds.NAMESPACE, home) is None:
        # Nothing can be in it, and who has no Role there is refused what there cannot be.
        wide = [await _one(server, kind) for kind in ROLES if not kind.namespaced]
        return dataclasses.replace(
            await _bare(server, cluster), rights=tuple(itertools.chain.from_iterable(wide))
        )
    own, gateway, others, policies, rights, histories = await asyncio.gather(
        asyncio.gather(
            server.get(kinds.SECRET, intermediate.SECRET, home),
            server.get(kinds.SECRET, OWN_ROOT, home),
            server.get(kinds.DEPLOYMENT, istio.ISTIOD, home),
            issued.standing(server, home),
            server.get(kinds.SERVICE, remotes.SERVICE, home),
        ),
        _gateway(server, needs_nodes=needs_nodes),
        server.list(kinds.SECRET, home, labels=f"{readers.REMOTE}=true"),
        _policies(server),
        _rights(server),
        asyncio.gather(*(releases.history(server, each, home) for each in istio.RELEASES)),
    )
    cacerts, own_root, deployment, managed, service = own
    found = dict(zip(istio.RELEASES, histories, strict=True))
    standing = {name: each[-1] for name, each in found.items() if each and each[-1].status != "uninstalled"}
    return dataclasses.replace(
        await _bare(server, cluster, policies),
        releases=standing,
        ours=frozenset(name for name in standing if looks.is_ours(found[name])),
        deployment=deployment,
        cacerts=cacerts,
        managed=managed,
        has_own_root=own_root is not None,
        remotes={_remote(body): body for body in others},
        service=service,
        rights=rights,
        **gateway,
    )


async def _bare(
    server: kube.Cluster, cluster: fleet.Cluster, policies: tuple[Json, ...] | None = None
) -> istio.Facts:
    """Return what is known of a cluster whatever is in istio-system."""
    host, port = system.api_server(cluster, looks.address(server.server))
    entry = kubeconfig.for_token(server.config, "")["clusters"][0]["cluster"]
    return istio.Facts(
        cluster=server.name,
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        authority=str(entry.get("certificate-authority-data") or ""),
        policies=policies if policies is not None else await _policies(server),
    )


async def _gateway(server: kube.Cluster, *, needs_nodes: bool) -> dict[str, Any]:
    """Return what Facts has of an east-west gateway."""
    home, name, kind = readers.NAMESPACE, crossings.GATEWAY, kinds.GATEWAY
    namespace, workload, service, is_known = await asyncio.gather(
        server.get(kinds.NAMESPACE, home),
        server.get(kinds.DEPLOYMENT, name, home),
        server.get(kinds.SERVICE, name, home),
        server.resolve(kind.api_version, kind.kind),
    )
    needs_nodes = needs_nodes or gateways.is_on_nodes(service)
    return {
        "home": namespace,
        "gateway": workload,
        "gateway_service": service,
        "crossing": await server.get(kind, crossings.CROSSING, home) if is_known else None,
        "nodes": await looks.nodes(server) if needs_nodes else (),
    }


async def _rights(server: kube.Cluster) -> tuple[Json, ...]:
    """Return the accounts by which others read this cluster, and what they may do, as far as it is ours."""
    accounts, *roles = await asyncio.gather(
        server.list(kinds.SERVICE_ACCOUNT, readers.NAMESPACE, labels=f"{secrets.MANAGED}=isthmus"),
        *(_one(server, kind) for kind in ROLES),
    )
    return tuple(itertools.chain(accounts, *roles))


async def _one(server: kube.Cluster, kind: kinds.Kind) -> list[Json]:
    found = await server.get(kind, readers.ROLE, readers.NAMESPACE if kind.namespaced else None)
    return [found] if found is not None and manifest.is_own(found) else []


async def _policies(server: kube.Cluster) -> tuple[Json, ...]:
    kind = kinds.PEER_AUTHENTICATION
    if await server.resolve(kind.api_version, kind.kind) is None:
        return ()
    return tuple(await server.list(kind))


def _remote(body: Json) -> str:
    """Return which cluster a remote Secret is for: its annotation says so, or the key of its data."""
    noted = (body["metadata"].get("annotations") or {}).get(readers.CLUSTER)
    return str(noted or next(iter(body.get("data") or {}), body["metadata"]["name"]))


def _beside(
    known: fleet.Fleet, name: str, release: str, seen: istio.Facts, trust: secrets.Trust | None
) -> besides.Beside:
    """Return what stands beside a chart: with istiod its authority and the accounts of those who read it."""
    if release == istio.BASE:
        return besides.Beside()
    if release == istio.GATEWAY:
        before = (gateways.bare(seen.crossing),) if seen.crossing is not None else ()
        return besides.Beside(objects=(gateways.crossing(),), before=before)
    others = tuple(each for each in remotes.primaries(known) if each != name)
    if trust is None:
        was = (remotes.bare(seen.service),) if seen.service and remotes.is_ours(seen.service) else ()
        return besides.Beside(
            objects=(*readers.rights(others), remotes.service()),
            before=(*map(readers.bare, seen.rights), *was),
        )
    patch = istios.patch(known, known.cluster(name))
    return besides.Beside(
        objects=(*trust.objects, *readers.rights(others)),
        before=(*trust.before, *map(readers.bare, seen.rights)),
        hidden=(*secrets.keys(trust.objects), *secrets.keys(trust.before)),
        after=(patch,) if patch is not None else (),
        parts=gateways.label(known, seen),
    )


def _ours(one: istio.Facts) -> list[str]:
    """Return what of ours stands beside the charts of a cluster."""
    found = [
        besides.label(readers.POLICY, readers.NAMESPACE, kinds.PEER_AUTHENTICATION.kind)
        for body in one.policies
        if manifest.is_own(body)
        and (body["metadata"]["namespace"], body["metadata"]["name"]) == (readers.NAMESPACE, readers.POLICY)
    ]
    found += [
        besides.label(body["metadata"]["name"], readers.NAMESPACE)
        for body in one.remotes.values()
        if secrets.is_ours(body)
    ]
    found += [
        besides.label(name, readers.NAMESPACE, kinds.CERTIFICATE.kind)  # before its Secret, which it makes
        for name, body in (one.managed or {}).items()
        if name == intermediate.SECRET and secrets.is_ours(body)
    ]
    if secrets.is_ours(one.cacerts):
        found.append(besides.label(intermediate.SECRET, readers.NAMESPACE))
    if remotes.is_ours(one.service):
        found.append(besides.label(remotes.SERVICE, readers.NAMESPACE, kinds.SERVICE.kind))
    return found + [besides.label_of(body) for body in one.rights]


def _crossing(one: istio.Facts) -> list[str]:
    """Return what of ours stands beside the chart of a gateway."""
    is_ours = one.crossing is not None and manifest.is_own(one.crossing)
    name = besides.label(crossings.CROSSING, readers.NAMESPACE, kinds.GATEWAY.kind)
    return [name] if is_ours else []


def _roots(
    seen: Mapping[str, istio.Facts],
    trust: Mapping[str, secrets.Trust],
    source: sources.Source,
    *,
    adopt: bool,
) -> list[finding.Finding]:
    """Return where another root is in force: pods of two roots refuse each other until all restarted."""
    found = []
    for name, one in seen.items():
        before = trust[name].certificates[0]
        foreign = one.cacerts is not None and not set(source.anchors) & set(before.trusts)
        if not foreign and not (one.has_own_root and one.cacerts is None and one.deployment is not None):
            continue
        what = before.trusts[0][:16] if foreign and before.trusts else "one that istiod made itself"
        found.append(
            finding.Finding(
                code="other-root",
                severity=finding.Severity.WARNING if adopt else finding.Severity.ERROR,
                message=f"pods here trust another root ({what}), the Fleet's is {source.anchors[0][:16]}: "
                "until all of them have restarted, those of the old and of the new one refuse each other",
                remedy="restart the meshed workloads after it"
                if adopt
                else "put that root beside the authority as `istio/ca.crt` and `istio/ca.key`, or --adopt",
                cluster=name,
            )
        )
    return found


def _local(known: fleet.Fleet, one: istio.Facts) -> list[finding.Finding]:
    """Return what is wrong with where other clusters would reach an API server."""
    host = looks.address(one.server)[0]
    if len(istio.members(known)) < 2 or not looks.is_loopback(host):
        return []
    return [
        finding.Finding(
            code="api-server-local",
            severity=finding.Severity.ERROR,
            message=f"the istiod of other clusters cannot reach the API server at {one.server}",
            remedy="write where they do: `network: {apiServer: HOST:PORT}` of the cluster",
            cluster=one.cluster,
        )
    ]


def _stays(seen: Mapping[str, istio.Facts], there: Mapping[str, istio.Facts]) -> list[finding.Finding]:
    """Return what taking Istio out means and leaves."""
    found = [
        finding.Finding(
            code="istio-stays",
            severity=finding.Severity.INFO,
            message="what Istio made by itself stays: CustomResourceDefinitions of istio.io with their "
            "objects, namespace istio-system, ConfigMap istio-ca-root-cert in each namespace; and pods keep "
            "their sidecars until they are replaced, without new certificates",
            remedy="restart meshed workloads; then `kubectl delete crd` those of istio.io",
        )
    ]
    found += [
        finding.Finding(
            code="still-read",
            severity=finding.Severity.WARNING,
            message=f"istiod still tries to read {remote}, which has no Istio then",
            remedy=f"kubectl -n {readers.NAMESPACE} delete secret {readers.name(remote)}",
            cluster=name,
        )
        for name, one in seen.items()
        for remote in one.remotes
        if name not in there and remote in there
    ]
    return found


def _key() -> str:
    """Return what the network's operation keeps its bundles under: Istio's are among them."""
    return voting.app_key(system.NAMESPACE, system.NAME)
