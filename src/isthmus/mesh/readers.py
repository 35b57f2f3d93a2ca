"""How the istiod of one cluster reads another: an account with a role of ours, and a Secret with its token.

Every reader has an account of its own in each cluster that it reads, so that one can be shut out alone. The
role is what istiod needs of a remote (chart `istiod`, templates/reader-clusterrole.yaml) without `secrets`.
Pure: tokens come in and are read as far as they tell their end; whether they are good their server knows.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from isthmus.mesh.trust import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

NAMESPACE: Final = "istio-system"
ROLE: Final = "isthmus-istio-reader"
REMOTE: Final = "istio/multiCluster"
"""Label by which istiod finds such Secrets in its own namespace (istioctl/pkg/multicluster)."""
CLUSTER: Final = "networking.istio.io/cluster"
LIFE: Final = dt.timedelta(days=30)
"""Of a token: it is renewed by `connect up`, which nobody runs every hour."""
RENEW: Final = dt.timedelta(days=20)
"""A token that ends sooner is renewed by the next `connect up`."""
URGENT: Final = dt.timedelta(days=5)
READ: Final = ("get", "list", "watch")
RULES: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("", ("pods", "services", "endpoints", "nodes", "namespaces", "replicationcontrollers"), READ),
    ("discovery.k8s.io", ("endpointslices",), READ),
    ("apps", ("replicasets",), READ),
    ("apiextensions.k8s.io", ("customresourcedefinitions",), READ),
    ("networking.istio.io", ("*",), READ),
    ("security.istio.io", ("*",), READ),
    ("gateway.networking.k8s.io", ("gateways",), READ),
    ("multicluster.x-k8s.io", ("serviceexports", "serviceimports"), READ),
    ("authentication.k8s.io", ("tokenreviews",), ("create",)),
    ("authorization.k8s.io", ("subjectaccessreviews",), ("create",)),
)
"""API group, resources, verbs."""
SETTINGS: Final = "istio"
"""ConfigMap with the mesh's settings: istiod does not count a cluster as synced before it has read it."""
RBAC: Final = "rbac.authorization.k8s.io"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remote:
    """What a remote Secret says, as far as it may be shown; `account` is the uid of the token's account."""

    cluster: str
    server: str = ""
    authority: str = ""
    ends: dt.datetime | None = None
    account: str = ""
    is_ours: bool = False
    problem: str = ""


def account(reader: str) -> str:
    """Return the account, in each other cluster, by which a cluster's istiod reads."""
    return f"istio-reader-{reader}"


def name(remote: str) -> str:
    """Return the Secret by which another cluster is read."""
    return f"istio-remote-secret-{remote}"


def rights(readers: tuple[str, ...]) -> tuple[Json, ...]:
    """Return the accounts of some readers in a cluster, and what they may do there."""
    if not readers:
        return ()
    labels = {secrets.MANAGED: "isthmus"}
    accounts = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account(each), "namespace": NAMESPACE, "labels": labels},
            "automountServiceAccountToken": False,
        }
        for each in readers
    ]
    rules = [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
        for group, resources, verbs in RULES
    ]
    settings = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [SETTINGS]}
    wide, narrow = {"name": ROLE, "labels": labels}, {"name": ROLE, "namespace": NAMESPACE, "labels": labels}
    return (
        *accounts,
        _role("ClusterRole", wide, rules),
        _binding("ClusterRole", wide, readers),
        _role("Role", narrow, [{**settings, "verbs": list(READ)}]),
        _binding("Role", narrow, readers),
    )


def _role(kind: str, meta: Json, rules: list[Json]) -> Json:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta, "rules": rules}


def _binding(kind: str, meta: Json, readers: tuple[str, ...]) -> Json:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": ROLE},
        "subjects": [
            {"kind": "ServiceAccount", "name": account(each), "namespace": NAMESPACE} for each in readers
        ],
    }


def bare(body: Mapping[str, Any]) -> Json:
    """Return a live account, role or binding without what its server keeps about it, to be written again."""
    meta = {key: body["metadata"][key] for key in ("name", "namespace", "labels") if key in body["metadata"]}
    fields = ("apiVersion", "kind", "automountServiceAccountToken", "rules", "roleRef", "subjects")
    return {**{key: body[key] for key in fields if key in body}, "metadata": meta}


def uids(accounts: tuple[Json, ...]) -> dict[str, str]:
    """Return the uid of each reader's account, by reader."""
    prefix = account("")
    return {
        str(body["metadata"]["name"]).removeprefix(prefix): str(body["metadata"].get("uid") or "")
        for body in accounts
        if body["kind"] == "ServiceAccount" and str(body["metadata"]["name"]).startswith(prefix)
    }


def secret(remote: str, *, server: str, authority: str, token: str, tls_name: str = "") -> Json:
    """Return the Secret that lets an istiod read another cluster; `authority` is PEM in base64."""
    place = {"server": server} | ({"certificate-authority-data": authority} if authority else {})
    place |= {"tls-server-name": tls_name} if tls_name else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": remote, "cluster": place}],
        "users": [{"name": remote, "user": {"token": token}}],
        "contexts": [{"name": remote, "context": {"cluster": remote, "user": remote}}],
        "current-context": remote,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": name(remote),
            "namespace": NAMESPACE,
            "labels": {secrets.MANAGED: "isthmus", REMOTE: "true"},
            "annotations": {CLUSTER: remote},
        },
        # The key is how the other cluster calls itself (`global.multiCluster.clusterName`).
        "data": {remote: base64.b64encode(json.dumps(config).encode()).decode()},
    }


def read(remote: str, body: Mapping[str, Any]) -> Remote:
    """Return what a remote Secret says of a cluster; `problem` where it cannot be read."""
    is_ours = secrets.is_ours(body)
    try:
        found = yaml.safe_load(base64.b64decode((body.get("data") or {})[remote]))
        place, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
        claims = _claims(str(user.get("token") or ""))
        return Remote(
            cluster=remote,
            server=str(place["server"]),
            authority=str(place.get("certificate-authority-data") or ""),
            ends=dt.datetime.fromtimestamp(claims["exp"], dt.UTC) if "exp" in claims else None,
            account=str(((claims.get("kubernetes.io") or {}).get("serviceaccount") or {}).get("uid") or ""),
            is_ours=is_ours,
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, binascii.Error, yaml.YAMLError):
        return Remote(cluster=remote, is_ours=is_ours, problem="it holds no kubeconfig that can be read")


def policy() -> Json:
    """Return the policy by which pods of the whole mesh take mTLS alone."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": POLICY, "namespace": NAMESPACE, "labels": {secrets.MANAGED: "isthmus"}},
        "spec": {"mtls": {"mode": STRICT}},
    }


POLICY: Final = "default"
"""In istio-system it is that of the whole mesh."""
STRICT: Final = "STRICT"


def mode(body: Mapping[str, Any]) -> str:
    """Return what a PeerAuthentication demands; one that says nothing leaves it to the one above."""
    return str((((body.get("spec") or {}).get("mtls")) or {}).get("mode") or "UNSET")


def _claims(token: str) -> Json:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    found: Json = json.loads(base64.urlsafe_b64decode(padded))
    return found
