"""The ServiceAccounts that operations write as, and the rights these get.

No more rights than the work needs: the deployer of Apps without an account of their own is cluster-admin,
because a chart may hold anything; an App's own account cannot read our Secrets; a witness's only writes the
journal.
"""

from __future__ import annotations

import asyncio
import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import voters as voting
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.engine.voters import Json

_RBAC = "rbac.authorization.k8s.io"


@dataclasses.dataclass(frozen=True)
class Account:
    """A ServiceAccount of the target cluster."""

    namespace: str
    name: str

    @property
    def username(self) -> str:
        """What API servers call it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


DEPLOYER = Account(voting.NAMESPACE, "isthmus-deployer")
"""Writes an App that names no account of its own."""
OWN = Account(voting.NAMESPACE, "isthmus")
"""What Isthmus itself works as, where `isthmus account up` made it and the kubeconfig says so."""
SCRIBE = Account(voting.NAMESPACE, "isthmus-scribe")
"""Writes the journal where nothing else is written: a witness."""


class Scope(StrEnum):
    """What an account of ours is for."""

    CLUSTER = "cluster"
    JOURNAL = "journal"


async def writer(cluster: voting.Api, named: Account | None, otherwise: Account = DEPLOYER) -> Account:
    """Return which account writes: what the App names, else our own where this user is it, else `otherwise`.

    Whoever works through the least-privilege account never asks for a token of a stronger one.
    """
    if named is not None:
        return named
    return OWN if await cluster.username() == OWN.username else otherwise


async def can_fence(cluster: voting.Api, *, account: Account = DEPLOYER) -> bool:
    """Say whether this user may issue the account's tokens and keep the Secret that binds them."""
    namespaces = sorted({account.namespace, voting.NAMESPACE})
    listed = dict(zip(namespaces, await asyncio.gather(*map(cluster.rights, namespaces)), strict=True))
    needed = [
        (account.namespace, "create", kinds.SERVICE_ACCOUNT, "token", account.name),
        *((account.namespace, verb, kinds.SECRET, "", "") for verb in ("get", "create", "update", "delete")),
        *((voting.NAMESPACE, verb, kinds.CONFIG_MAP, "", "") for verb in ("get", "create", "update")),
    ]
    answers = await asyncio.gather(
        *(
            cluster.allows(verb, kind, namespace, subresource=subresource, name=name)
            for namespace, verb, kind, subresource, name in needed
            if not listed[namespace].include(verb, kind, subresource=subresource)
        )
    )
    return all(answers)


async def prepare(
    cluster: voting.Api, *, key: str, account: Account = DEPLOYER, scope: Scope = Scope.CLUSTER
) -> None:
    """As the user: see that the account exists and may do its work; repeatable.

    Our own account is created, and with `Scope.CLUSTER` bound to cluster-admin. An account that the App names
    must exist; it gets rights on our ConfigMaps, may create Secrets of ours but not read them (among them lie
    other Apps' credentials), and may mark its own fence.
    """
    if account == OWN:
        return  # this user is it, with all that `account up` gave; it may give itself nothing
    if account in {DEPLOYER, SCRIBE}:
        await _ensure(cluster, kinds.SERVICE_ACCOUNT, _service_account(account))
    elif await cluster.get(kinds.SERVICE_ACCOUNT, account.name, account.namespace) is None:
        raise errors.DeniedError(
            f"ServiceAccount {account.namespace}/{account.name} does not exist",
            where=cluster.name,
            why="the App names it as the account that writes it",
            remedy=(
                f"`kubectl -n {account.namespace} create serviceaccount {account.name}`, "
                "and grant it the App's kinds."
            ),
        )
    if account == DEPLOYER and scope is Scope.CLUSTER:
        await _ensure(cluster, kinds.CLUSTER_ROLE_BINDING, _binding_to_admin(account))
        return
    mark = {"resourceNames": [f"fence.{key}"], "verbs": ["get", "update"]}
    await _grant(cluster, f"journal.{key}", voting.NAMESPACE, key, account, _journal_rules())
    await _grant(cluster, f"fence.{key}", account.namespace, key, account, [_on("secrets") | mark])


def _service_account(account: Account) -> Json:
    meta = {"name": account.name, "namespace": account.namespace, "labels": {voting.MANAGED: "isthmus"}}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta,
        "automountServiceAccountToken": False,
    }


def _binding_to_admin(account: Account) -> Json:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": account.name, "labels": {voting.MANAGED: "isthmus"}},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [_subject(account)],
    }


def _journal_rules() -> list[Json]:
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    return [_on("configmaps") | {"verbs": verbs}, _on("secrets") | {"verbs": ["create"]}]


def _on(resource: str) -> Json:
    return {"apiGroups": [""], "resources": [resource]}


async def _grant(
    cluster: voting.Api, name: str, namespace: str, key: str, account: Account, rules: list[Json]
) -> None:
    labels = {voting.MANAGED: "isthmus", voting.APP: key}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [_subject(account)],
    }
    await _ensure(cluster, kinds.ROLE, role)
    await _ensure(cluster, kinds.ROLE_BINDING, binding)


async def _ensure(cluster: voting.Api, kind: kinds.Kind, body: Json) -> None:
    """Apply; where this user may not grant rights, what an administrator has made before will do."""
    try:
        await cluster.apply(kind, body)
    except errors.DeniedError as denied:
        meta = body["metadata"]
        try:
            found = await cluster.get(kind, meta["name"], meta.get("namespace"))
        except errors.DeniedError:
            raise denied from None
        if found is None or not _grants(found, body):
            raise


def _grants(found: Json, wanted: Json) -> bool:
    """Say whether the parts that give rights are as wanted."""
    return all(found.get(part) == wanted.get(part) for part in ("rules", "roleRef", "subjects"))


def _subject(account: Account) -> Json:
    return {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
