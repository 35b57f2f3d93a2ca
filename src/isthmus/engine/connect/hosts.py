"""Asks each node of a cluster, from a pod in its own network, what its interfaces do by themselves.

Everything is removed again; what a killed run left is taken over by the next.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, kube
from isthmus.engine.connect import homes, probes
from isthmus.model import errors
from isthmus.rollout.connect.proof import hosts, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isthmus.engine import clock as clocks

Json = dict[str, Any]

READY: Final = 60.0
"""Seconds for pods on all nodes; nodes without one then are told as not asked."""
SECONDS: Final = 15.0
"""For one command in a pod."""
AT_ONCE: Final = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hosts:
    """The nodes of one cluster, and the run that asks them."""

    server: kube.Cluster
    run: str
    image: str
    clock: clocks.Clock
    say: Callable[[str], None]

    async def read(self, addresses: Mapping[str, Sequence[str]]) -> dict[str, Json | errors.IsthmusError]:
        """Return what `probe offloads` says of the devices with the node's addresses, by node and device.

        A node whose pod does not start, or does not answer, has an error of its own.
        """
        try:
            pods = await self._bring(set(addresses))
            room = asyncio.Semaphore(AT_ONCE)

            async def one(node: str) -> Json | errors.IsthmusError:
                if node not in pods:
                    return self._absent(node)
                async with room:
                    try:
                        return await self._ask(pods[node], addresses[node])
                    except errors.IsthmusError as error:
                        return error

            found = await asyncio.gather(*map(one, addresses))
            return dict(zip(addresses, found, strict=True))
        finally:
            await asyncio.shield(self._take())

    async def _bring(self, nodes: set[str]) -> dict[str, str]:
        """Return the pods that run, by node: all of them, or those that do when the time is over."""
        await self._home.make(hosts.namespace())
        await self._delete(await self._standing())  # of a run that was killed: its selector cannot change
        await self.server.apply(
            kinds.DAEMON_SET, hosts.daemon_set(self.run, self.image), manager=probes.MANAGER
        )
        end, labels = self.clock.monotonic() + READY, f"{objects.APP},{objects.RUN}={self.run}"
        while True:
            pods = await self.server.list(kinds.POD, hosts.NAMESPACE, labels=labels)
            running = {
                str(each["spec"].get("nodeName")): str(each["metadata"]["name"])
                for each in pods
                if each.get("status", {}).get("phase") == "Running"
            }
            if nodes <= set(running) or self.clock.monotonic() >= end:
                return running
            await self.clock.sleep(homes.TICK)

    async def _ask(self, pod: str, addresses: Sequence[str]) -> Json:
        words = ("probe", "offloads", *addresses)
        done = await self.server.run(hosts.NAMESPACE, pod, words, container=hosts.NAME, seconds=SECONDS)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = None
        if done.code != 0 or not isinstance(found, dict):
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[:200]
            raise errors.ToolError(
                f"`probe offloads` in pod {pod} ended with {done.code}",
                where=self.server.name,
                why=said,
                remedy="is the image given with --image the probe of this version?",
            )
        return found

    async def _take(self) -> None:
        """Remove everything, unless a later run has taken it over; what stays is told."""
        try:
            standing = await self._standing()
            if standing is not None and standing["metadata"].get("labels", {}).get(objects.RUN) != self.run:
                self.say("another run has taken the pods on nodes over")
                return
            await self._delete(standing)
            await self._home.remove()
        except errors.IsthmusError as error:
            self.say(str(error.brief))

    async def _standing(self) -> Json | None:
        return await self.server.get(kinds.DAEMON_SET, hosts.NAME, hosts.NAMESPACE)

    async def _delete(self, standing: Json | None) -> None:
        if standing is not None:
            uid = standing["metadata"]["uid"]
            await self.server.delete(
                kinds.DAEMON_SET, hosts.NAME, hosts.NAMESPACE, uid=uid, propagation="Background"
            )

    @property
    def _home(self) -> homes.Home:
        return homes.Home(server=self.server, name=hosts.NAMESPACE, clock=self.clock, say=self.say)

    def _absent(self, node: str) -> errors.IsthmusError:
        return errors.DeadlineError(
            f"no pod of {hosts.NAMESPACE} runs on {node}",
            where=self.server.name,
            why=f"{READY:.0f} s are over",
        )
