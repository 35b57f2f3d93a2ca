"""Kinds of Kubernetes objects and the paths under which an API server keeps them.

A rollout meets kinds nobody listed, so a kind is a value and not a class; the constants are the kinds that
Isthmus itself reads or writes. This module asks no server: `kube.Cluster.resolve` does.
"""

from __future__ import annotations

import dataclasses
from urllib.parse import quote


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of object as one API server serves it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the path on the API server; without a namespace a namespaced kind means all of them."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def __str__(self) -> str:
        return self.kind


NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
SECRET = Kind("", "v1", "Secret", "secrets", namespaced=True)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", namespaced=True)
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", namespaced=True)
SERVICE = Kind("", "v1", "Service", "services", namespaced=True)
POD = Kind("", "v1", "Pod", "pods", namespaced=True)
EVENT = Kind("", "v1", "Event", "events", namespaced=True)
PVC = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", namespaced=True)
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets", namespaced=True)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", namespaced=True)
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets", namespaced=True)
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", namespaced=True)
CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions", namespaced=True)
JOB = Kind("batch", "v1", "Job", "jobs", namespaced=True)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", namespaced=True)
CILIUM_POLICY = Kind("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies", namespaced=True)
CILIUM_CLUSTER_POLICY = Kind(
    "cilium.io", "v2", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", namespaced=False
)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles", namespaced=True)
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", namespaced=True)
CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
PEER_AUTHENTICATION = Kind(
    "security.istio.io", "v1", "PeerAuthentication", "peerauthentications", namespaced=True
)
CERTIFICATE_REQUEST = Kind(
    "cert-manager.io", "v1", "CertificateRequest", "certificaterequests", namespaced=True
)
CERTIFICATE = Kind("cert-manager.io", "v1", "Certificate", "certificates", namespaced=True)
GATEWAY = Kind("networking.istio.io", "v1", "Gateway", "gateways", namespaced=True)
ACCESS_REVIEW = Kind(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)
SUBJECT_REVIEW = Kind(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False
)
RULES_REVIEW = Kind(
    "authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False
)
