"""The objects that probes are made of, in each cluster: two pods, global Services, a policy.

Pure: it writes nothing. Every object carries the run that made it, so that what a killed run left is known.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.rollout.connect.proof import questions

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

NAMESPACE: Final = "isthmus-probe"
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
GLOBAL: Final = "service.cilium.io/global"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probes:
    """The probes of one run: which, of what image, and among which clusters."""

    run: str
    image: str
    clusters: tuple[str, ...]

    @property
    def selector(self) -> str:
        """What finds this run's objects."""
        return f"{APP},{RUN}={self.run}"


def namespace() -> Json:
    """Return the namespace, under the strictest Pod Security level."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": NAMESPACE, "labels": labels, "annotations": {MADE: "isthmus connect verify"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def deployment(probes: Probes, cluster: str) -> Json:
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
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(probes, NAME),
        "spec": {
            "replicas": PODS,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def services(probes: Probes) -> tuple[Json, ...]:
    """Return the global Services: one with backends in every cluster, and for each cluster one of its own."""
    shared = _service(probes, questions.SERVICE, {RUN: probes.run})
    own = (_service(probes, questions.name_of(each), _labels(probes, each)) for each in probes.clusters)
    return (shared, *own)


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
    return (namespace(), deployment(probes, cluster), *services(probes))


def names(found: Sequence[Json]) -> list[str]:
    """Return each object as Kind name."""
    return [f"{each['kind']} {each['metadata']['name']}" for each in found]


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


def _service(probes: Probes, name: str, selector: dict[str, str]) -> Json:
    metadata = _metadata(probes, name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, "annotations": {GLOBAL: "true"}},
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": questions.HTTP, "targetPort": questions.HTTP}],
        },
    }


def _metadata(probes: Probes, name: str) -> Json:
    return {"name": name, "namespace": NAMESPACE, "labels": {APP: "verify", RUN: probes.run}}


def _labels(probes: Probes, cluster: str) -> dict[str, str]:
    return {APP: cluster, RUN: probes.run}
