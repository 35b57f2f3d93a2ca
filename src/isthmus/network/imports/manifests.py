"""Clusters that manifests describe: kind's configuration and the Cluster API's Cluster.

kind.x-k8s.io/v1alpha4 Cluster has `networking.podSubnet` and `serviceSubnet`; cluster.x-k8s.io Cluster has
`spec.clusterNetwork.{pods,services}.cidrBlocks`, in v1beta1 and v1beta2 alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.model import datapath
from isthmus.network.imports import notes, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import source
    from isthmus.network import imported

KIND: Final = "kind.x-k8s.io/"
CAPI: Final = "cluster.x-k8s.io/"
PROVIDERS: Final = {
    "AWS": datapath.Provider.AWS,
    "GCP": datapath.Provider.GCP,
    "Azure": datapath.Provider.AZURE,
    "Docker": datapath.Provider.KIND,
    "Dev": datapath.Provider.KIND,
}
"""By how the kind of `infrastructureRef` begins: AWSCluster, AWSManagedCluster, GCPManagedCluster ..."""
WORKERS: Final = ("MachineDeployment", "MachinePool", "MachineSet")


def is_read(each: source.Document) -> bool:
    """Say whether a document tells of a cluster, or belongs to one that the Cluster API makes."""
    version = str(objects.dig(each.data, "apiVersion") or "")
    return version.startswith(KIND) or "cluster.x-k8s.io/" in version


def read(found: Sequence[source.Document]) -> list[imported.Live]:
    """Return the clusters among some documents."""
    lives = []
    for each in found:
        version = str(objects.dig(each.data, "apiVersion") or "")
        if objects.dig(each.data, "kind") != "Cluster":
            continue
        if version.startswith(KIND):
            lives.append(_kind(each))
        elif version.startswith(CAPI):
            lives.append(_capi(each, found))
    return lives


def _kind(each: source.Document) -> imported.Live:
    into = notes.Notes(file=each.file, line=each.line())
    into.put("provider", datapath.Provider.KIND, each.file)
    networking = objects.mapping(objects.dig(each.data, "networking"))
    into.ranges("pods", [networking.get("podSubnet") or ""], each.file)
    into.ranges("services", [networking.get("serviceSubnet") or ""], each.file)
    # Without a list kind makes one node (kind.sigs.k8s.io Configuration, Nodes).
    into.count("nodes", len(objects.items(objects.dig(each.data, "nodes"))) or 1, each.file)
    return into.live(str(objects.dig(each.data, "name") or "kind"))


def _capi(each: source.Document, found: Sequence[source.Document]) -> imported.Live:
    told = str(objects.dig(each.data, "metadata", "name") or "")
    into = notes.Notes(file=each.file, line=each.line())
    spec = objects.mapping(objects.dig(each.data, "spec"))
    network = objects.mapping(spec.get("clusterNetwork"))
    for role in ("pods", "services"):
        texts = objects.items(objects.dig(network, role, "cidrBlocks"))
        into.ranges(role, texts, each.file)
    base = objects.mapping(spec.get("infrastructureRef"))
    kind = str(base.get("kind") or "")
    for start, provider in PROVIDERS.items():
        if kind.startswith(start):
            into.put("provider", provider, f"infrastructureRef in {each.file}")
    for ref in (base, objects.mapping(spec.get("controlPlaneRef"))):  # EKS and AKS state it in the second
        _placed(_named(found, str(ref.get("kind")), str(ref.get("name"))), into)
    into.count("nodes", _nodes(each, told, found), each.file)
    return into.live(told)


def _placed(below: source.Document | None, into: notes.Notes) -> None:
    """Note region, account and network of an infrastructure object."""
    if below is None:
        return
    spec = objects.mapping(objects.dig(below.data, "spec"))
    into.put("region", _text(spec.get("region")) or _text(spec.get("location")), below.file)
    into.put("account", _text(spec.get("project")) or _text(spec.get("subscriptionID")), below.file)
    vpc = objects.dig(spec, "network", "vpc", "id") or objects.dig(spec, "network", "name")
    into.put("vpc", _text(vpc), below.file)


def _nodes(each: source.Document, name: str, found: Sequence[source.Document]) -> int:
    """Return the machines of the control plane and of all workers, as far as they are counted."""
    topology = objects.mapping(objects.dig(each.data, "spec", "topology"))
    workers = objects.mapping(topology.get("workers"))
    counts = [objects.dig(topology, "controlPlane", "replicas")]
    for field in ("machineDeployments", "machinePools"):
        counts += [objects.dig(one, "replicas") for one in objects.items(workers.get(field))]
    base = objects.mapping(objects.dig(each.data, "spec", "controlPlaneRef"))
    plane = _named(found, str(base.get("kind")), str(base.get("name")))
    counts.append(objects.dig(plane.data, "spec", "replicas") if plane else None)
    counts += [
        objects.dig(one.data, "spec", "replicas")
        for one in found
        if objects.dig(one.data, "kind") in WORKERS and objects.dig(one.data, "spec", "clusterName") == name
    ]
    return sum(each for each in counts if isinstance(each, int) and not isinstance(each, bool))


def _named(found: Sequence[source.Document], kind: str, name: str) -> source.Document | None:
    for each in found:
        data = each.data
        if objects.dig(data, "kind") == kind and objects.dig(data, "metadata", "name") == name:
            return each
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
