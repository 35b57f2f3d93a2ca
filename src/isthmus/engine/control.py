"""What other processes ask of a running or waiting operation: pause, approve, abort, skip, resume.

The asking user's own rights on a ConfigMap decide who may. The operation reads and obeys; nothing is decided
here.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.engine.voters import Json

TRIES = 6  # times that others may add a request between our reading and writing


class Verb(StrEnum):
    """What can be asked."""

    PAUSE = "pause"
    APPROVE = "approve"
    ABORT = "abort"
    SKIP = "skip"
    RESUME = "resume"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One wish: what, about what (a gate, a cluster), by whom, when."""

    id: str
    verb: Verb
    argument: str
    user: str
    at: str


async def request(
    voters: Sequence[voting.Api],
    operation: str,
    verb: Verb,
    argument: str = "",
    *,
    user: str,
    key: str,
    clock: clocks.Clock = clocks.SYSTEM,
    deadline: float = 10.0,
) -> Request:
    """Leave a request in every voter; return once a majority has it."""
    at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    wish = Request(
        id=f"{at[:19].replace(':', '')}-{secrets.token_hex(4)}",
        verb=verb,
        argument=argument,
        user=user,
        at=at,
    )
    votes = await voting.ask(
        voters, lambda api: _add(api, operation, key, wish), clock=clock, deadline=deadline
    )
    if len(votes.answers) < voting.majority(len(voters)):
        raise voting.lacking(f"cannot leave '{verb}' for operation {operation}", votes, len(voters))
    return wish


async def read(
    voters: Sequence[voting.Api],
    operation: str,
    *,
    clock: clocks.Clock = clocks.SYSTEM,
    deadline: float = 10.0,
) -> tuple[Request, ...]:
    """Return every request in order of time; needs a majority, which meets the one that got it."""
    votes = await voting.ask(
        voters,
        lambda api: api.get(kinds.CONFIG_MAP, name(operation), voting.NAMESPACE),
        clock=clock,
        deadline=deadline,
        enough=voting.majority(len(voters)),
    )
    if len(votes.answers) < voting.majority(len(voters)):
        raise voting.lacking(f"cannot read the requests for operation {operation}", votes, len(voters))
    found = {wish.id: wish for body in votes.answers.values() for wish in parse(body)}
    return tuple(sorted(found.values(), key=lambda wish: (wish.at, wish.id)))


def name(operation: str) -> str:
    """Return the name of an operation's requests."""
    return f"control.{operation}"


def parse(body: Json | None) -> tuple[Request, ...]:
    """Return the requests in a ConfigMap, without what nobody can read: people edit it by hand."""
    found = []
    for identity, text in ((body or {}).get("data") or {}).items():
        try:
            wish = json.loads(text)
            found.append(
                Request(
                    id=identity,
                    verb=Verb(wish["verb"]),
                    argument=str(wish.get("argument", "")),
                    user=str(wish.get("user", "")),
                    at=str(wish.get("at", "")),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return tuple(found)


async def _add(api: voting.Api, operation: str, key: str, wish: Request) -> None:
    text = json.dumps({"verb": wish.verb, "argument": wish.argument, "user": wish.user, "at": wish.at})
    for _ in range(TRIES):
        body = await api.get(kinds.CONFIG_MAP, name(operation), voting.NAMESPACE)
        try:
            if body is None:
                await api.create(
                    kinds.CONFIG_MAP, _fresh(operation, key, wish.id, text), namespace=voting.NAMESPACE
                )
            else:
                await api.replace(
                    kinds.CONFIG_MAP, body | {"data": (body.get("data") or {}) | {wish.id: text}}
                )
        except errors.ConflictError:
            continue
        return
    raise errors.ConflictError(
        "the requests keep changing",
        where=api.name,
        why=f"others wrote {TRIES} times between our reading and writing",
        remedy="Repeat the command.",
    )


def _fresh(operation: str, key: str, identity: str, text: str) -> Json:
    meta = voting.metadata(name(operation), key, component="control", operation=operation)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {identity: text}}
