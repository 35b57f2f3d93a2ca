"""How a node's kubelet is called and configured; pure.

One certificate of the cluster's authority for both directions; no anonymous caller; no port without TLS. The
host's disk is not the node's, so nothing is evicted or deleted because the host is full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.lab.network import containerd, machine

if TYPE_CHECKING:
    from isthmus.lab.network import layout

FOLDER: Final = f"/{machine.STATE}"


def arguments(node: layout.Node, labels: dict[str, str]) -> list[str]:
    """Return the words of the program."""
    return [
        "kubelet",
        f"--config={FOLDER}/kubelet.json",
        f"--kubeconfig={FOLDER}/kubeconfig.json",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={','.join(f'{name}={value}' for name, value in labels.items())}",
        "--v=1",
    ]


def configuration(place: layout.Place, *, cgroup_v2: bool) -> dict[str, Any]:
    """Return the configuration of every kubelet of a cluster."""
    own: dict[str, Any] = {} if cgroup_v2 else {"failCgroupV1": False}
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{FOLDER}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{FOLDER}/kubelet.crt",
        "tlsPrivateKeyFile": f"{FOLDER}/kubelet.key",
        "readOnlyPort": 0,
        "clusterDNS": [place.dns_ip],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{containerd.SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,  # not every root may lower it
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "50Mi"},
        **own,
    }


def kubeconfig(place: layout.Place) -> dict[str, Any]:
    """Return the kubeconfig of every kubelet of a cluster."""
    server = {"server": f"https://{place.server}:6443", "certificate-authority": f"{FOLDER}/ca.crt"}
    user = {"client-certificate": f"{FOLDER}/kubelet.crt", "client-key": f"{FOLDER}/kubelet.key"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": server}],
        "users": [{"name": "kubelet", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "kubelet"}}],
        "current-context": "lab",
    }
