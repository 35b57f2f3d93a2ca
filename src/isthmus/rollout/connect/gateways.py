"""East-west gateways between several networks of Istio: where each is reached, and what is to say of them.

A load balancer's address every istiod finds by itself, by the label of the Service, and follows. Addresses
of nodes it does not, so they are written into its `meshNetworks`; those that are named stay while the node
exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import gateways, settings
from isthmus.mesh import istio as istios
from isthmus.mesh.trust import secrets
from isthmus.model import datapath, finding
from isthmus.rollout import manifest, part
from isthmus.rollout.connect import istio, peers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from isthmus.model import fleet

Json = dict[str, Any]
Addresses = dict[str, tuple[gateways.Address, ...]]
"""By network."""

HOME: Final = gateways.NAMESPACE


def of(known: fleet.Fleet, viewer: str, seen: Mapping[str, istio.Facts]) -> Addresses:
    """Return what the istiod of one cluster is told of the gateways of each network, as far as it must be."""
    if not istios.spans_networks(known):
        return {}
    before = _told(seen[viewer])
    found: Addresses = {}
    for name, names in istios.networks(known).items():
        here = _of_nodes(known, names, seen, before.get(name, ()))
        if here:
            found[name] = here
    return found


def _of_nodes(
    known: fleet.Fleet,
    names: list[str],
    seen: Mapping[str, istio.Facts],
    before: tuple[gateways.Address, ...],
) -> tuple[gateways.Address, ...]:
    """Return the nodes that lead into a network; of a cluster that is silent those that were named before."""
    found: list[gateways.Address] = []
    foreign = {text for name in names for node in seen[name].nodes for text in node}
    for name in names:
        own = settings.istio(known, known.cluster(name))
        if own is None or own.exposure is not datapath.Exposure.NODE_PORT:
            continue
        if seen[name].error:
            found += [each for each in before if each.host not in foreign]
            continue
        port = own.node_port or gateways.NODE_PORT
        family = settings.underlay(known, known.cluster(name))
        stays = [each.host for each in before]
        found += [gateways.Address(text, port) for text in peers.nodes(seen[name].nodes, family, stays)]
    return tuple(dict.fromkeys(found))


def _told(one: istio.Facts) -> Addresses:
    """Return what an istiod was told of gateways by its release."""
    release = one.releases.get(istio.ISTIOD)
    stated = istio.dig(release.config, "global", "meshNetworks") if release is not None else None
    found: Addresses = {}
    for name, each in (stated or {}).items():
        listed = istio.dig(each, "gateways") or ()
        found[name] = tuple(
            gateways.Address(str(one["address"]), int(one.get("port") or gateways.SNI_PORT))
            for one in listed
            if one.get("address")
        )
    return found


def reached(known: fleet.Fleet, one: istio.Facts) -> tuple[str, ...]:
    """Return where other networks reach the gateway of a cluster, as HOST:PORT; names as they are."""
    service = one.gateway_service or {}
    ports = {each.get("name"): each for each in (service.get("spec") or {}).get("ports") or ()}
    port = ports.get("tls") or {}
    if is_on_nodes(service):
        family = settings.underlay(known, known.cluster(one.cluster))
        hosts, number = peers.nodes(one.nodes, family, ()), port.get("nodePort")
    else:
        hosts, number = tuple(peers.ingress(service)), port.get("port")
    return tuple(str(gateways.Address(host, int(number))) for host in hosts) if number else ()


def is_on_nodes(service: Mapping[str, Any] | None) -> bool:
    """Say whether a Service is reached at nodes alone."""
    return bool(istio.dig(service, "spec", "type") == "NodePort")


def crossing() -> Json:
    """Return what lets sidecars of other networks in, marked as ours."""
    body = gateways.crossing()
    return {**body, "metadata": {**body["metadata"], "labels": {secrets.MANAGED: "isthmus"}}}


def bare(body: Mapping[str, Any]) -> Json:
    """Return a live Gateway without what its server keeps about it, to be written again."""
    meta = {key: body["metadata"][key] for key in ("name", "namespace", "labels") if key in body["metadata"]}
    return {**{key: body[key] for key in ("apiVersion", "kind", "spec")}, "metadata": meta}


def label(known: fleet.Fleet, one: istio.Facts) -> tuple[part.Part, ...]:
    """Return what tells every istiod the network of a cluster, or takes that away where there is but one."""
    held = network(one)
    own = settings.istio(known, known.cluster(one.cluster))
    if own is None or not istios.has_gateway(known, known.cluster(one.cluster)):
        return unlabelled(one)
    return (_part(own.network, held),)


def unlabelled(one: istio.Facts) -> tuple[part.Part, ...]:
    """Return what takes the label away where it is ours."""
    is_ours = gateways.NETWORK in part.owned(one.home or {}, "metadata", "labels")
    return (_part(None, network(one)),) if is_ours else ()


def _part(wanted: str | None, before: str | None) -> part.Part:
    def labels(value: str | None) -> Json:
        return {"metadata": {"labels": {gateways.NETWORK: value} if value else {}}}

    return part.Part(
        api_version="v1", kind="Namespace", namespace=None, name=HOME,
        body=labels(wanted), before=labels(before), only_on=True,
    )  # fmt: skip


def network(one: istio.Facts) -> str | None:
    """Return the network that a cluster is labelled with."""
    found = istio.dig(one.home, "metadata", "labels", gateways.NETWORK)
    return str(found) if found else None


def findings(
    known: fleet.Fleet, seen: Mapping[str, istio.Facts], *, adopt: bool
) -> Iterator[finding.Finding]:
    """Yield what stands against the gateways of some clusters, and each that nobody asks for any more."""
    for name, one in seen.items():
        own = settings.istio(known, known.cluster(name))
        if own is None or one.error:
            continue
        if not istios.has_gateway(known, known.cluster(name)):
            if istio.GATEWAY in one.releases:
                yield _about(
                    "gateway-left",
                    f"release {istio.GATEWAY} is here, and the mesh has one network: it is left as it is",
                    f"helm --namespace {HOME} uninstall {istio.GATEWAY}; "
                    f"kubectl -n {HOME} delete gateways.networking.istio.io {gateways.CROSSING}",
                    name,
                    severity=finding.Severity.WARNING,
                )
            continue
        if one.crossing is not None and not manifest.is_own(one.crossing) and not adopt:
            yield _about(
                "foreign-gateway",
                f"Gateway {HOME}/{gateways.CROSSING} was made here by somebody else",
                "look at what would change, then take it over with --adopt",
                name,
            )
        is_nodes = own.exposure is datapath.Exposure.NODE_PORT
        family = settings.underlay(known, known.cluster(name))
        if is_nodes and not peers.nodes(one.nodes, family, ()):
            yield _about(
                "gateway-later",
                "no node has an InternalIP yet: other networks reach its gateway after a second run",
                "once one has, run it again: isthmus connect up",
                name,
                severity=finding.Severity.INFO,
            )


def left(
    known: fleet.Fleet, chosen: Collection[str], seen: Mapping[str, istio.Facts]
) -> Iterator[finding.Finding]:
    """Yield each cluster that an operation leaves out although its istiod is told other gateways then.

    The operation writes `meshNetworks` of the clusters that it is for, and of no other.
    """
    for each in istio.members(known):
        one = seen[each.name]
        if each.name in chosen or one.error or istio.ISTIOD not in one.releases:
            continue
        now, wanted = _told(one), of(known, each.name, seen)
        changed = sorted(
            name for name in {*now, *wanted} if set(now.get(name, ())) != set(wanted.get(name, ()))
        )
        if changed:
            yield _about(
                "networks-later",
                f"this leaves its istiod with old addresses of network {', '.join(changed)} (meshNetworks)",
                f"isthmus connect up --only {each.name}",
                each.name,
                severity=finding.Severity.WARNING,
            )


def judge(
    known: fleet.Fleet, one: istio.Facts, seen: Mapping[str, istio.Facts], told: Mapping[str, tuple[str, ...]]
) -> Iterator[finding.Finding]:
    """Yield what is wrong with the gateway of a cluster, and with what its istiod knows of the others.

    `told` is what istiod says: the gateways of each network.
    """
    own = settings.istio(known, known.cluster(one.cluster))
    if own is None or not istios.has_gateway(known, known.cluster(one.cluster)):
        return
    if network(one) != own.network:
        yield _about(
            "network-label",
            f"namespace {HOME} says {gateways.NETWORK}: {network(one) or 'nothing'}; it is {own.network}",
            "isthmus connect up",
            one.cluster,
        )
    if one.gateway is not None and istio.dig(one.gateway, "spec", "replicas") == 0:
        yield _about(
            "gateway-off",
            "its east-west gateway is scaled to 0: nothing of other networks comes in",
            f"kubectl -n {HOME} scale deployment/{gateways.GATEWAY} --replicas=1",
            one.cluster,
        )
    if istio.GATEWAY in one.releases and one.crossing is None:
        yield _about(
            "gateway-closed",
            f"there is no Gateway {HOME}/{gateways.CROSSING}: its gateway lets nothing in",
            "isthmus connect up",
            one.cluster,
        )
    if one.gateway_service is not None and not reached(known, one):
        yield _about(
            "gateway-no-address",
            f"Service {HOME}/{gateways.GATEWAY} has no address: nothing of other networks comes in",
            f"kubectl -n {HOME} describe service {gateways.GATEWAY}",
            one.cluster,
        )
    yield from _known(known, one, seen, told)


def _known(
    known: fleet.Fleet, one: istio.Facts, seen: Mapping[str, istio.Facts], told: Mapping[str, tuple[str, ...]]
) -> Iterator[finding.Finding]:
    """Yield the networks that this istiod sends to elsewhere than where their gateways are."""
    own = settings.istio(known, known.cluster(one.cluster))
    wanted = of(known, one.cluster, seen)
    for other, names in istios.networks(known).items():
        if own is None or other == own.network:
            continue
        now = told.get(other, ())
        if not now:
            yield _about(
                "gateway-unknown",
                f"istiod knows no gateway of network {other} ({', '.join(names)}): it sends to pods directly",
                f"isthmus connect up; does Service {HOME}/{gateways.GATEWAY} there have an address?",
                one.cluster,
            )
            continue
        missing = {str(each) for each in wanted.get(other, ())} - set(now)
        if missing:
            yield _about(
                "gateway-differs",
                f"istiod sends to network {other} at {', '.join(now)}, and its gateway is at "
                f"{', '.join(sorted(missing))} too",
                "isthmus connect up",
                one.cluster,
            )


def _about(
    code: str,
    message: str,
    remedy: str,
    cluster: str,
    *,
    severity: finding.Severity = finding.Severity.ERROR,
) -> finding.Finding:
    return finding.Finding(code=code, severity=severity, message=message, remedy=remedy, cluster=cluster)
