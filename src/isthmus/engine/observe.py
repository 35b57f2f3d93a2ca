"""What every cluster answers before a plan: releases, namespace, rights, and the server's dry run.

It changes nothing: dry runs are the API server's own.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds, kube, redactor, releases
from isthmus.engine import fence, hidden
from isthmus.engine import parts as writing
from isthmus.engine import world as worlds
from isthmus.model import errors
from isthmus.rollout import manifest, release
from isthmus.rollout import observed as observations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.rollout import part

Json = dict[str, Any]

MANAGER = "helm"
AT_ONCE = 8
"""Dry runs in flight per cluster: enough to hide a long path, few enough for API priority and fairness."""
HEAVY = 2
"""The same for CustomResourceDefinitions: a server works for up to a second on a large one."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is looked at in every cluster: a release, its namespace, and the account that writes it.

    `key` is what bundles of the App are kept under.
    """

    release: str
    namespace: str
    account: str | None = None
    key: str = ""


async def observe(
    world: worlds.World,
    subject: Subject,
    clusters: Sequence[str],
    *,
    wanted: Mapping[str, Sequence[Json]],
    target: Mapping[str, int] | None = None,
    parts: Mapping[str, Sequence[part.Part]] | None = None,
) -> dict[str, observations.Observed]:
    """Look at clusters and try on them what is wanted."""
    seen = await look(world, subject, clusters)
    return await attempt(world, subject, seen, wanted=wanted, target=target, parts=parts)


async def look(
    world: worlds.World, subject: Subject, clusters: Sequence[str]
) -> dict[str, observations.Observed]:
    """Return what each cluster holds; one that fails carries its error and stops no other."""
    found = await worlds.each(tuple(clusters), lambda name: _look(world, subject, name))
    return _told(found, world.secrets)


async def attempt(
    world: worlds.World,
    subject: Subject,
    seen: Mapping[str, observations.Observed],
    *,
    wanted: Mapping[str, Sequence[Json]],
    target: Mapping[str, int] | None = None,
    parts: Mapping[str, Sequence[part.Part]] | None = None,
) -> dict[str, observations.Observed]:
    """Add what the servers' dry runs say to what was seen.

    `wanted` holds the objects to dry-run by cluster; `target` names revisions whose manifest is
    dry-run instead (for a rollback); `parts` are written after the objects.
    """

    async def one(name: str) -> observations.Observed:
        if seen[name].error:
            return seen[name]
        revision = (target or {}).get(name)
        objects = wanted.get(name, ()) if revision is None else _manifest_of(seen[name].history, revision)
        return await _attempt(world, subject, seen[name], objects, (parts or {}).get(name, ()))

    return _told(await worlds.each(tuple(seen), one), world.secrets)


def _told(found: Mapping[str, Any], secrets: redactor.Redactor) -> dict[str, observations.Observed]:
    return {
        name: failed(name, seen, secrets) if isinstance(seen, errors.IsthmusError) else seen
        for name, seen in found.items()
    }


def failed(name: str, error: errors.IsthmusError, secrets: redactor.Redactor) -> observations.Observed:
    """Return what is known of a cluster that could not be looked at."""
    return observations.Observed(
        cluster=name,
        error=secrets.clean(error.brief),
        answers=not isinstance(error, errors.UnreachableError),
        remedy=error.remedy,
    )


async def _look(world: worlds.World, subject: Subject, name: str) -> observations.Observed:
    server = world.cluster(name)
    history, namespace, fenced, account, old_words = await asyncio.gather(
        releases.history(server, subject.release, subject.namespace),
        server.get(kinds.NAMESPACE, subject.namespace),
        _is_fenced(server, subject),
        _has_account(server, subject),
        hidden.in_bundles(server, subject.key),
    )
    secrets = tuple(dict.fromkeys((*old_words, *hidden.in_releases(history))))
    return observations.Observed(
        cluster=name,
        history=history,
        exists=namespace is not None,
        terminating=bool(namespace and (namespace.get("status") or {}).get("phase") == "Terminating"),
        fenced=fenced,
        account=account,
        secrets=secrets,
    )


async def _attempt(
    world: worlds.World,
    subject: Subject,
    seen: observations.Observed,
    wanted: Sequence[Json],
    parts: Sequence[part.Part],
) -> observations.Observed:
    server = world.cluster(seen.cluster)
    before = manifest.split(seen.latest.manifest) if seen.latest else ()
    # What stays the same is tried once: a refusal is told of what is wanted.
    old = tuple(body for body in before if body not in wanted)
    (pairs, refused), (_, stuck), (more, denied) = await asyncio.gather(
        dry_run(server, wanted, subject, exists=seen.exists),
        dry_run(server, old, subject, exists=seen.exists),
        writing.changes(server, parts),
    )
    clean = world.secrets.joined(redactor.Redactor.of(seen.secrets)).clean
    return dataclasses.replace(
        seen,
        pairs=pairs,
        more=more,
        refused=tuple(clean(text) for text in (*refused, *denied)),
        stuck=tuple(clean(text) for text in stuck),
    )


async def _is_fenced(server: kube.Cluster, subject: Subject) -> bool:
    named = fence.Account(subject.namespace, subject.account) if subject.account else None
    return await fence.can_fence(server, account=await fence.writer(server, named))


def _manifest_of(history: Sequence[release.Release], revision: int) -> tuple[Json, ...]:
    return next((manifest.split(one.manifest) for one in history if one.revision == revision), ())


async def _has_account(server: kube.Cluster, subject: Subject) -> bool:
    if subject.account is None:
        return True
    return await server.get(kinds.SERVICE_ACCOUNT, subject.account, subject.namespace) is not None


async def dry_run(
    server: kube.Cluster, objects: Sequence[Json], subject: Subject, *, exists: bool
) -> tuple[tuple[tuple[Json | None, Json], ...], tuple[str, ...]]:
    """Return (live, result) for every object, and what the server refused, in its words.

    Objects of kinds that the chart itself brings (its CRDs), and all objects of a namespace that is not
    there yet or that it brings too, can only be created: they are paired with nothing.
    """
    gate, heavy = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(HEAVY)
    absent = await _absent(server, objects)
    absent |= set() if exists else {subject.namespace}

    async def one(body: Json) -> tuple[Json | None, Json] | str:
        async with heavy if body.get("kind") == "CustomResourceDefinition" else gate:
            marked = (
                body if manifest.is_own(body) else manifest.owned(body, subject.release, subject.namespace)
            )
            return await _dry_run_one(server, marked, namespace=subject.namespace, absent=absent)

    found = await asyncio.gather(*(one(body) for body in objects))
    pairs = tuple(answer for answer in found if not isinstance(answer, str))
    return pairs, tuple(answer for answer in found if isinstance(answer, str))


async def _absent(server: kube.Cluster, objects: Sequence[Json]) -> set[str]:
    """Return the namespaces among the objects that are not there yet."""
    brought = [str(body["metadata"]["name"]) for body in objects if body.get("kind") == kinds.NAMESPACE.kind]
    found = await asyncio.gather(*(server.get(kinds.NAMESPACE, name) for name in brought))
    return {name for name, body in zip(brought, found, strict=True) if body is None}


async def _dry_run_one(
    server: kube.Cluster, body: Json, *, namespace: str, absent: set[str]
) -> tuple[Json | None, Json] | str:
    name = manifest.ref(body)
    kind = await server.resolve(name.api_version, name.kind)
    if kind is None:
        return None, body
    if kind.namespaced:
        body = {**body, "metadata": {**body["metadata"], "namespace": name.namespace or namespace}}
        if body["metadata"]["namespace"] in absent:
            return None, body
    live = await server.get(kind, name.name, body["metadata"].get("namespace"))
    try:
        return live, await server.apply(kind, body, manager=MANAGER, dry_run=True)
    except (errors.DeniedError, errors.ConflictError) as error:
        return f"{name}: {error.why or error.what}"
