"""Brings the probes of `connect verify` to one cluster, waits for them, and takes all of it away again.

What a killed run left is taken over; what a later run has taken over is left to that run. It asks nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.model import errors
from isthmus.rollout.connect.proof import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.engine import clock as clocks

Json = dict[str, Any]

MANAGER: Final = "isthmus-verify"
TICK: Final = 0.5
"""Seconds between two looks."""
READY: Final = 120.0
"""Seconds for an image to be pulled and pods to be ready."""
GONE: Final = 60.0
"""Seconds for what was deleted to be gone."""
_HOPELESS: Final = frozenset({"InvalidImageName", "ImagePullBackOff", "ErrImageNeverPull"})
_KINDS: Final = (kinds.NETWORK_POLICY, kinds.SERVICE, kinds.DEPLOYMENT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pod:
    """A probe that is ready."""

    name: str
    address: str
    node: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """The two probes of a cluster: one asks, one answers."""

    asking: Pod
    answering: Pod

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that they are on, each once."""
        return tuple(dict.fromkeys((self.asking.node, self.answering.node)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """One cluster with the probes it is to have."""

    server: kube.Cluster
    probes: objects.Probes
    clock: clocks.Clock
    say: Callable[[str], None]

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.server.name


async def bring(site: Site) -> Pair:
    """Make or take over everything, and return the probes when both are ready."""
    await _home(site)
    await _clear(site, f"{objects.APP},{objects.RUN}!={site.probes.run}")
    await site.server.apply(kinds.DEPLOYMENT, objects.deployment(site.probes, site.name), manager=MANAGER)
    for service in objects.services(site.probes):
        await site.server.apply(kinds.SERVICE, service, manager=MANAGER)
    return await _ready(site)


async def take(site: Site) -> bool:
    """Remove everything of this run and wait until it is gone; False where a later run has taken over."""
    standing = await site.server.get(kinds.DEPLOYMENT, objects.NAME, objects.NAMESPACE)
    labels = standing["metadata"].get("labels") or {} if standing else {}
    if standing is not None and labels.get(objects.RUN) != site.probes.run:
        return False
    await _clear(site, objects.APP)
    home = await site.server.get(kinds.NAMESPACE, objects.NAMESPACE)
    if home is not None and _is_ours(home):
        await site.server.delete(kinds.NAMESPACE, objects.NAMESPACE, uid=home["metadata"]["uid"])
        await _until_gone(site, f"namespace {objects.NAMESPACE}", kinds.NAMESPACE)
    else:
        await _until_no_pods(site)
    return True


async def deny(site: Site) -> None:
    """Deny a port of the probes."""
    await site.server.apply(kinds.NETWORK_POLICY, objects.policy(site.probes), manager=MANAGER)


async def _home(site: Site) -> None:
    """Make the namespace; one that somebody made for us is used as it is, one that goes is waited for."""
    found = await site.server.get(kinds.NAMESPACE, objects.NAMESPACE)
    if found is not None and found["metadata"].get("deletionTimestamp"):
        site.say(f"namespace {objects.NAMESPACE} of an earlier run is going away")
        await _until_gone(site, f"namespace {objects.NAMESPACE}", kinds.NAMESPACE)
        found = None
    if found is None:
        await site.server.create(kinds.NAMESPACE, objects.namespace())


async def _clear(site: Site, labels: str) -> None:
    for kind in _KINDS:
        for one in await site.server.list(kind, objects.NAMESPACE, labels=labels):
            meta = one["metadata"]
            await site.server.delete(
                kind, meta["name"], objects.NAMESPACE, uid=meta["uid"], propagation="Background"
            )


async def _ready(site: Site) -> Pair:
    end, said = site.clock.monotonic() + READY, ""
    while True:
        pods = await site.server.list(kinds.POD, objects.NAMESPACE, labels=site.probes.selector)
        ready = sorted((_pod(each) for each in pods if _is_ready(each)), key=lambda pod: pod.name)
        if len(ready) >= objects.PODS:
            return Pair(asking=ready[0], answering=ready[-1])
        waits_for = next(_held_up(pods), "pods of Deployment probe")
        if waits_for != said:
            said = waits_for
            site.say(f"waiting for {said}")
        _refuse_late(site, end, waits_for)
        await site.clock.sleep(TICK)


def _refuse_late(site: Site, end: float, waits_for: str) -> None:
    """Raise when the time is over, or when waiting longer will not help."""
    what = f"its probes are not ready: {waits_for}"
    if any(reason in waits_for for reason in _HOPELESS):
        raise errors.DeniedError(what, where=site.name, remedy="--image names another image")
    if site.clock.monotonic() >= end:
        raise errors.DeadlineError(
            what,
            where=site.name,
            why=f"waited for {READY:.0f} s",
            remedy=f"look at the pods in {objects.NAMESPACE}: --keep leaves them",
        )


async def _until_gone(site: Site, what: str, kind: kinds.Kind) -> None:
    end = site.clock.monotonic() + GONE
    while await site.server.get(kind, objects.NAMESPACE) is not None:
        _check(site, end, what)
        await site.clock.sleep(TICK)


async def _until_no_pods(site: Site) -> None:
    end = site.clock.monotonic() + GONE
    while await site.server.list(kinds.POD, objects.NAMESPACE, labels=objects.APP):
        _check(site, end, f"pods in {objects.NAMESPACE}")
        await site.clock.sleep(TICK)


def _check(site: Site, end: float, what: str) -> None:
    if site.clock.monotonic() >= end:
        raise errors.DeadlineError(
            f"still there: {what}",
            where=site.name,
            why=f"waited for {GONE:.0f} s",
            remedy=f"kubectl delete namespace {objects.NAMESPACE}; the next verify takes it over as well",
        )


def _is_ours(home: Json) -> bool:
    return objects.MADE in (home["metadata"].get("annotations") or {})


def _pod(found: Json) -> Pod:
    return Pod(
        name=str(found["metadata"]["name"]),
        address=str(found["status"]["podIP"]),
        node=str(found["spec"].get("nodeName")),
    )


def _is_ready(pod: Json) -> bool:
    status = pod.get("status") or {}
    told = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    return (
        told.get("Ready") == "True"
        and "deletionTimestamp" not in pod["metadata"]
        and bool(status.get("podIP"))
    )


def _held_up(pods: list[Json]) -> Iterator[str]:
    """Yield what each pod that is not ready waits for, as the cluster tells it."""
    for pod in pods:
        if _is_ready(pod):
            continue
        name, status = pod["metadata"]["name"], pod.get("status") or {}
        for one in status.get("containerStatuses") or ():
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting:
                words = (waiting.get("reason"), waiting.get("message"))
                yield f"pod {name}: " + ": ".join(str(each) for each in words if each)
        for one in status.get("conditions") or ():
            if one.get("status") == "False" and one.get("message"):
                yield f"pod {name}: {one['message']}"
        yield f"pod {name}"
