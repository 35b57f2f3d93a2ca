"""Makes API servers refuse the writes of an operation that was overtaken.

A check before a write is no fence: a process frozen between the two writes when it wakes. So every write
uses a token that the API server itself ties to one Secret, `fence.<key>`. A successor deletes that Secret
and creates its own under the same name. Before that it raises the number in ConfigMap `fence.<key>`, which
is never deleted; whoever creates a Secret reads the number again before it asks for a token. So in any
order of events an old holder either finds a higher number, or its Secret is there for the successor to
delete.

The Secret holds the token's text, so that a successor can watch it being refused. This module gives no
rights beyond those of `prepare`, and decides nothing about who holds the lock.
"""

from __future__ import annotations

import base64
import binascii
import copy
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting
from isthmus.engine.accounts import DEPLOYER, OWN, SCRIBE, Account, Scope, can_fence, prepare, writer
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.engine.voters import Json

__all__ = [
    "DEPLOYER",
    "OWN",
    "SCRIBE",
    "Account",
    "Credential",
    "Scope",
    "can_fence",
    "expiry",
    "prepare",
    "refresh",
    "release",
    "take",
    "writer",
]

RELEASED = "isthmus.dev/released"
HOUR = 3600  # seconds
HOLDER = "isthmus.dev/holder"
"""Annotation of the Secret: the process that writes with its token."""
UNSETTLED = "isthmus.dev/unsettled"
"""Annotation of the Secret while its holder still waits for predecessors: they outlive it if it dies."""
SETTLE = 11.0  # seconds; API servers cache a good token about 10 s, each server behind one address by itself
UNDER_WAY = 34.0  # seconds; how long a write that was let in may still wait for its body (apiserver, rest.go)
REFUSED = 60.0  # seconds in which the old token must have been refused
POLL = 1.0  # seconds
TRIES = 8  # times that others may write between our reading and writing


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
    """A predecessor's Secret that we deleted: when, its token if it had stored one, and who it was."""

    at: float
    token: str = dataclasses.field(default="", repr=False)
    holder: str = ""


def nobody_knows(_: str) -> bool:
    """Say of no process that it is gone."""
    return False


async def take(
    cluster: voting.Api,
    *,
    key: str,
    token: int,
    operation: str,
    account: Account = DEPLOYER,
    clock: clocks.Clock = clocks.SYSTEM,
    seconds: int = HOUR,
    holder: str = "",
    is_gone: Callable[[str], bool] = nobody_knows,
    tell: Callable[[float], None] = lambda _: None,
) -> Credential:
    """As the user: end the predecessor's credential, see it refused, and return ours.

    A predecessor that did not release is waited for: 11 s when its process is provably gone, and with it what
    it had sent by halves; else 45 s, because a write whose head a server has let in is accepted when its body
    comes later. `tell` hears the seconds. An App may have changed its account since: a predecessor's Secret
    in another namespace is ended as well.
    """
    is_first = await _raise_number(cluster, key, token, operation)
    secret, ended = await _replace_secret(
        cluster, key, token, operation, account.namespace, clock, is_first=is_first, holder=holder
    )
    _check_number(cluster.name, await _numbered(cluster, key), token)
    for namespace in sorted({voting.NAMESPACE, key.partition(".")[0]} - {account.namespace}):
        ended += await _end_elsewhere(cluster, key, token, operation, namespace, clock)
    credential = await _issue(
        cluster,
        secret["metadata"]["uid"],
        created=secret,
        key=key,
        operation=operation,
        token=token,
        account=account,
        clock=clock,
        seconds=seconds,
        is_settled=not ended,
    )
    if ended:
        settle = SETTLE if all(is_gone(one.holder) for one in ended) else SETTLE + UNDER_WAY
        tell(settle)
        await _until_refused(cluster, ended, clock, settle)
        await _change_secret(
            cluster,
            credential.secret,
            account.namespace,
            credential.uid,
            text=credential.token,
            is_settled=True,
        )
    return credential


async def refresh(
    cluster: voting.Api, credential: Credential, *, clock: clocks.Clock = clocks.SYSTEM, seconds: int = HOUR
) -> Credential:
    """As the user: a new token bound to the same Secret; FencedError when that Secret is no longer ours."""
    return await _issue(
        cluster,
        credential.uid,
        key=credential.key,
        operation=credential.operation,
        token=credential.fencing,
        account=credential.account,
        clock=clock,
        seconds=seconds,
    )


async def release(cluster: voting.Api, credential: Credential) -> None:
    """As the operation: say that nothing of it writes any more, so that a successor need not wait.

    The Secret stays and keeps the number; the token's text leaves it.
    """
    await _change_secret(cluster, credential.secret, credential.account.namespace, credential.uid, text="")


async def _raise_number(cluster: voting.Api, key: str, token: int, operation: str) -> bool:
    """Raise the number that every holder must not be below; say whether nobody was here before."""
    for _ in range(TRIES):
        found = await _numbered(cluster, key)
        _check_number(cluster.name, found, token)
        meta = voting.metadata(f"fence.{key}", key, component="fence")
        meta["annotations"] = {voting.TOKEN: str(token), voting.OPERATION: operation}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        try:
            if found is None:
                await cluster.create(kinds.CONFIG_MAP, body, namespace=voting.NAMESPACE)
            elif _number(found) < token:
                meta["resourceVersion"] = found["metadata"]["resourceVersion"]
                await cluster.replace(kinds.CONFIG_MAP, body)
        except errors.ConflictError:
            continue
        return found is None
    raise _contended(cluster.name, f"ConfigMap fence.{key}")


async def _numbered(cluster: voting.Api, key: str) -> Json | None:
    return await cluster.get(kinds.CONFIG_MAP, f"fence.{key}", voting.NAMESPACE)


async def _replace_secret(
    cluster: voting.Api,
    key: str,
    token: int,
    operation: str,
    namespace: str,
    clock: clocks.Clock,
    *,
    is_first: bool,
    is_released: bool = False,
    holder: str = "",
) -> tuple[Json, list[_Ended]]:
    """Put our Secret in the place of a predecessor's; judge again whenever somebody else was quicker."""
    name, ended = f"fence.{key}", list[_Ended]()
    for _ in range(TRIES):
        found = await cluster.get(kinds.SECRET, name, namespace)
        if found is not None:
            _check_number(cluster.name, found, token)
            if not _is_released(found):  # also where another deletes it first: a second wait does no harm
                holder_before = "" if _annotation(found, UNSETTLED) else _annotation(found, HOLDER)
                ended.append(_Ended(clock.monotonic(), _stored_token(found), holder_before))
            if not await _delete(cluster, found):
                continue
        elif not is_first:
            # Somebody may have died between deleting and creating, and left a token in the servers' caches.
            ended.append(_Ended(clock.monotonic()))
        try:
            body = _secret(name, key, token, operation, namespace, is_released=is_released)
            body["metadata"]["annotations"] |= {HOLDER: holder} if holder else {}
            body["metadata"]["annotations"] |= {} if is_first or is_released else {UNSETTLED: "true"}
            created = await cluster.create(kinds.SECRET, body, namespace=namespace)
        except errors.ConflictError:
            continue
        return created, [dataclasses.replace(one, at=clock.monotonic()) for one in ended]
    raise _contended(cluster.name, f"Secret {name}")


async def _end_elsewhere(
    cluster: voting.Api, key: str, token: int, operation: str, namespace: str, clock: clocks.Clock
) -> list[_Ended]:
    """Put a released tombstone in the place of a Secret that binds tokens of an account used before."""
    try:
        found = await cluster.get(kinds.SECRET, f"fence.{key}", namespace)
    except errors.DeniedError:
        return []  # whoever may not even read there works with the App's account alone, as before
    if found is None or _is_released(found):
        return []
    _, ended = await _replace_secret(
        cluster, key, token, operation, namespace, clock, is_first=False, is_released=True
    )
    return ended


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
    uid: str,
    *,
    key: str,
    operation: str,
    token: int,
    account: Account,
    clock: clocks.Clock,
    seconds: int,
    is_settled: bool = False,
    created: Json | None = None,
) -> Credential:
    """Issue a token bound to our Secret, and store it there before anybody uses it.

    `created` is that Secret where it was just made: it need not be read again.
    """
    name, asked = f"fence.{key}", clock.now()
    try:
        text = await cluster.issue_token(account.name, account.namespace, secret=(name, uid), seconds=seconds)
    except (errors.ConflictError, errors.DeniedError):
        await _own_secret(cluster, name, account.namespace, uid)  # FencedError when that was the reason
        raise
    await _change_secret(
        cluster, name, account.namespace, uid, text=text, is_settled=is_settled, known=created
    )
    return Credential(
        cluster=cluster.name,
        key=key,
        operation=operation,
        fencing=token,
        account=account,
        secret=name,
        uid=uid,
        expires=expiry(text) or asked + timedelta(seconds=seconds),
        token=text,
    )


async def _change_secret(
    cluster: voting.Api,
    name: str,
    namespace: str,
    uid: str,
    *,
    text: str,
    is_settled: bool = False,
    known: Json | None = None,
) -> None:
    """Store a token's text in our Secret; without one mark it as released. `known` is tried first."""
    for _ in range(TRIES):
        secret = copy.deepcopy(known) if known else await _own_secret(cluster, name, namespace, uid)
        known = None
        if is_settled:
            (secret["metadata"].get("annotations") or {}).pop(UNSETTLED, None)
        if text:
            secret["data"] = {"token": base64.b64encode(text.encode()).decode()}
        else:
            secret["data"] = {}
            secret["metadata"].setdefault("annotations", {})[RELEASED] = "true"
        try:
            await cluster.replace(kinds.SECRET, secret)
        except errors.ConflictError:
            continue  # a successor, or our own first try whose answer was lost: look again
        except errors.DeniedError:
            await _own_secret(cluster, name, namespace, uid)  # FencedError when it is gone
            raise
        return
    raise _contended(cluster.name, f"Secret {name}")


async def _own_secret(cluster: voting.Api, name: str, namespace: str, uid: str) -> Json:
    found = await cluster.get(kinds.SECRET, name, namespace)
    if found is None or found["metadata"]["uid"] != uid:
        raise _fenced(cluster.name, found)
    return found


async def _until_refused(
    cluster: voting.Api, ended: list[_Ended], clock: clocks.Clock, settle: float
) -> None:
    """Wait until every server behind the address must have forgotten the old tokens, and one has said so."""
    last = max(one.at for one in ended)
    await clock.sleep(max(0.0, last + settle - clock.monotonic()))
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
    """Ask with the old token, over a new connection, for something that every known user may ask."""
    old = cluster.as_token(token)
    try:
        await old.allows("get", kinds.SECRET, voting.NAMESPACE)
    except errors.UnauthenticatedError:
        return True
    except (errors.UnreachableError, errors.DeniedError):
        return False
    finally:
        await old.close()
    return False


def _secret(name: str, key: str, token: int, operation: str, namespace: str, *, is_released: bool) -> Json:
    meta = voting.metadata(name, key, namespace=namespace, component="fence")
    meta["annotations"] = {voting.TOKEN: str(token), voting.OPERATION: operation}
    meta["annotations"] |= {RELEASED: "true"} if is_released else {}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta}


def _annotation(body: Json, name: str) -> str:
    return str((body["metadata"].get("annotations") or {}).get(name, ""))


def _number(body: Json) -> int:
    text = _annotation(body, voting.TOKEN)
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


def _check_number(cluster: str, body: Json | None, token: int) -> None:
    if body is not None and _number(body) > token:
        raise _fenced(cluster, body)


def _fenced(cluster: str, body: Json | None) -> errors.FencedError:
    """Return the error for finding a successor's Secret or number, or no Secret of ours any more."""
    why = "the Secret that binds this operation's credential was deleted"
    if body is not None:
        by = _annotation(body, voting.OPERATION) or "unknown"
        why = f"operation {by} (token {_number(body)}) has taken over here"
    return errors.FencedError(
        "overtaken by a successor",
        where=cluster,
        why=why,
        remedy="See `isthmus deploy status`; this process must not write any more.",
    )


def _contended(cluster: str, what: str) -> errors.ConflictError:
    return errors.ConflictError(
        f"{what} keeps changing",
        where=cluster,
        why=f"others wrote it {TRIES} times between our reading and writing",
        remedy="See who else runs on this App: `isthmus operate locks`.",
    )
