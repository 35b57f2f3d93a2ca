"""The objects by which the nodes of a cluster are looked at: one pod on each, in the node's own network.

Pure: it writes nothing.
"""

from __future__ import annotations

from typing import Any, Final

from isthmus.rollout.connect.proof import objects

Json = dict[str, Any]

NAMESPACE: Final = "isthmus-probe-hosts"
NAME: Final = "probe-host"


def namespace() -> Json:
    """Return the namespace; Pod Security allows the network of the node at its widest level alone."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    metadata = {"name": NAMESPACE, "labels": labels, "annotations": {objects.MADE: "isthmus doctor"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def daemon_set(run: str, image: str) -> Json:
    """Return the pods: on every node, whatever its taints, without a right beyond seeing its interfaces."""
    labels = {objects.APP: "hosts", objects.RUN: run}
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["probe", "hold"],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
