"""Brings the probes of `connect verify` to one cluster, waits for them, and takes all of it away again.

What a killed run left is taken over; what a later run has taken over is left to that run. It asks nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.engine.connect import homes
from isthmus.model import errors
from isthmus.rollout.connect.proof import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.engine import clock as clocks

Json = dict[str, Any]

MANAGER: Final = "isthmus-verify"
READY: Final = 120.0
"""Seconds for an image to be pulled and pods to be ready."""
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

    @property
    def home(self) -> homes.Home:
        """The namespace of the probes."""
        return homes.Home(server=self.server, name=objects.NAMESPACE, clock=self.clock, say=self.say)


async def bring(site: Site) -> Pair:
    """Make or take over everything, and return the probes when both are ready."""
    await site.home.make(objects.namespace())
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
    await site.home.remove()
    return True


async def deny(site: Site) -> None:
    """Deny a port of the probes."""
    await site.server.apply(kinds.NETWORK_POLICY, objects.policy(site.probes), manager=MANAGER)


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
        await site.clock.sleep(homes.TICK)


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
