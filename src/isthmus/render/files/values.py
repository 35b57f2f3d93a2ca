"""Targets `cilium` and `istio`: Helm values per cluster, from the compilers of `mesh`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.mesh import cilium as ciliums
from isthmus.mesh import gateways, settings
from isthmus.mesh import istio as istios
from isthmus.model import datapath, errors
from isthmus.render.files import emit, request
from isthmus.rollout.connect import system

if TYPE_CHECKING:
    from isthmus.model import fleet

Gateways = dict[str, tuple[gateways.Address, ...]]
"""Addresses by network."""
RELEASES: Final = {
    "base": "istio-base",
    "istiod": "istiod",
    "cni": "istio-cni",
    "ztunnel": "ztunnel",
    "gateway": gateways.GATEWAY,
}
"""Helm release by chart."""


def cilium(wish: request.Request) -> request.Files:
    """Return the Helm values of Cilium of each cluster."""
    peers = _peers(wish)
    files = {}
    for each in wish.clusters:
        compiled = system.values(wish.plan, each, peers=peers, api_server=_api_server(each.cluster))
        told = system.with_own(wish.fleet, each.cluster, compiled)
        files[f"values-{each.cluster.name}.yaml"] = emit.yaml_text(
            "cilium", [told], _cilium_notes(wish, each.cluster)
        )
    return files


def _peers(wish: request.Request) -> dict[str, ciliums.Peer]:
    return {name: _peer(found) for name, found in wish.known("mesh").items()}


def _peer(found: tuple[str, ...]) -> ciliums.Peer:
    """Return an entry: a name where letters say so, else IP addresses; `:port` behind the last."""
    *front, last = found
    host, port = last, ciliums.MESH_PORT
    if last.count(":") == 1 and last.rpartition(":")[2].isdigit():
        host, port = last.rpartition(":")[0], int(last.rpartition(":")[2])
    hosts = (*front, host)
    is_name = len(hosts) == 1 and ":" not in host and any(each.isalpha() for each in host)
    return ciliums.Peer(address=host, port=port) if is_name else ciliums.Peer(ips=hosts, port=port)


def _api_server(cluster: fleet.Cluster) -> tuple[str, int] | None:
    # kind names the container of the control plane so, and its network resolves the name.
    is_kind = cluster.provider is datapath.Provider.KIND
    return (f"{cluster.name}-control-plane", 6443) if is_kind else None


def _cilium_notes(wish: request.Request, cluster: fleet.Cluster) -> list[str]:
    own = settings.cilium(wish.fleet, cluster)
    notes = [
        f"helm upgrade --install cilium cilium/cilium --namespace kube-system -f values-{cluster.name}.yaml"
    ]
    others = [each.name for each in wish.fleet.clusters if each.name != cluster.name]
    missing = [name for name in others if name not in wish.known("mesh")]
    if others:
        notes.append("Secret cilium-ca must hold the same CA in every cluster before this is installed.")
    if missing:
        few = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        notes.append(f"clustermesh.config.clusters waits for addresses: --at mesh.CLUSTER=ADDRESS ({few}).")
    if own.datapath.encryption is datapath.Encryption.IPSEC:
        notes.append("Secret cilium-ipsec-keys in kube-system must hold the same key in every cluster.")
    if own.kube_proxy_replacement and _api_server(cluster) is None:
        notes.append("Add k8sServiceHost and k8sServicePort: without kube-proxy the agent needs them.")
    return notes


def istio(wish: request.Request) -> request.Files:
    """Return the Helm values, objects and patch of Istio of each cluster in the mesh."""
    pilots = {name: found[0] for name, found in wish.known("pilot").items()}
    addresses = _gateways(wish)
    files: dict[str, str] = {}
    for each in wish.clusters:
        files |= _istio(wish.fleet, each.cluster, pilots, addresses)
    if not files:
        raise errors.InputError(
            "no cluster to render is in an Istio mesh",
            why="`spec.mesh.istio` is not there, or off in these clusters",
            remedy="write `mesh: {istio: {}}` in the Fleet, or leave out the target `istio`",
        )
    return files


def _gateways(wish: request.Request) -> Gateways:
    """Return the addresses of east-west gateways by network; without a port it is the gateway's own."""
    found: Gateways = {}
    given = wish.known("gateway")
    for network, names in istios.networks(wish.fleet).items():
        for name in names:
            found[network] = (*found.get(network, ()), *map(_gateway, given.get(name, ())))
    return found


def _gateway(text: str) -> gateways.Address:
    host, _, port = text.rpartition(":")
    is_split = port.isdigit() and (host.count(":") == 0 or host.endswith("]")) and bool(host)
    return gateways.Address(host.strip("[]"), int(port)) if is_split else gateways.Address(text.strip("[]"))


def _gateway_notes(known: fleet.Fleet, addresses: Gateways) -> list[str]:
    """Return what istiod still has to be told of gateways: those behind nodes' ports it does not find."""
    waiting = [
        each.name
        for each in known.clusters
        if (own := settings.istio(known, each))
        and istios.has_gateway(known, each)
        and own.exposure is datapath.Exposure.NODE_PORT
        and not addresses.get(own.network)
    ]
    few = ", ".join(waiting[:3]) + (", ..." if len(waiting) > 3 else "")
    return (
        [f"global.meshNetworks waits for addresses of nodes: --at gateway.CLUSTER=ADDRESS:PORT ({few})."]
        if waiting
        else []
    )


def _istio(
    known: fleet.Fleet, cluster: fleet.Cluster, pilots: dict[str, str], addresses: Gateways
) -> dict[str, str]:
    files = {}
    for chart, told in istios.charts(known, cluster, pilots=pilots, addresses=addresses).items():
        name = f"{cluster.name}/{chart}.yaml"
        release = f"{RELEASES[chart]} istio/{chart}"
        install = f"helm upgrade --install {release} --namespace {gateways.NAMESPACE} -f {chart}.yaml"
        notes = _gateway_notes(known, addresses) if chart == "istiod" else []
        files[name] = emit.yaml_text("istio", [told], [install, *notes])
    if objects := istios.objects(known, cluster):
        notes = ["The namespace comes before the charts, the rest after them.", *_trust(known)]
        files[f"{cluster.name}/objects.yaml"] = emit.yaml_text("istio", objects, notes)
    if patch := istios.patch(known, cluster):
        notes = [
            "Lay this over the rendered chart istiod: the API server cannot reach a pod in the overlay, so",
            "the injector must be on the host network, and the chart has no value for it (istio#45738).",
        ]
        files[f"{cluster.name}/istiod-patch.yaml"] = emit.yaml_text("istio", [patch], notes)
    return files


def _trust(known: fleet.Fleet) -> list[str]:
    if len(known.clusters) == 1:
        return []
    return ["Secret cacerts, with one root for all clusters, and the remote secrets come before istiod."]
