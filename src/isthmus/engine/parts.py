"""Writes parts: fields and objects that a step applies after its chart, and takes back before it.

They are pinned in the bundle of their cluster. What they say is decided in `rollout`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import errors, plan
from isthmus.rollout import diff
from isthmus.rollout import part as parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from isthmus.clients import kube

Json = dict[str, Any]

LACKING: Final = (
    "for `export` write `network: {clusterset: true}` in the Fleet, then `isthmus connect up`: Cilium's "
    "operator makes the kind"
)


async def write(server: kube.Cluster, pinned: Iterable[Mapping[str, Any]]) -> None:
    """Write the parts; repeatable."""
    for each in map(parts.Part.from_json, pinned):
        await _put(server, each, each.body)


async def take_back(server: kube.Cluster, pinned: Iterable[Mapping[str, Any]]) -> None:
    """Write what stood there before; repeatable."""
    for each in reversed([parts.Part.from_json(one) for one in pinned]):
        await _put(server, each, each.before)


async def changes(
    server: kube.Cluster, wanted: Sequence[parts.Part]
) -> tuple[tuple[plan.Change, ...], tuple[str, ...]]:
    """Return what the parts change by the server's dry run, and what the server refused."""
    found = await asyncio.gather(*(_change(server, each) for each in wanted))
    said = tuple(each for each in found if isinstance(each, str))
    return tuple(each for each in found if isinstance(each, plan.Change)), said


async def _change(server: kube.Cluster, one: parts.Part) -> plan.Change | str | None:
    kind = await server.resolve(one.api_version, one.kind)
    live = None if kind is None else await server.get(kind, one.name, one.namespace)
    change = plan.Change(verb=plan.Verb.CREATE, kind=one.kind, namespace=one.namespace, name=one.name)
    if one.body is None:
        return None if live is None else dataclasses.replace(change, verb=plan.Verb.DELETE)
    if kind is None:
        return None if one.only_on else f"{one}: {_unknown(one)}; {LACKING}"
    if live is None:
        return None if one.only_on else change
    try:
        result = await server.apply(kind, one.applied(one.body), manager=parts.MANAGER, dry_run=True)
    except (errors.DeniedError, errors.ConflictError) as error:
        return f"{one}: {error.why or error.what}"
    return diff.compare(live, result)


async def _put(server: kube.Cluster, one: parts.Part, body: Json | None) -> None:
    kind = await server.resolve(one.api_version, one.kind)
    if kind is None:
        if body is None or one.only_on:
            return
        raise errors.DeniedError(
            f"cannot write {one}",
            where=server.name,
            why=_unknown(one),
            remedy=LACKING,
        )
    live = await server.get(kind, one.name, one.namespace)
    if live is None and (body is None or one.only_on):
        return
    if body is None:
        await server.delete(kind, one.name, one.namespace)
        return
    if one.guarded and live is not None:
        _refuse_moved(server, one, live)
    await server.apply(kind, one.applied(body), manager=parts.MANAGER)


def _unknown(one: parts.Part) -> str:
    return f"this cluster has no kind {one.kind} of {one.api_version}"


def _refuse_moved(server: kube.Cluster, one: parts.Part, live: Mapping[str, Any]) -> None:
    """Refuse where somebody else has written the same keys since the plan."""
    now = live.get("data") or {}
    known = [(each or {}).get("data") or {} for each in (one.body, one.before)]
    for key in {key for each in known for key in each}:
        if now.get(key) not in [each.get(key) for each in known]:
            raise errors.ConflictError(
                f"{one} has changed since the plan was made: key {key}",
                where=server.name,
                why="somebody else wrote it",
                remedy="plan again, so that nothing of theirs is lost",
            )
