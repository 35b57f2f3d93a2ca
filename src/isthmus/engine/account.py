"""Makes and removes the account that Isthmus works as in a cluster: what it is to hold was decided before.

It is no Operation: nothing runs on it while it is written, each object is applied by itself, and the same
again changes nothing. Written as whoever asks for it, who has to hold all that he gives.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds
from isthmus.engine.accounts import DEPLOYER, OWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.clients import kube

Json = dict[str, Any]

ROLES: Final = (kinds.CLUSTER_ROLE_BINDING, kinds.CLUSTER_ROLE, kinds.ROLE_BINDING, kinds.ROLE)
KINDS: Final = {each.kind: each for each in (kinds.NAMESPACE, kinds.SERVICE_ACCOUNT, *ROLES)}
GIVES: Final = ("rules", "roleRef", "subjects", "automountServiceAccountToken")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One object that is made, brought up to date or deleted; `body` is what is applied."""

    verb: str
    kind: str
    name: str
    namespace: str | None = None
    body: Json | None = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"

    def to_json(self) -> Json:
        """Return the public form."""
        return {"verb": self.verb, "kind": self.kind, "namespace": self.namespace, "name": self.name}


async def changes(
    server: kube.Cluster, wanted: Sequence[Json], labels: Mapping[str, str]
) -> tuple[Change, ...]:
    """Return what brings a cluster to the wanted objects; of those with our labels all others are deleted.

    Namespaces are made and never deleted. Without wanted objects the account itself goes too.
    """
    live = await asyncio.gather(*(_live(server, body) for body in wanted))
    made = [
        _change("create" if found is None else "update", body)
        for body, found in zip(wanted, live, strict=True)
        if found is None or not _is_same(found, body)
    ]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    listed = await asyncio.gather(
        *(server.list(kind, labels=selector) for kind in (*ROLES, kinds.SERVICE_ACCOUNT))
    )
    kept = {_key(body) for body in wanted}
    gone = [_change("delete", body) for found in listed for body in found if _key(body) not in kept]
    return (*made, *gone)


async def apply(server: kube.Cluster, found: Sequence[Change]) -> None:
    """Write the changes; repeatable."""
    for each in found:
        kind = KINDS[each.kind]
        if each.verb == "delete":
            await server.delete(kind, each.name, each.namespace)
        elif each.body is not None:
            await server.apply(kind, each.body, manager="isthmus-account")


async def has_admin(server: kube.Cluster) -> bool:
    """Say whether the deployer is bound to cluster-admin: who keeps Secrets beside it can become it."""
    return await server.get(kinds.CLUSTER_ROLE_BINDING, DEPLOYER.name) is not None


async def is_there(server: kube.Cluster) -> bool:
    """Say whether the account exists."""
    return await server.get(kinds.SERVICE_ACCOUNT, OWN.name, OWN.namespace) is not None


async def is_used(server: kube.Cluster) -> bool:
    """Say whether this process works as the account."""
    return await server.username() == OWN.username


async def token(server: kube.Cluster, seconds: int) -> str:
    """Return a token of the account that ends by itself."""
    return await server.issue_token(OWN.name, OWN.namespace, seconds=seconds)


async def has_namespace(server: kube.Cluster, name: str) -> bool:
    """Say whether a namespace is there."""
    return await server.get(kinds.NAMESPACE, name) is not None


async def _live(server: kube.Cluster, body: Json) -> Json | None:
    meta = body["metadata"]
    return await server.get(KINDS[body["kind"]], meta["name"], meta.get("namespace"))


def _is_same(live: Json, wanted: Json) -> bool:
    labels = (live["metadata"].get("labels") or {}).items()
    return (wanted["metadata"].get("labels") or {}).items() <= labels and all(
        _plain(live.get(part)) == _plain(wanted[part]) for part in GIVES if part in wanted
    )


def _plain(part: Any) -> Any:
    """Return subjects without the group that servers fill in."""
    if isinstance(part, list):
        return [
            {key: value for key, value in one.items() if key != "apiGroup" or value}
            if isinstance(one, dict)
            else one
            for one in part
        ]
    return part


def _key(body: Json) -> tuple[str, str | None, str]:
    return body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]


def _change(verb: str, body: Json) -> Change:
    kind, namespace, name = _key(body)
    return Change(
        verb=verb, kind=kind, name=name, namespace=namespace, body=body if verb != "delete" else None
    )
