"""Makes API servers refuse the writes of an operation that was overtaken.

A check before a write is no fence: a process frozen between the two writes when it wakes. So every write
uses a token that the API server itself ties to one Secret, `fence.<key>`. A successor deletes that Secret and
creates its own under the same name and a higher number: the name is taken from then on, so whoever was frozen
can neither create nor recreate a credential. The Secret stays after the end and keeps the number.

The Secret holds the token's text, so that a successor can watch it being refused. This module gives no rights
beyond those of `prepare`, and decides nothing about who holds the lock.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.engine.voters import Json

RELEASED = "isthmus.dev/released"
HOUR = 3600  # seconds
SETTLE = 11.0  # seconds; API servers cache a good token about 10 s, each server behind one address by itself
REFUSED = 60.0  # seconds in which the old token must have been refused
POLL = 1.0  # seconds
TRIES = 8  # times that others may write between our reading and writing


@dataclasses.dataclass(frozen=True)
class Account:
    """A ServiceAccount of the target cluster."""

    namespace: str
    name: str


DEPLOYER = Account(voting.NAMESPACE, "isthmus-deployer")
"""Writes an App that names no account of its own."""
SCRIBE = Account(voting.NAMESPACE, "isthmus-scribe")
"""Writes the journal where nothing else is written: a witness."""


class Scope(StrEnum):
    """What an account of ours is for."""

    CLUSTER = "cluster"
    JOURNAL = "journal"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Credential:
    """One operation's right to write in one cluster; the token stays out of repr."""

    cluster: str
    key: str
    operation: str
    fencing: int
    account: Account
    secret: str
    uid: str
    expires: datetime
    token: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class _Ended:
    """A predecessor's Secret that we deleted: when, and its token if it had stored one."""

    at: float
    token: str = dataclasses.field(repr=False)


# --- rights -------------------------------------------------------------------------------------


async def can_fence(cluster: voting.Api, *, account: Account = DEPLOYER) -> bool:
    """Say whether this user may issue the account's tokens and keep the Secret that binds them."""
    verbs = ("get", "create", "update", "delete")
    answers = await asyncio.gather(
        cluster.allows("create", kinds.SERVICE_ACCOUNT, account.namespace, subresource="token"),
        *(cluster.allows(verb, kinds.SECRET, account.namespace) for verb in verbs),
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
    if account.namespace == voting.NAMESPACE:
        await _prepare_ours(cluster, account, scope)
        return
    if await cluster.get(kinds.SERVICE_ACCOUNT, account.name, account.namespace) is None:
        raise errors.DeniedError(
            f"ServiceAccount {account.namespace}/{account.name} does not exist",
            where=cluster.name,
            why="the App names it as the account that writes it",
            remedy=(
                f"`kubectl -n {account.namespace} create serviceaccount {account.name}`, "
                "and grant it the App's kinds."
            ),
        )
    await _grant(cluster, f"journal.{key}", voting.NAMESPACE, key, account, _journal_rules())
    mark = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [f"fence.{key}"],
        "verbs": ["get", "update"],
    }
    await _grant(cluster, f"fence.{key}", account.namespace, key, account, [mark])


async def _prepare_ours(cluster: voting.Api, account: Account, scope: Scope) -> None:
    labels = {voting.MANAGED: "isthmus"}
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": account.name, "namespace": account.namespace, "labels": labels},
        "automountServiceAccountToken": False,
    }
    await cluster.apply(kinds.SERVICE_ACCOUNT, body)
    if scope is Scope.JOURNAL:
        own = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "update"]}
        await _grant(cluster, account.name, account.namespace, "", account, [*_journal_rules(), own])
        return
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": account.name, "labels": labels},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [_subject(account)],
    }
    await cluster.apply(kinds.CLUSTER_ROLE_BINDING, binding)


def _journal_rules() -> list[Json]:
    return [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
    ]


async def _grant(
    cluster: voting.Api, name: str, namespace: str, key: str, account: Account, rules: list[Json]
) -> None:
    labels = {voting.MANAGED: "isthmus"} | ({voting.APP: key} if key else {})
    meta = {"name": name, "namespace": namespace, "labels": labels}
    api = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
        "subjects": [_subject(account)],
    }
    await cluster.apply(kinds.ROLE, role)
    await cluster.apply(kinds.ROLE_BINDING, binding)


def _subject(account: Account) -> Json:
    return {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}


# --- the fence ----------------------------------------------------------------------------------


async def take(
    cluster: voting.Api,
    *,
    key: str,
    token: int,
    operation: str,
    account: Account = DEPLOYER,
    clock: clocks.Clock = clocks.SYSTEM,
    seconds: int = HOUR,
) -> Credential:
    """As the user: end the predecessor's credential, see it refused, and return ours.

    Waits at least 11 s after a predecessor that did not release, at most 60 s.
    """
    secret, ended = await _replace_secret(cluster, key, token, operation, account, clock)
    credential = await _issue(
        cluster, secret, key=key, operation=operation, account=account, clock=clock, seconds=seconds
    )
    if ended:
        await _until_refused(cluster, ended, clock)
    return credential


async def refresh(
    cluster: voting.Api, credential: Credential, *, clock: clocks.Clock = clocks.SYSTEM, seconds: int = HOUR
) -> Credential:
    """As the user: a new token bound to the same Secret; FencedError when that Secret is no longer ours."""
    secret = await _own_secret(cluster, credential)
    return await _issue(
        cluster,
        secret,
        key=credential.key,
        operation=credential.operation,
        account=credential.account,
        clock=clock,
        seconds=seconds,
    )


async def release(cluster: voting.Api, credential: Credential) -> None:
    """As the operation: say that nothing of it writes any more, so that a successor need not wait.

    The Secret stays and keeps the number; the token's text leaves it.
    """
    for _ in range(TRIES):
        secret = await _own_secret(cluster, credential)
        secret["metadata"]["annotations"][RELEASED] = "true"
        secret["data"] = {}
        try:
            await cluster.replace(kinds.SECRET, secret)
        except errors.ConflictError:
            continue
        return
    raise _contended(cluster.name, credential.secret)


async def _replace_secret(
    cluster: voting.Api, key: str, token: int, operation: str, account: Account, clock: clocks.Clock
) -> tuple[Json, list[_Ended]]:
    """Put our Secret in the place of a predecessor's; judge again whenever somebody else was quicker."""
    name, ended = f"fence.{key}", list[_Ended]()
    for _ in range(TRIES):
        found = await cluster.get(kinds.SECRET, name, account.namespace)
        if found is not None:
            _check_number(cluster.name, found, token)
            if not await _delete(cluster, found):
                continue
            if not _is_released(found):
                ended.append(_Ended(clock.monotonic(), _stored_token(found)))
        try:
            body = _secret(name, key, token, operation, account)
            return await cluster.create(kinds.SECRET, body, namespace=account.namespace), ended
        except errors.ConflictError:
            continue
    raise _contended(cluster.name, name)


async def _delete(cluster: voting.Api, secret: Json) -> bool:
    """Delete exactly this Secret; False when another stands in its place by now."""
    meta = secret["metadata"]
    try:
        await cluster.delete(kinds.SECRET, meta["name"], meta["namespace"], uid=meta["uid"])
    except errors.ConflictError:
        return False
    return True


async def _issue(
    cluster: voting.Api,
    secret: Json,
    *,
    key: str,
    operation: str,
    account: Account,
    clock: clocks.Clock,
    seconds: int,
) -> Credential:
    """Issue a token bound to the Secret, and store it there before anybody uses it."""
    meta = secret["metadata"]
    asked = clock.now()
    try:
        text = await cluster.issue_token(
            account.name, account.namespace, secret=(meta["name"], meta["uid"]), seconds=seconds
        )
        stored = {**secret, "data": {"token": base64.b64encode(text.encode()).decode()}}
        await cluster.replace(kinds.SECRET, stored)
    except (errors.ConflictError, errors.DeniedError) as error:
        now = await cluster.get(kinds.SECRET, meta["name"], account.namespace)
        if now is None or now["metadata"]["uid"] != meta["uid"]:
            raise _fenced(cluster.name, now) from error
        raise
    return Credential(
        cluster=cluster.name,
        key=key,
        operation=operation,
        fencing=_number(secret),
        account=account,
        secret=meta["name"],
        uid=meta["uid"],
        expires=expiry(text) or asked + timedelta(seconds=seconds),
        token=text,
    )


async def _own_secret(cluster: voting.Api, credential: Credential) -> Json:
    found = await cluster.get(kinds.SECRET, credential.secret, credential.account.namespace)
    if found is None or found["metadata"]["uid"] != credential.uid:
        raise _fenced(cluster.name, found)
    return found


async def _until_refused(cluster: voting.Api, ended: list[_Ended], clock: clocks.Clock) -> None:
    """Wait until every server behind the address must have forgotten the old tokens, and one has said so."""
    last = max(one.at for one in ended)
    await clock.sleep(max(0.0, last + SETTLE - clock.monotonic()))
    waiting = [one.token for one in ended if one.token]
    while waiting:
        waiting = [text for text in waiting if not await _is_refused(cluster, text)]
        if not waiting:
            return
        if clock.monotonic() >= last + REFUSED:
            raise errors.DeadlineError(
                "the previous operation's credential is still accepted",
                where=cluster.name,
                why=f"its Secret was deleted {REFUSED:g} s ago and the API server still takes the token",
                remedy="Run the API server with --service-account-lookup (the default); then repeat.",
            )
        await clock.sleep(POLL)


async def _is_refused(cluster: voting.Api, token: str) -> bool:
    """Ask with the old token for something that every known user may ask."""
    try:
        await cluster.as_token(token).allows("get", kinds.SECRET, voting.NAMESPACE)
    except errors.UnauthenticatedError:
        return True
    except (errors.UnreachableError, errors.DeniedError):
        return False
    return False


# --- the Secret ---------------------------------------------------------------------------------


def _secret(name: str, key: str, token: int, operation: str, account: Account) -> Json:
    meta = voting.metadata(name, key, namespace=account.namespace, component="fence", operation=operation)
    meta["annotations"] = {voting.TOKEN: str(token)}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta}


def _annotation(secret: Json, name: str) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(name, ""))


def _number(secret: Json) -> int:
    text = _annotation(secret, voting.TOKEN)
    return int(text) if text.isdigit() else 0


def _is_released(secret: Json) -> bool:
    return _annotation(secret, RELEASED) == "true"


def _stored_token(secret: Json) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get("token", "")).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""  # somebody else's hand: the wait alone must do


def expiry(token: str) -> datetime | None:
    """Return when a token ends, as it says itself; None when it says nothing readable."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def _check_number(cluster: str, secret: Json, token: int) -> None:
    if _number(secret) > token:
        raise _fenced(cluster, secret)


def _fenced(cluster: str, secret: Json | None) -> errors.FencedError:
    labels = secret["metadata"].get("labels") or {} if secret else {}
    by = (
        f"operation {labels.get(voting.OPERATION, 'unknown')} (number {_number(secret)})"
        if secret
        else "somebody"
    )
    return errors.FencedError(
        "overtaken by a successor",
        where=cluster,
        why=f"{by} has taken this operation's credential away"
        if secret
        else "this operation's credential was deleted",
        remedy="See `isthmus deploy status`; this process must not write any more.",
    )


def _contended(cluster: str, name: str) -> errors.ConflictError:
    return errors.ConflictError(
        f"Secret {name} keeps changing",
        where=cluster,
        why=f"others wrote it {TRIES} times between our reading and writing",
        remedy="See who else runs on this App: `isthmus operate locks`.",
    )
