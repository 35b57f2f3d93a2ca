"""Waits until a cluster runs one revision of a release, and frees what an abandoned revision blocks."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import types
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds, kube, releases
from isthmus.engine import news
from isthmus.model import errors
from isthmus.rollout import health, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from isthmus.engine import clock as clocks

Json = dict[str, Any]
Workloads = news.Workloads

GOING_LEAST = 60.0
"""Seconds that what was deleted gets to go away even where the target's time is up: that is meant for pods to
become ready, and a namespace that holds anything takes five and more to go."""

_WAITED_FOR = health.WORKLOADS | {kinds.NAMESPACE.kind}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A revision of a release in one cluster, and by when it has to be ready."""

    server: kube.Cluster
    release: str
    namespace: str
    revision: int | None
    deadline: float
    """Monotonic seconds."""


async def wait(
    target: Target,
    *,
    clock: clocks.Clock,
    say: Callable[[str], None],
    check: Callable[[], None],
    free_after: float | None = None,
) -> None:
    """Return when the revision is deployed and all its workloads are ready.

    `check` may raise to end the wait. With `free_after`, pods of an abandoned revision that block the
    way are deleted one by one: with 0 those that are not Ready, else those that never were in so many
    seconds. Raises DeadlineError with what it waited for last, ConflictError when the release moved to
    another revision meanwhile.
    """
    objects = await _workloads(target)
    async with news.followed(target.server, objects) as heard:
        await _wait(target, objects, heard, clock=clock, say=say, check=check, free_after=free_after)
    await _workloads(target)


async def _wait(
    target: Target,
    objects: Workloads,
    heard: news.News,
    *,
    clock: clocks.Clock,
    say: Callable[[str], None],
    check: Callable[[], None],
    free_after: float | None,
) -> None:
    said, is_news = "", False
    while True:
        check()
        # What a watch has told is as good as a read, and cheaper; after silence the server is asked.
        seen = await look(target.server, objects, told=heard.told if is_news and not heard.is_deaf else {})
        if seen.is_ready:
            return
        if seen.level is health.Level.FAILED:
            raise errors.DeniedError(
                seen.waits_for, where=target.server.name, remedy="kubectl describe names the cause"
            )
        if seen.waits_for != said:
            said = seen.waits_for
            say(said)
        if clock.monotonic() >= target.deadline:
            raise errors.DeadlineError(
                f"not ready in time: {seen.waits_for}",
                where=target.server.name,
                remedy="look at the pods' events, or give the App a longer rollout.timeout",
            )
        if free_after is not None:
            before = clock.now() - dt.timedelta(seconds=free_after) if free_after else None
            await free_abandoned(target.server, objects, say, before=before)
        is_news = await heard.wait(clock, check, until=target.deadline)


async def look(
    server: kube.Cluster,
    objects: Workloads,
    *,
    told: Mapping[news.Workload, Json] = types.MappingProxyType({}),
) -> health.Health:
    """Return how the workloads stand now; what was just `told` of one is not asked for."""

    async def one(workload: news.Workload) -> Json | None:
        kind, name, namespace = workload
        return told.get(workload) or await server.get(kind, name, namespace)

    live = await asyncio.gather(*map(one, objects))
    return health.judge(
        [(f"{kind} {name}", body) for (kind, name, _), body in zip(objects, live, strict=True)]
    )


async def glance(target: Target) -> health.Health:
    """Return how the release stands now, without waiting; an absent release has nothing to be ready."""
    if target.revision is None:
        return health.READY
    return await look(target.server, await _workloads(target))


async def wait_gone(
    target: Target,
    *,
    clock: clocks.Clock,
    objects: tuple[Json, ...],
    say: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    """Return when the workloads and namespaces of an uninstalled release are gone.

    helm only asks for their deletion; as long as a namespace of the chart is going away, nothing can be
    installed in it again. `check` may raise to end the wait. Raises DeadlineError with what is left at the
    target's deadline, or after GOING_LEAST where that is later.
    """
    deadline = max(target.deadline, clock.monotonic() + GOING_LEAST)
    going = tuple(body for body in objects if not manifest.is_kept(body))
    found = await _resolved(target, going, _WAITED_FOR)
    said = ""
    while True:
        check()
        live = await asyncio.gather(
            *(target.server.get(kind, name, namespace) for kind, name, namespace in found)
        )
        left = [
            f"{kind} {name}" for (kind, name, _), body in zip(found, live, strict=True) if body is not None
        ]
        if not left:
            return
        if clock.monotonic() >= deadline:
            raise errors.DeadlineError(
                f"{left[0]} is still there",
                where=target.server.name,
                remedy="kubectl get -o yaml names its finalizers",
            )
        if left[0] != said:
            said = left[0]
            say(f"{said} is going away")
        await clock.sleep(news.TICK)


async def free_abandoned(
    server: kube.Cluster,
    objects: Workloads,
    say: Callable[[str], None],
    *,
    before: dt.datetime | None = None,
) -> None:
    """Delete one pod of an abandoned revision for each StatefulSet that it blocks."""
    for kind, name, namespace in objects:
        if kind.kind != "StatefulSet":
            continue
        live = await server.get(kind, name, namespace)
        if live is None or _lags(live):
            continue
        pods = await server.list(kinds.POD, namespace, labels=_selector(live))
        mine = [pod for pod in pods if _owned_by(pod, live)]
        blocked = health.abandoned(mine, str((live.get("status") or {}).get("updateRevision")), before=before)
        if any((pod["metadata"].get("deletionTimestamp")) for pod in blocked) or not blocked:
            continue
        pod = blocked[0]["metadata"]
        say(f"deleting pod {pod['name']}: it never became ready on the abandoned revision")
        await server.delete(kinds.POD, pod["name"], namespace, uid=pod["uid"])


async def _workloads(target: Target) -> Workloads:
    found = await releases.latest(target.server, target.release, target.namespace)
    if found is None or found.revision != target.revision or not found.is_deployed:
        now = f"revision {found.revision}, {found.status}" if found else "gone"
        raise errors.ConflictError(
            f"release {target.release} is not at revision {target.revision} any more: {now}",
            where=target.server.name,
            why="somebody else changed it",
            remedy="look at `helm history`, then plan again",
        )
    return await _resolved(target, manifest.split(found.manifest))


async def _resolved(
    target: Target, objects: tuple[Json, ...], wanted: frozenset[str] = health.WORKLOADS
) -> Workloads:
    found = []
    for body in objects:
        name = manifest.ref(body)
        if name.kind not in wanted:
            continue
        kind = await target.server.resolve(name.api_version, name.kind)
        if kind is not None:
            found.append((kind, name.name, name.namespace or target.namespace))
    return tuple(found)


def _lags(live: Json) -> bool:
    observed = (live.get("status") or {}).get("observedGeneration", 0)
    return bool(observed < live["metadata"].get("generation", 0))


def _selector(live: Json) -> str:
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _owned_by(pod: Json, owner: Json) -> bool:
    return any(
        one.get("uid") == owner["metadata"]["uid"] for one in pod["metadata"].get("ownerReferences") or ()
    )
