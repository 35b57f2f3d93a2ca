"""The Kubernetes objects a new cluster of a lab starts with: rights, nodes, a storage class.

Nothing of Isthmus itself and no mesh: a lab is as bare as a new cluster of a cloud.
"""

from __future__ import annotations

from typing import Any

from isthmus.lab import spec, stages, trust

Json = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"
_BINDINGS = f"/apis/{_RBAC}/v1/clusterrolebindings"
_ZONES = "abc"
_COREFILE = """.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 30
    }
    prometheus :9153
    cache 30
    reload
    loadbalance
}
"""


def rights() -> list[tuple[str, Json]]:
    """Return (collection path, object): what the admin may do."""
    return [(_BINDINGS, _binding("isthmus:lab-admins", "cluster-admin", "Group", trust.ADMINS))]


def kwok_rights() -> list[tuple[str, Json]]:
    """Return what kwok may do, to play nodes."""
    reads, writes = ["get", "list", "watch"], ["patch", "update"]
    rules = [
        _rule("", ["nodes", "pods", "persistentvolumes", "persistentvolumeclaims"], reads),
        _rule("", ["nodes/status", "pods/status"], writes),
        _rule("", ["pods"], ["delete", *writes]),
        _rule("", ["persistentvolumes"], ["create", "delete", *writes]),
        _rule("", ["events"], ["create", *writes]),
        _rule("events.k8s.io", ["events"], ["create", *writes]),
    ]
    name = "isthmus:lab-kwok"
    return [*_role(name, rules), (_BINDINGS, _binding(name, name, "User", "isthmus:kwok"))]


def kubelet_rights() -> list[tuple[str, Json]]:
    """Return what the API server may do with kubelets: logs, exec, port-forward."""
    role = "system:kubelet-api-admin"
    return [(_BINDINGS, _binding(trust.KUBELET_CLIENT, role, "User", trust.KUBELET_CLIENT))]


def dns(*, image: str, address: str) -> list[tuple[str, Json]]:
    """Return CoreDNS at `address`, as kubeadm has it; without a server to forward to, as nodes have none."""
    name, space = "coredns", "kube-system"
    about = {"name": name, "namespace": space, "labels": {"k8s-app": "kube-dns"}}
    reads = ["list", "watch"]
    rules = [
        _rule("", ["endpoints", "services", "pods", "namespaces"], reads),
        _rule("discovery.k8s.io", ["endpointslices"], reads),
    ]
    core = f"/api/v1/namespaces/{space}"
    binding = _binding(f"system:{name}", f"system:{name}", "ServiceAccount", name)
    binding["subjects"] = [{"kind": "ServiceAccount", "name": name, "namespace": space}]
    return [
        *_role(f"system:{name}", rules),
        (_BINDINGS, binding),
        (f"{core}/serviceaccounts", {"metadata": {"name": name, "namespace": space}}),
        (
            f"{core}/configmaps",
            {"metadata": {"name": name, "namespace": space}, "data": {"Corefile": _COREFILE}},
        ),
        (f"{core}/services", _dns_service(address)),
        (
            f"/apis/apps/v1/namespaces/{space}/deployments",
            {"metadata": about, "spec": _dns_deployment(image)},
        ),
    ]


def storage() -> list[tuple[str, Json]]:
    """Return the default storage class."""
    name = {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    kind = {"provisioner": stages.PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    return [("/apis/storage.k8s.io/v1/storageclasses", {"metadata": name, **kind})]


def nodes(cluster: spec.ClusterSpec, index: int) -> list[tuple[str, Json]]:
    """Return the nodes, spread over three zones; `index` is the cluster's place in its lab."""
    return [("/api/v1/nodes", _node(cluster, index, number)) for number in range(1, cluster.nodes + 1)]


def zone(region: str, number: int) -> str:
    """Return the zone of a cluster's node of that number, from 1: each region has three."""
    return f"{region}-{_ZONES[(number - 1) % len(_ZONES)]}"


def _node(cluster: spec.ClusterSpec, index: int, number: int) -> Json:
    name = f"{cluster.name}-node-{number}"
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
                "topology.kubernetes.io/zone": zone(cluster.region, number),
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


def _dns_service(address: str) -> Json:
    return {
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "clusterIP": address,
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                {"name": "metrics", "port": 9153, "protocol": "TCP"},
            ],
        },
    }


def _dns_deployment(image: str) -> Json:
    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "170Mi"}},
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 60},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "containers": [container],
        "volumes": [
            {
                "name": "config",
                "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
            }
        ],
    }
    labels = {"k8s-app": "kube-dns"}
    return {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }


def _role(name: str, rules: list[Json]) -> list[tuple[str, Json]]:
    return [(f"/apis/{_RBAC}/v1/clusterroles", {"metadata": {"name": name}, "rules": rules})]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Json:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _binding(name: str, role: str, kind: str, subject: str) -> Json:
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": kind, "name": subject}],
    }
