"""Brings the probes of `connect verify` to one cluster, waits for them, and takes all of it away again.

What a killed run left is taken over; what a later run has taken over is left to that run. It asks nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.engine.connect import homes
from isthmus.model import errors
from isthmus.rollout import exposure
from isthmus.rollout.connect.proof import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.engine import clock as clocks

Json = dict[str, Any]
Space = objects.Space

MANAGER: Final = "isthmus-verify"
READY: Final = 120.0
"""Seconds for an image to be pulled and pods to be ready."""
_HOPELESS: Final = frozenset({"InvalidImageName", "ImagePullBackOff", "ErrImageNeverPull"})
_KINDS: Final = {
    Space.PLAIN: (kinds.NETWORK_POLICY, kinds.SERVICE, kinds.DEPLOYMENT),
    Space.MESHED: (kinds.SERVICE, kinds.DEPLOYMENT, kinds.SERVICE_ACCOUNT),
}


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
    exports: bool = False
    """Whether the cluster takes a Service for the clusterset."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that they are on, each once."""
        return tuple(dict.fromkeys((self.asking.node, self.answering.node)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """One cluster with the probes it is to have in one namespace."""

    server: kube.Cluster
    probes: objects.Probes
    clock: clocks.Clock
    say: Callable[[str], None]
    space: Space = Space.PLAIN

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.server.name

    @property
    def home(self) -> homes.Home:
        """The namespace of the probes."""
        return homes.Home(server=self.server, name=self.space, clock=self.clock, say=self.say)


async def bring(site: Site) -> Pair:
    """Make or take over everything, and return the probes when both are ready."""
    await site.home.make(objects.namespace(site.space))
    await _clear(site, f"{objects.APP},{objects.RUN}!={site.probes.run}")
    if site.space is Space.MESHED:
        account = objects.account(site.probes, site.name)
        await site.server.apply(kinds.SERVICE_ACCOUNT, account, manager=MANAGER)
    wanted = objects.deployment(site.probes, site.name, site.space)
    await site.server.apply(kinds.DEPLOYMENT, wanted, manager=MANAGER)
    for service in objects.services(site.probes, site.space):
        await site.server.apply(kinds.SERVICE, service, manager=MANAGER)
    exports = await _export(site)
    return dataclasses.replace(await _ready(site), exports=exports)


async def take(site: Site) -> bool:
    """Remove everything of this run and wait until it is gone; False where a later run has taken over."""
    standing = await site.server.get(kinds.DEPLOYMENT, objects.NAME, site.space)
    labels = standing["metadata"].get("labels") or {} if standing else {}
    if standing is not None and labels.get(objects.RUN) != site.probes.run:
        return False
    await _clear(site, objects.APP)
    await site.home.remove()
    return True


async def deny(site: Site) -> None:
    """Deny a port of the probes."""
    await site.server.apply(kinds.NETWORK_POLICY, objects.policy(site.probes), manager=MANAGER)


async def _export(site: Site) -> bool:
    """Export a Service to the clusterset; False where that is not wanted, or the cluster has no such kind."""
    kind = await _exports(site)
    if kind is None:
        return False
    service, export = objects.exported(site.probes, site.name)
    await site.server.apply(kinds.SERVICE, service, manager=MANAGER)
    await site.server.apply(kind, export, manager=MANAGER)
    return True


async def _exports(site: Site) -> kinds.Kind | None:
    if site.space is not Space.PLAIN or not site.probes.exports:
        return None
    return await site.server.resolve(exposure.API, exposure.EXPORT)


async def _clear(site: Site, labels: str) -> None:
    exports = await _exports(site)
    for kind in (*((exports,) if exports else ()), *_KINDS[site.space]):
        for one in await site.server.list(kind, site.space, labels=labels):
            meta = one["metadata"]
            await site.server.delete(
                kind, meta["name"], site.space, uid=meta["uid"], propagation="Background"
            )


async def _ready(site: Site) -> Pair:
    end, said = site.clock.monotonic() + READY, ""
    while True:
        pods = await site.server.list(kinds.POD, site.space, labels=site.probes.selector)
        found = [each for each in pods if _is_ready(each)]
        if len(found) >= objects.PODS:
            _refuse_bare(site, found)
            ready = sorted((_pod(each) for each in found), key=lambda pod: pod.name)
            return Pair(asking=ready[0], answering=ready[-1])
        waits_for = next(_held_up(pods), "") or await _unmade(site)
        if waits_for != said:
            said = waits_for
            site.say(f"waiting for {said}" + ("" if site.space is Space.PLAIN else " (with a sidecar)"))
        _refuse_late(site, end, waits_for)
        await site.clock.sleep(homes.TICK)


async def _unmade(site: Site) -> str:
    """Return why there are no pods, as their Deployment tells: Pod Security, a quota, a webhook."""
    found = await site.server.get(kinds.DEPLOYMENT, objects.NAME, site.space) or {}
    said = [
        str(each.get("message"))
        for each in (found.get("status") or {}).get("conditions") or ()
        if each.get("type") == "ReplicaFailure" and each.get("status") == "True"
    ]
    return f"pods of Deployment {site.space}/{objects.NAME}" + "".join(f": {each}" for each in said)


def _refuse_bare(site: Site, pods: list[Json]) -> None:
    """Raise where pods have no sidecar that are to have one: what they ask would prove nothing of a mesh."""
    if site.space is not Space.MESHED:
        return
    bare = [each["metadata"]["name"] for each in pods if objects.SIDECAR not in _containers(each)]
    if bare:
        raise errors.DeniedError(
            f"pod {bare[0]} has no sidecar",
            where=f"{site.name}, namespace {site.space}",
            why=f"Istio's webhook added no container {objects.SIDECAR} to it",
            remedy=f"is istiod ready, and has the namespace `istio-injection: enabled`? kubectl --context "
            f"CONTEXT get mutatingwebhookconfigurations,namespace/{site.space} --show-labels",
        )


def _containers(pod: Json) -> set[str]:
    """Return the names of a pod's containers; newer Istio adds its own to those that start first."""
    spec = pod["spec"]
    return {str(each["name"]) for each in (*spec["containers"], *(spec.get("initContainers") or ()))}


def _refuse_late(site: Site, end: float, waits_for: str) -> None:
    """Raise when the time is over, or when waiting longer will not help."""
    what = f"its probes are not ready: {waits_for}"
    if any(reason in waits_for for reason in _HOPELESS):
        more = (
            "" if site.space is Space.PLAIN else "; that of sidecars is said in Istio's values (`global.hub`)"
        )
        raise errors.DeniedError(what, where=site.name, remedy=f"--image names another image{more}")
    if site.clock.monotonic() >= end:
        raise errors.DeadlineError(
            what,
            where=site.name,
            why=f"waited for {READY:.0f} s",
            remedy=f"look at the pods in {site.space}: --keep leaves them",
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
        for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting:
                words = (waiting.get("reason"), waiting.get("message"))
                yield f"pod {name}: " + ": ".join(str(each) for each in words if each)
        for one in status.get("conditions") or ():
            if one.get("status") == "False" and one.get("message"):
                yield f"pod {name}: {one['message']}"
        yield f"pod {name}"
