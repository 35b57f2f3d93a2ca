"""Target `dns`: stub zones per cluster, in the form that the cluster's own DNS takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.mesh import dns
from isthmus.model import datapath, errors
from isthmus.render.files import emit, request

if TYPE_CHECKING:
    from isthmus.model import fleet

RESTART = "The DNS pods read it after a restart. Names are answered only where pods can reach each other."


def zones(wish: request.Request) -> request.Files:
    """Return the stub zones of each cluster that has something to forward."""
    namespaces = _namespaces(wish)
    servers = wish.known("dns")
    files: dict[str, str] = {}
    for each in wish.clusters:
        if found := dns.stubs(each.cluster.name, namespaces, servers):
            files |= _file(each.cluster, found)
    if not files:
        raise errors.InputError(
            "no cluster has a namespace of another to forward",
            why="stub zones follow the namespaces of Apps, and no App runs in another cluster than these",
            remedy="add a document of kind App with a namespace of its own, or leave out the target `dns`",
        )
    return files


def _namespaces(wish: request.Request) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {each.name: set() for each in wish.fleet.clusters}
    for app in wish.folder.apps:
        for cluster in app.spec.clusters:
            found.setdefault(cluster, set()).add(app.namespace)
    return {cluster: tuple(sorted(names)) for cluster, names in found.items()}


def _file(cluster: fleet.Cluster, found: dns.Stubs) -> dict[str, str]:
    if cluster.provider is datapath.Provider.GCP:
        notes = ["Merge stubDomains into the ConfigMap where it has others.", RESTART]
        return {f"{cluster.name}.yaml": emit.yaml_text("dns", [dns.kube_dns(found)], notes)}
    if cluster.provider is datapath.Provider.AZURE:
        return {f"{cluster.name}.yaml": emit.yaml_text("dns", [dns.coredns_custom(found)], [RESTART])}
    notes = ["Append this to the key Corefile of ConfigMap coredns in kube-system.", RESTART]
    return {f"{cluster.name}.Corefile": emit.header("dns", notes) + dns.corefile(found)}
