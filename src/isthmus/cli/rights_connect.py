"""What `connect` needs in a cluster when it works through the account of Isthmus and not as cluster-admin.

The charts of Cilium and Istio hold ClusterRoles and Roles. RBAC lets nobody write a role that gives more than
he has himself, unless he may `escalate` it, nor bind it, unless he may `bind` it. Both are given by name, for
the roles that the charts bring and no other; to hold all that these roles give would be wider, since they
read Secrets in every namespace. By name it works because Helm 4 writes by server-side apply, whose requests
name their object even when they create it. Names are those of cilium 1.20 and istio 1.31.
"""

from __future__ import annotations

from isthmus.cli.rights import (
    APPLY,
    CONNECTING,
    KEEP,
    RBAC,
    READ,
    READER,
    Right,
    Scope,
)
from isthmus.mesh import readers
from isthmus.rollout.connect import names

WRITE = ("get", "create", "patch", "delete")
"""What server-side apply and an uninstall take."""
WIDER = ("escalate", "bind")
SEEN = CONNECTING | {"connect pause", "connect skip"}
ROLES = (
    *("cilium", "cilium-operator", "clustermesh-apiserver"),
    *("istiod-clusterrole-istio-system", "istiod-gateway-controller-istio-system"),
    *(READER, names.ROLE),
)
"""ClusterRoles that the charts bring, and those of ours."""
SPACES = ("cilium-secrets",)
"""Namespaces that Cilium's chart makes."""
SPACED = ("cilium-operator-tlsinterception-secrets", "cilium-tlsinterception-secrets")
"""Roles that it makes in them: the namespace is not there before, so no Role can give a right in it."""
KUBE_ROLES = ("cilium-config-agent", "cilium-operator-ztunnel")
ISTIO_ROLES = ("istiod", READER, "istio-eastwestgateway")
WEBHOOKS = ("istio-sidecar-injector", "istio-validator-istio-system", "istiod-default-validator")
NAMED = "of the charts and of ours, by name"
ASKING = frozenset({"connect rotate --istio"})
ESCALATE = "the charts' roles give more than this account has: it may write these, by name, and no other"


def _right(
    scope: Scope,
    group: str,
    resources: str,
    verbs: tuple[str, ...],
    why: str,
    *,
    only: tuple[str, ...] = (),
    by: frozenset[str] = CONNECTING,
) -> Right:
    return Right(
        needed_by=by,
        scope=scope,
        group=group,
        resources=tuple(resources.split()),
        verbs=verbs,
        why=why,
        names=only,
    )


def _charted(
    scope: Scope, roles: tuple[str, ...], more: str = "", *, wider: tuple[str, ...] = (), why: str = NAMED
) -> tuple[Right, ...]:
    """Return what a namespace needs that charts are written to; `wider` where their Roles give more."""
    return (
        _right(scope, "", "secrets", KEEP, "Helm's records, certificates and tokens of ours"),
        _right(scope, "", "configmaps serviceaccounts services", WRITE, "what the charts hold"),
        _right(
            scope,
            "",
            "configmaps serviceaccounts services pods events persistentvolumeclaims",
            READ,
            "to compare, to wait for pods, and to say what holds them up",
        ),
        _right(scope, "", "pods", ("delete",), "to remove never-Ready pods of an abandoned revision"),
        _right(scope, "", "pods/exec", ("get", "create"), "to ask agents, KVStoreMesh and istiod"),
        _right(scope, "apps", f"deployments {more}".strip(), WRITE, "what the charts hold"),
        _right(
            scope,
            "apps",
            "deployments daemonsets statefulsets replicasets controllerrevisions",
            READ,
            "to see which revision is running, and whether it is healthy",
        ),
        _right(scope, RBAC, "roles", (*WRITE, *wider), why, only=roles),
        _right(scope, RBAC, "rolebindings", WRITE, NAMED, only=roles),
    )


RIGHTS = (
    _right(Scope.CLUSTER, "", "namespaces", ("get", "list"), "to see whether they exist or go away", by=SEEN),
    _right(Scope.CLUSTER, "", "namespaces", ("create",), "to make those of the charts"),
    _right(Scope.CLUSTER, "", "namespaces", ("patch", "delete"), "Cilium's chart makes it", only=SPACES),
    _right(
        Scope.CLUSTER, "", "namespaces", ("patch",), "to label it with its network", only=("istio-system",)
    ),
    _right(Scope.CLUSTER, "", "nodes services", ("get", "list"), "to know where others reach the mesh"),
    _right(Scope.CLUSTER, RBAC, "clusterroles", (*WRITE, *WIDER), ESCALATE, only=ROLES),
    _right(Scope.CLUSTER, RBAC, "clusterrolebindings", WRITE, NAMED, only=ROLES),
    _right(Scope.CLUSTER, RBAC, "roles", (*WRITE, *WIDER), ESCALATE, only=SPACED),
    _right(Scope.CLUSTER, RBAC, "rolebindings", WRITE, NAMED, only=SPACED),
    _right(
        Scope.CLUSTER,
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        APPLY,
        "Istio's chart brings its kinds, each version others; Helm leaves them at an uninstall",
    ),
    _right(
        Scope.CLUSTER,
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations validatingwebhookconfigurations",
        WRITE,
        "Istio's injector and validation",
        only=WEBHOOKS,
    ),
    _right(
        Scope.CLUSTER,
        "security.istio.io",
        "peerauthentications",
        ("get", "list"),
        "to name the policies by which pods take plain traffic",
    ),
    _right(Scope.SYSTEM, "coordination.k8s.io", "leases", KEEP, "to take, renew and give back the lock"),
    _right(Scope.SYSTEM, "", "configmaps", KEEP, "to write the journal, and requests such as pause", by=SEEN),
    _right(Scope.SYSTEM, "", "secrets", KEEP, "the pinned bundles, and what a credential is bound to"),
    _right(Scope.CLUSTER, "", "pods", ("list",), "to find the proxies of the mesh", by=ASKING),
    _right(
        Scope.CLUSTER,
        "",
        "pods/exec",
        ("get", "create"),
        "to ask each proxy which root it trusts: this reaches into every pod",
        by=ASKING,
    ),
    *_charted(
        Scope.KUBE,
        KUBE_ROLES,
        "daemonsets",
        wider=("bind",),
        why="they give nothing more than this account has; a dry run binds them before they are there",
    ),
    *_charted(Scope.ISTIO, ISTIO_ROLES, wider=WIDER, why=ESCALATE),
    _right(Scope.ISTIO, "autoscaling", "horizontalpodautoscalers", WRITE, "what the charts hold"),
    _right(Scope.ISTIO, "policy", "poddisruptionbudgets", WRITE, "what the charts hold"),
    _right(
        Scope.ISTIO,
        "security.istio.io",
        "peerauthentications",
        WRITE,
        "mTLS alone, for the whole mesh",
        only=(readers.POLICY,),
    ),
    _right(
        Scope.ISTIO,
        "networking.istio.io",
        "gateways",
        WRITE,
        "what the east-west gateway lets in",
    ),
)
"""Beside what `connect status` and `connect history` need."""

OWN = Right(
    needed_by=frozenset(),
    scope=Scope.SYSTEM,
    group="",
    resources=("serviceaccounts/token",),
    verbs=("create",),
    names=("isthmus",),
    why="to write with a credential of its own that a successor can end: the fence",
)


def reading(clusters: tuple[str, ...]) -> Right:
    """Return the right to issue the tokens by which the istiod of some clusters read this one."""
    return _right(
        Scope.ISTIO,
        "",
        "serviceaccounts/token",
        ("create",),
        "for the istiod of other clusters to read this one",
        only=tuple(readers.account(each) for each in clusters),
    )
