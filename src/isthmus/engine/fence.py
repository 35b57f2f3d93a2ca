"""Makes API servers refuse the writes of an overtaken operation (skeleton)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting

if TYPE_CHECKING:
    from datetime import datetime


@dataclasses.dataclass(frozen=True)
class Account:
    """A ServiceAccount of the target cluster."""

    namespace: str
    name: str


DEPLOYER = Account(voting.NAMESPACE, "isthmus-deployer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Credential:
    """One operation's right to write in one cluster."""

    cluster: str
    key: str
    operation: str
    fencing: int
    account: Account
    secret: str
    uid: str
    expires: datetime
    token: str = dataclasses.field(repr=False)


async def prepare(cluster: voting.Api, *, key: str, account: Account = DEPLOYER) -> None: ...
async def can_fence(cluster: voting.Api, *, account: Account = DEPLOYER) -> bool:
    raise NotImplementedError


async def take(
    cluster: voting.Api,
    *,
    key: str,
    token: int,
    operation: str,
    account: Account = DEPLOYER,
    clock: clocks.Clock = clocks.SYSTEM,
    seconds: int = 3600,
) -> Credential:
    """As the user: end the predecessor's credential, wait until it is refused, return ours."""
    raise NotImplementedError


async def refresh(
    cluster: voting.Api, credential: Credential, *, clock: clocks.Clock = clocks.SYSTEM, seconds: int = 3600
) -> Credential:
    """As the user: a new token bound to the same Secret; FencedError when that Secret is gone."""
    raise NotImplementedError


async def release(cluster: voting.Api, credential: Credential) -> None:
    """As the operation (cluster.as_token(credential.token)): nothing of it writes any more."""
