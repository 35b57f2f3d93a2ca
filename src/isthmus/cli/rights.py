"""Which right each verb needs in a cluster, and why: one table, which `permissions` prints.

What is not in it no verb may count on; tests run verbs as somebody who has just this.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any

from isthmus.mesh.trust import leaves

RBAC = "rbac.authorization.k8s.io"
SYSTEM = "isthmus-system"

READ = ("get", "list", "watch")
APPLY = ("get", "create", "patch")
KEEP = ("get", "list", "watch", "create", "update", "patch", "delete")


class Scope(StrEnum):
    """Where a right is given."""

    CLUSTER = "cluster"
    SYSTEM = "isthmus-system"
    KUBE = "kube-system"
    ISTIO = "istio-system"
    PROBE = "isthmus-probe"
    MESHED = "isthmus-probe-mesh"
    HOSTS = "isthmus-probe-hosts"
    APP = "the App's namespace"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Right:
    """One rule of RBAC, the verbs of the command line that need it, and why they do."""

    needed_by: frozenset[str]
    scope: Scope
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()
    own_account: bool | None = None
    """True: only where the App names an account; False: only where it names none."""

    def to_rule(self) -> dict[str, Any]:
        """Return the rule as RBAC writes it."""
        rule: dict[str, Any] = {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            "verbs": list(self.verbs),
        }
        if self.names:
            rule["resourceNames"] = list(self.names)
        return rule


WRITING = frozenset(
    {"deploy"}
    | {f"deploy {verb}" for verb in ("up", "rollback", "rotate", "resume", "abort", "approve", "down")}
)
SEEING = frozenset({"connect status"})
READER = "isthmus-istio-reader"
CONNECTED = frozenset({"connect status", "connect history"})
READING = frozenset({"deploy diff", "deploy status", "deploy history"}) | CONNECTED
CONNECTING = frozenset(
    {"connect"}
    | {f"connect {verb}" for verb in ("diff", "up", "down", "rotate", "resume", "abort", "approve")}
)
"""Verbs that write or dry-run Cilium's chart, and so have to hold what its ClusterRoles give."""
STEERING = frozenset({"deploy pause", "deploy skip", "connect pause", "connect skip"})
PLANNING = WRITING | {"deploy diff"}
LOOKING = frozenset({"plan import"})
PROVING = frozenset({"connect verify"})
DIAGNOSING = frozenset({"doctor"})
HOSTING = frozenset({"doctor probe"})
"""What `doctor --probe` needs beside what `connect verify` does."""
JUDGING = frozenset({f"access {verb}" for verb in ("verdict", "explain", "matrix", "drift")})

RIGHTS = (
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="",
        resources=("namespaces", "nodes", "services", "pods"),
        verbs=("list",),
        why="to know who there is, and by which labels and addresses",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="apps",
        resources=("replicasets",),
        verbs=("list",),
        why="to know which workload a pod is of",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="batch",
        resources=("jobs",),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="networking.k8s.io",
        resources=("networkpolicies", "ingresses"),
        verbs=("list",),
        why="to read the policies, and what comes in from outside",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="policy.networking.k8s.io",
        resources=("clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies"),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="cilium.io",
        resources=("ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies", "ciliumcidrgroups"),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="security.istio.io",
        resources=("authorizationpolicies", "peerauthentications", "requestauthentications"),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="networking.istio.io",
        resources=("destinationrules", "gateways"),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="gateway.networking.k8s.io",
        resources=("gateways",),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=JUDGING,
        scope=Scope.CLUSTER,
        group="discovery.k8s.io",
        resources=("endpointslices",),
        verbs=("list",),
        why="to know what is behind a Service without a selector",
    ),
    Right(
        needed_by=WRITING | READING | STEERING,
        scope=Scope.CLUSTER,
        group="",
        resources=("namespaces",),
        verbs=("get", "list"),
        why="to see whether the namespaces exist or are going away",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.CLUSTER,
        group="",
        resources=("namespaces",),
        verbs=("create",),
        why=f"to make {SYSTEM} and the App's namespace on first use",
    ),
    Right(
        needed_by=PLANNING,
        scope=Scope.CLUSTER,
        group="authorization.k8s.io",
        resources=("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        verbs=("create",),
        why="to ask before the first step what would be refused in the middle",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.CLUSTER,
        group=RBAC,
        resources=("clusterrolebindings",),
        verbs=APPLY,
        why="to give rights to isthmus-deployer, which writes an App that names no `serviceAccount`",
        own_account=False,
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.CLUSTER,
        group=RBAC,
        resources=("clusterroles",),
        verbs=("bind",),
        names=("cluster-admin",),
        why="same; with --account this is not needed",
        own_account=False,
    ),
    Right(
        needed_by=READING,
        scope=Scope.SYSTEM,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=READ,
        why="to see who holds the lock of an App",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.SYSTEM,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=KEEP,
        why="to take, renew and give back the lock of an App",
    ),
    Right(
        needed_by=READING,
        scope=Scope.SYSTEM,
        group="",
        resources=("configmaps",),
        verbs=READ,
        why="to read the journal",
    ),
    Right(
        needed_by=WRITING | STEERING,
        scope=Scope.SYSTEM,
        group="",
        resources=("configmaps",),
        verbs=KEEP,
        why="to write the journal, and requests such as pause, approve or abort",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.SYSTEM,
        group="",
        resources=("secrets",),
        verbs=KEEP,
        why="to keep the pinned chart and values, and the Secret that a credential is bound to",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.SYSTEM,
        group="",
        resources=("serviceaccounts",),
        verbs=APPLY,
        why="to make isthmus-deployer on first use",
        own_account=False,
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.SYSTEM,
        group="",
        resources=("serviceaccounts/token",),
        verbs=("create",),
        why="to write with a credential that a successor can end: the fence",
        own_account=False,
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.SYSTEM,
        group=RBAC,
        resources=("roles", "rolebindings"),
        verbs=APPLY,
        why="to let the account that writes the App write the journal too",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.APP,
        group="",
        resources=("serviceaccounts/token",),
        verbs=("create",),
        why="to write with a credential that a successor can end: the fence",
        own_account=True,
    ),
    Right(
        needed_by=WRITING | READING,
        scope=Scope.APP,
        group="",
        resources=("secrets",),
        verbs=READ,
        why="to read the records that Helm keeps, and values by reference",
    ),
    Right(
        needed_by=WRITING | READING,
        scope=Scope.APP,
        group="",
        resources=("configmaps", "pods", "events", "persistentvolumeclaims", "services", "serviceaccounts"),
        verbs=READ,
        why="to compare, to wait for pods, and to say what holds them up",
    ),
    Right(
        needed_by=WRITING | READING,
        scope=Scope.APP,
        group="apps",
        resources=("statefulsets", "deployments", "daemonsets", "replicasets", "controllerrevisions"),
        verbs=READ,
        why="to see which revision is running, and whether it is healthy",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.APP,
        group="",
        resources=("pods",),
        verbs=("delete",),
        why="to remove never-Ready pods of an abandoned revision, one by one",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.CLUSTER,
        group="",
        resources=("nodes",),
        verbs=("get", "list"),
        why="to know where other clusters reach the ClusterMesh API server by NodePort",
    ),
    Right(
        needed_by=frozenset({"connect status"}),
        scope=Scope.CLUSTER,
        group="",
        resources=("pods",),
        verbs=("list",),
        why="to name the pods of Apps that are outside of the mesh",
    ),
    Right(
        needed_by=frozenset({"connect status"}),
        scope=Scope.CLUSTER,
        group="",
        resources=("services",),
        verbs=("get", "list"),
        why="to compare the Services of Apps across clusters",
    ),
    Right(
        needed_by=frozenset({"connect status"}),
        scope=Scope.CLUSTER,
        group="multicluster.x-k8s.io",
        resources=("serviceexports",),
        verbs=("get", "list"),
        why="to see what is exported to the clusterset",
    ),
    Right(
        needed_by=WRITING,
        scope=Scope.APP,
        group="multicluster.x-k8s.io",
        resources=("serviceexports",),
        verbs=KEEP,
        why="to export Services that the App says so of",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.CLUSTER,
        group="security.istio.io",
        resources=("peerauthentications",),
        verbs=("get", "list"),
        why="to name the policies of Istio by which pods take plain traffic",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.CLUSTER,
        group=RBAC,
        resources=("clusterroles", "clusterrolebindings"),
        verbs=("get",),
        names=(READER,),
        why="to see what the istiod of other clusters may read",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.ISTIO,
        group="",
        resources=("secrets",),
        verbs=READ,
        why="to judge Istio's authority and the tokens for other clusters, and to read Helm's records",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.ISTIO,
        group="",
        resources=("serviceaccounts", "pods"),
        verbs=("get", "list"),
        why="to see the accounts of other clusters' istiod, and which pod of istiod to ask",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.ISTIO,
        group=RBAC,
        resources=("roles", "rolebindings"),
        verbs=("get",),
        names=(READER,),
        why="to see what the istiod of other clusters may read",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.ISTIO,
        group="apps",
        resources=("deployments",),
        verbs=("get",),
        why="to see whether istiod and the east-west gateway are ready",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.ISTIO,
        group="networking.istio.io",
        resources=("gateways",),
        verbs=("get",),
        why="to see what the east-west gateway lets in",
    ),
    Right(
        needed_by=SEEING,
        scope=Scope.ISTIO,
        group="",
        resources=("pods/exec",),
        verbs=("get", "create"),
        why="to ask istiod whom it reads: it tells that to its own machine alone",
    ),
    Right(
        needed_by=PROVING,
        scope=Scope.CLUSTER,
        group="",
        resources=("namespaces",),
        verbs=("get",),
        names=(Scope.PROBE.value, Scope.MESHED.value),
        why="to see that the namespaces of the probes are there, which are yours to make then",
    ),
    *(
        Right(needed_by=PROVING, scope=scope, group=group, resources=(resource,), verbs=verbs, why=why + more)
        for scope, more in ((Scope.PROBE, ""), (Scope.MESHED, "; where the Fleet has Istio"))
        for group, resource, verbs, why in (
            ("apps", "deployments", KEEP, "to start the pods that ask and answer, and to take them away"),
            ("", "services", KEEP, "to make the global Services that are asked by name"),
            ("", "pods", ("get", "list"), "to wait for the pods, and to say what holds them up"),
            (
                *("", "pods/exec", ("get", "create")),
                "to ask from inside a pod (a websocket takes both since Kubernetes 1.35)",
            ),
        )
    ),
    Right(
        needed_by=PROVING,
        scope=Scope.PROBE,
        group="networking.k8s.io",
        resources=("networkpolicies",),
        verbs=KEEP,
        why="to deny a port and see it denied",
    ),
    Right(
        needed_by=PROVING,
        scope=Scope.PROBE,
        group="multicluster.x-k8s.io",
        resources=("serviceexports",),
        verbs=KEEP,
        why="to export a Service and ask it by its name in the clusterset; where the Fleet has one",
    ),
    Right(
        needed_by=PROVING,
        scope=Scope.MESHED,
        group="",
        resources=("serviceaccounts",),
        verbs=KEEP,
        why="to give each cluster's pods an identity of their own; where the Fleet has Istio",
    ),
    Right(
        needed_by=HOSTING,
        scope=Scope.CLUSTER,
        group="",
        resources=("namespaces",),
        verbs=("get",),
        names=(Scope.HOSTS.value,),
        why="to see that the namespace is there, which is yours to make then",
    ),
    *(
        Right(needed_by=HOSTING, scope=Scope.HOSTS, group=group, resources=(resource,), verbs=verbs, why=why)
        for group, resource, verbs, why in (
            ("apps", "daemonsets", KEEP, "to bring a pod to every node, and to take them away"),
            ("", "pods", ("get", "list"), "to wait for the pods"),
            ("", "pods/exec", ("get", "create"), "to read what the node's interface does by itself"),
        )
    ),
    Right(
        needed_by=LOOKING | DIAGNOSING,
        scope=Scope.CLUSTER,
        group="",
        resources=("nodes", "namespaces", "services"),
        verbs=("get", "list"),
        why="to read ranges, sizes, provider and region of a cluster that exists",
    ),
    Right(
        needed_by=LOOKING | DIAGNOSING,
        scope=Scope.CLUSTER,
        group="networking.k8s.io",
        resources=("servicecidrs",),
        verbs=("get", "list"),
        why="to read the service range",
    ),
    Right(
        needed_by=LOOKING | DIAGNOSING,
        scope=Scope.KUBE,
        group="",
        resources=("configmaps", "pods"),
        verbs=("get", "list"),
        why="to read cilium-config, kubeadm-config and the arguments of the API server",
    ),
    Right(
        needed_by=LOOKING | DIAGNOSING,
        scope=Scope.KUBE,
        group="apps",
        resources=("daemonsets",),
        verbs=("get", "list"),
        why="to read Cilium's version",
    ),
    Right(
        needed_by=LOOKING | DIAGNOSING,
        scope=Scope.ISTIO,
        group="",
        resources=("configmaps",),
        verbs=("get", "list"),
        why="to read the mesh configuration",
    ),
    Right(
        needed_by=LOOKING | DIAGNOSING,
        scope=Scope.ISTIO,
        group="apps",
        resources=("deployments", "daemonsets"),
        verbs=("get", "list"),
        why="to read Istio's version and mode",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.CLUSTER,
        group="",
        resources=("pods",),
        verbs=("list",),
        why="to see which pods are behind global Services",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.CLUSTER,
        group="networking.k8s.io",
        resources=("networkpolicies",),
        verbs=("list",),
        why="to see what keeps other clusters out",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.CLUSTER,
        group="cilium.io",
        resources=("ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"),
        verbs=("list",),
        why="same",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.KUBE,
        group="",
        resources=("secrets",),
        verbs=("get",),
        names=(*leaves.SECRETS, "cilium-kvstoremesh", "cilium-clustermesh"),
        why="to compare certificates and addresses of peers; no key is shown",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.KUBE,
        group="apps",
        resources=("deployments",),
        verbs=("get",),
        why="to see whether the operator and the ClusterMesh API server run",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.KUBE,
        group="",
        resources=("pods/exec",),
        verbs=("get", "create"),
        why="to ask agents and KVStoreMesh how they are (a websocket takes both since Kubernetes 1.35)",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.ISTIO,
        group="",
        resources=("secrets", "pods"),
        verbs=("get", "list"),
        why="to read remote Secrets and the root that istiod signs under; no key is shown",
    ),
    Right(
        needed_by=DIAGNOSING,
        scope=Scope.ISTIO,
        group="",
        resources=("pods/exec",),
        verbs=("get", "create"),
        why="to ask istiod which clusters it reads",
    ),
)
