"""The objects that probes are made of, in each cluster: two pods, global Services, a policy.

Where Istio is on the pods and Services are there once more, with sidecars, in a namespace of their own.
Pure: it writes nothing. Every object carries the run that made it, so that what a killed run left is known.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.rollout import exposure
from isthmus.rollout.connect.proof import questions

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
Space = questions.Space

NAMESPACE: Final = Space.PLAIN.value
NAME: Final = "probe"
IMAGE: Final = "isthmus.dev/lab/busybox:v1"
"""The image that labs have; docs/connect.md says how to build one for other clusters."""
PODS: Final = 2
"""One asks and one answers: a pod that asks itself proves nothing of a network."""
POLICY: Final = "deny-tcp"
APP: Final = "isthmus.dev/probe"
"""The label of everything that verify makes; its value is the cluster of a pod, `verify` elsewhere."""
RUN: Final = "isthmus.dev/probe-run"
"""The label that says which run made it."""
MADE: Final = "isthmus.dev/made-by"
"""The annotation of a namespace that verify made itself and so takes away."""
GLOBAL: Final = exposure.GLOBAL
INJECT: Final = "sidecar.istio.io/inject"
SIDECAR: Final = "istio-proxy"
"""The container that Istio's webhook adds."""
LABELS: Final = {
    Space.PLAIN: {"pod-security.kubernetes.io/enforce": "restricted"},
    # Without istio-cni the sidecar's init container redirects the pod's traffic: it runs as root with
    # NET_ADMIN and NET_RAW, which only `privileged` lets a pod add. The probe itself stays restricted.
    Space.MESHED: {"istio-injection": "enabled", "pod-security.kubernetes.io/enforce": "privileged"},
}
LEAN: Final = {"sidecar.istio.io/proxyCPU": "10m", "sidecar.istio.io/proxyMemory": "64Mi"}
"""What a sidecar asks of a node, for so few requests."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probes:
    """The probes of one run: which, of what image, and among which clusters."""

    run: str
    image: str
    clusters: tuple[str, ...]
    meshed: tuple[str, ...] = ()
    """The clusters that have probes with a sidecar too."""
    exports: bool = False
    """Whether each cluster exports a Service to the clusterset."""

    @property
    def selector(self) -> str:
        """What finds this run's objects."""
        return f"{APP},{RUN}={self.run}"

    def members(self, space: Space) -> tuple[str, ...]:
        """Return the clusters with probes in a namespace."""
        return self.clusters if space is Space.PLAIN else self.meshed


def namespace(space: Space = Space.PLAIN) -> Json:
    """Return a namespace, under the strictest Pod Security level that its pods bear."""
    metadata = {
        "name": space.value,
        "labels": dict(LABELS[space]),
        "annotations": {MADE: "isthmus connect verify"},
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def account(probes: Probes, cluster: str) -> Json:
    """Return the account of a cluster's probes with a sidecar: by it others tell the clusters apart."""
    metadata = _metadata(probes, questions.account(cluster), Space.MESHED)
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def deployment(probes: Probes, cluster: str, space: Space = Space.PLAIN) -> Json:
    """Return the two pods of a cluster, on two nodes where there are two."""
    labels = _labels(probes, cluster)
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread],
        "containers": [_container(probes, cluster)],
    }
    metadata: Json = {"labels": labels}
    if space is Space.MESHED:
        spec["serviceAccountName"] = questions.account(cluster)
        metadata = {"labels": {**labels, INJECT: "true"}, "annotations": dict(LEAN)}
    elif cluster in probes.meshed:
        metadata = {"labels": {**labels, INJECT: "false"}}  # Istio can be told to inject everywhere
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(probes, NAME, space),
        "spec": {
            "replicas": PODS,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": metadata, "spec": spec},
        },
    }


def services(probes: Probes, space: Space = Space.PLAIN) -> tuple[Json, ...]:
    """Return the global Services: one with backends in every cluster, and for each cluster one of its own."""
    shared = _service(probes, questions.SERVICE, {RUN: probes.run}, space)
    own = (
        _service(probes, questions.name_of(each), _labels(probes, each), space)
        for each in probes.members(space)
    )
    return (shared, *own)


def exported(probes: Probes, cluster: str) -> tuple[Json, Json]:
    """Return a Service that is in one cluster alone and not global, and its export to the clusterset."""
    name = questions.exported(cluster)
    metadata = _metadata(probes, name)
    service = _service(probes, name, _labels(probes, cluster), Space.PLAIN) | {"metadata": metadata}
    return service, {"apiVersion": exposure.API, "kind": exposure.EXPORT, "metadata": metadata}


def policy(probes: Probes) -> Json:
    """Return the policy that leaves HTTP and UDP open and denies the port that is asked over TCP."""
    opened = [
        {"protocol": "TCP", "port": questions.HTTP},
        {"protocol": "UDP", "port": questions.UDP},
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(probes, POLICY),
        "spec": {
            "podSelector": {"matchLabels": {RUN: probes.run}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": opened}],
        },
    }


def of(probes: Probes, cluster: str) -> tuple[Json, ...]:
    """Return what a cluster is given before anything is asked, in that order."""
    plain = (namespace(), deployment(probes, cluster), *services(probes))
    named = exported(probes, cluster) if probes.exports else ()
    if cluster not in probes.meshed:
        return (*plain, *named)
    return (
        *(*plain, *named, namespace(Space.MESHED), account(probes, cluster)),
        *(deployment(probes, cluster, Space.MESHED), *services(probes, Space.MESHED)),
    )


def names(found: Sequence[Json]) -> list[str]:
    """Return each object as Kind name; outside of the namespace of plain probes as Kind namespace/name."""
    return [f"{each['kind']} {_place(each['metadata'])}{each['metadata']['name']}" for each in found]


def _place(metadata: Json) -> str:
    place = metadata.get("namespace", NAMESPACE)
    return "" if place == NAMESPACE else f"{place}/"


def _container(probes: Probes, cluster: str) -> Json:
    return {
        "name": NAME,
        "image": probes.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["probe", "serve"],
        "env": [{"name": "PROBE_NAME", "value": cluster}],
        "ports": [
            {"name": "http", "containerPort": questions.HTTP},
            {"name": "tcp", "containerPort": questions.TCP},
            {"name": "udp", "containerPort": questions.UDP, "protocol": "UDP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _service(probes: Probes, name: str, selector: dict[str, str], space: Space) -> Json:
    metadata = _metadata(probes, name, space)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, "annotations": {GLOBAL: "true"}},
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": questions.HTTP, "targetPort": questions.HTTP}],
        },
    }


def _metadata(probes: Probes, name: str, space: Space = Space.PLAIN) -> Json:
    return {"name": name, "namespace": space.value, "labels": {APP: "verify", RUN: probes.run}}


def _labels(probes: Probes, cluster: str) -> dict[str, str]:
    return {APP: cluster, RUN: probes.run}
