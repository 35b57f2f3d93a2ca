"""Clusters without an istiod (primary-remote) on one flat network: what they and their primary get for it.

istiod writes nothing in a remote. It would make ConfigMap `istio-ca-root-cert` there, but only once it has
read every Secret of that cluster, which it may not (Istio 1.31
pilot/pkg/serviceregistry/kube/controller/multicluster.go waits for all informers of the client). So proxies
get the root with their pod, from the injector, and the webhook's authority is a Helm value.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import gateways, settings
from isthmus.mesh.trust import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.model import fleet

Json = dict[str, Any]
Values = dict[str, Any]

SERVICE: Final = "istiod"
"""The name under which proxies and the webhook seek istiod; its certificate is made out to it."""
GLOBAL: Final = "service.cilium.io/global"
SHARED: Final = "service.cilium.io/shared"
SLICES: Final = "service.cilium.io/global-sync-endpoint-slices"
"""Annotations of Cilium (1.20 pkg/annotation/k8s.go)."""
PORTS: Final = (
    ("grpc-xds", 15010, 15010),
    ("https-dns", 15012, 15012),
    ("https-webhook", 443, 15017),
    ("http-monitoring", 15014, 15014),
)
"""Name, port and target of istiod's own Service: Cilium merges backends by the names (chart `istiod`)."""
TEMPLATE: Final = "isthmus-root"
ROOT: Final = "isthmus.dev/istio-root"
"""Annotation of pods with the root, as PEM."""


def is_remote(known: fleet.Fleet, cluster: fleet.Cluster) -> bool:
    """Say whether a cluster of the mesh uses the istiod of another one."""
    return primary_of(known, cluster) not in {None, cluster.name}


def primary_of(known: fleet.Fleet, cluster: fleet.Cluster) -> str | None:
    """Return the cluster of the istiod that a cluster uses; None outside of the mesh."""
    own = settings.istio(known, cluster)
    return None if own is None else own.primary or cluster.name


def of(known: fleet.Fleet, primary: str) -> tuple[str, ...]:
    """Return the clusters that use the istiod of a primary."""
    return tuple(
        each.name for each in known.clusters if is_remote(known, each) and primary_of(known, each) == primary
    )


def primaries(known: fleet.Fleet) -> tuple[str, ...]:
    """Return the clusters that have an istiod."""
    return tuple(each.name for each in known.clusters if primary_of(known, each) == each.name)


def serving(known: fleet.Fleet) -> tuple[str, ...]:
    """Return the primaries that have remotes."""
    return tuple(name for name in primaries(known) if of(known, name))


def waves(known: fleet.Fleet) -> tuple[tuple[str, ...], ...]:
    """Return one cluster alone, then the others, remotes last."""
    names = [each.name for each in known.clusters]
    late = [each.name for each in known.clusters if is_remote(known, each)]
    early = [name for name in names if name not in late] or names
    first = next((name for name in early if name in serving(known)), early[0])
    found = ([first], [name for name in early if name != first], late if early is not names else [])
    return tuple(tuple(wave) for wave in found if wave)


def service() -> Json:
    """Return the Service by which a remote reaches istiod: ClusterMesh keeps its backends up to date.

    The chart's own has an address written down, and other names of ports than istiod's Service, by which
    Cilium merges backends. EndpointSlices are for API servers outside of Cilium.
    """
    notes = {GLOBAL: "true", SHARED: "false", SLICES: "true"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": gateways.NAMESPACE,
            "labels": {secrets.MANAGED: "isthmus"},
            "annotations": notes,
        },
        "spec": {
            "ports": [
                {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}
                for name, port, target in PORTS
            ]
        },
    }


def bare(body: Mapping[str, Any]) -> Json:
    """Return a live Service of ours without what its server keeps about it, to be written again."""
    meta = body["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
    return {**service(), "metadata": kept}


def is_ours(body: Mapping[str, Any] | None) -> bool:
    """Say whether a Service `istiod` is the one of a remote."""
    return secrets.is_ours(body)


def values(cluster: fleet.Cluster, own: settings.Istio, root: str) -> Values:
    """Return what the chart `istiod` is told in a remote; `root` is PEM.

    Its ConfigMap `istio` is where istiod reads the trust domain of the cluster.
    """
    return {
        "profile": "remote",
        "configMap": True,
        "istiodRemote": {
            "injectionPath": f"/inject/cluster/{cluster.name}/net/{own.network}",
            "injectionCABundle": base64.b64encode(root.encode()).decode(),
        },
    }


def serves(root: str) -> Values:
    """Return what the chart `istiod` is told in a primary with remotes; `root` is PEM."""
    return {
        "pilot": {"serviceAnnotations": {GLOBAL: "true"}},
        "sidecarInjectorWebhook": {
            "defaultTemplates": ["sidecar", TEMPLATE],
            "templates": {TEMPLATE: _template(root)},
        },
    }


def _template(root: str) -> str:
    """Return what is laid over each pod: its root from an annotation, unless its namespace has one.

    Of two sources with the same path a kubelet takes the later one.
    """
    lines = "".join(f"      {line}\n" for line in root.strip().splitlines())
    return (
        "metadata:\n"
        "  annotations:\n"
        f"    {ROOT}: |\n{lines}"
        "spec:\n"
        "  volumes:\n"
        "  - name: istiod-ca-cert\n"
        "    configMap: null\n"
        "    projected:\n"
        "      sources:\n"
        "      - downwardAPI:\n"
        "          items:\n"
        "          - path: root-cert.pem\n"
        "            fieldRef:\n"
        f"              fieldPath: metadata.annotations['{ROOT}']\n"
        "      - configMap:\n"
        "          name: istio-ca-root-cert\n"
        "          optional: true\n"
    )
