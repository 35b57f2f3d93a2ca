"""The Kubernetes objects a new cluster of a lab starts with: rights, nodes, a storage class.

Nothing of Isthmus itself and no mesh: a lab is as bare as a new cluster of a cloud.
"""

from __future__ import annotations

from typing import Any

from isthmus.lab import spec, stages, trust

Json = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"
_ZONES = "abc"


def rights() -> list[tuple[str, Json]]:
    """Return (collection path, object): what the admin and kwok may do."""
    base = f"/apis/{_RBAC}/v1"
    bindings = f"{base}/clusterrolebindings"
    reads, writes = ["get", "list", "watch"], ["patch", "update"]
    rules = [
        _rule("", ["nodes", "pods", "persistentvolumes", "persistentvolumeclaims"], reads),
        _rule("", ["nodes/status", "pods/status"], writes),
        _rule("", ["pods"], ["delete", *writes]),
        _rule("", ["persistentvolumes"], ["create", "delete", *writes]),
        _rule("", ["events"], ["create", *writes]),
        _rule("events.k8s.io", ["events"], ["create", *writes]),
    ]
    role: Json = {"metadata": {"name": "isthmus:lab-kwok"}, "rules": rules}
    return [
        (bindings, _binding("isthmus:lab-admins", "cluster-admin", "Group", trust.ADMINS)),
        (f"{base}/clusterroles", role),
        (bindings, _binding("isthmus:lab-kwok", "isthmus:lab-kwok", "User", "isthmus:kwok")),
    ]


def storage() -> list[tuple[str, Json]]:
    """Return the default storage class."""
    name = {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    kind = {"provisioner": stages.PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    return [("/apis/storage.k8s.io/v1/storageclasses", {"metadata": name, **kind})]


def nodes(cluster: spec.ClusterSpec, index: int) -> list[tuple[str, Json]]:
    """Return the nodes, spread over three zones; `index` is the cluster's place in its lab."""
    return [("/api/v1/nodes", _node(cluster, index, number)) for number in range(1, cluster.nodes + 1)]


def _node(cluster: spec.ClusterSpec, index: int, number: int) -> Json:
    name = f"{cluster.name}-node-{number}"
    zone = f"{cluster.region}-{_ZONES[(number - 1) % len(_ZONES)]}"
    machine = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi", "pods": "110"}
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "lab-16",
                "topology.kubernetes.io/region": cluster.region,
                "topology.kubernetes.io/zone": zone,
            },
        },
        "spec": {
            "podCIDR": f"10.{index % 64}.{number % 256}.0/24",
            "podCIDRs": [f"10.{index % 64}.{number % 256}.0/24"],
            "providerID": f"lab://{cluster.context}/{name}",
        },
        "status": {
            "capacity": machine,
            "allocatable": machine,
            "addresses": [
                {"type": "InternalIP", "address": f"10.{64 + index % 32}.{number // 256}.{number % 256}"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "fake://1",
                "kernelVersion": "fake",
                "kubeProxyVersion": "",
                "kubeletVersion": "fake",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "a fake node of an Isthmus lab",
                "systemUUID": "",
            },
        },
    }


def _rule(group: str, resources: list[str], verbs: list[str]) -> Json:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _binding(name: str, role: str, kind: str, subject: str) -> Json:
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": kind, "name": subject}],
    }
