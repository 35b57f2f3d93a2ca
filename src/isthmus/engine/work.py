"""One process at work on one operation: its present value, its rights, what others ask, and its story.

Nothing is told before the journal knows it. What to do next is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from isthmus.clients import kinds, process
from isthmus.engine import clock as clocks
from isthmus.engine import control, session, steps
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import errors, operation
from isthmus.model import plan as plans

PATIENCE = 30.0
"""Seconds that an optional or catch-up cluster may be silent before it is left behind."""
RETRY = 2.0
"""Seconds between tries of a cluster that does not answer; the step's deadline ends them."""
HELM_LEAST = 5.0
"""Seconds that helm gets even where the step's time is up: a server that answers takes less than one."""
LISTEN = 2.0
"""Seconds between looks for pause, abort and skip."""

Change = Callable[[operation.Operation], operation.Operation]


class SkippedError(errors.IsthmusError):
    """Somebody asked to go on without this cluster."""


class AbortedError(errors.IsthmusError):
    """Somebody asked to take the operation back."""


class WaitingError(errors.HeldError):
    """The operation waits for a person: it stays the App's owner, this process ends."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What other processes have asked of this operation, oldest first."""

    requests: tuple[control.Request, ...] = ()

    def newest(self, verb: control.Verb, argument: str | None = None) -> control.Request | None:
        """Return the newest request of a verb, for one argument when given."""
        found = [one for one in self.requests if one.verb is verb and argument in (None, one.argument)]
        return found[-1] if found else None

    def is_paused(self) -> control.Request | None:
        """Return the pause that no later resume has lifted."""
        paused, resumed = self.newest(control.Verb.PAUSE), self.newest(control.Verb.RESUME)
        if (
            paused is not None
            and resumed is not None
            and self.requests.index(resumed) > self.requests.index(paused)
        ):
            return None
        return paused


class Work:
    """The operation as this process sees and changes it."""

    def __init__(self, current: operation.Operation, rights: session.Session) -> None:
        self.current = current
        self.rights = rights
        self.world = rights.world
        self.clock: clocks.Clock = rights.world.clock
        self.asked = Asked()

    @property
    def plan(self) -> plans.Plan:
        """The plan that runs."""
        return self.current.plan

    def now(self) -> str:
        """Return the time of day as the journal writes it."""
        return worlds.stamp(self.clock)

    async def note(
        self,
        label: str,
        change: Change,
        *,
        cluster: str = "",
        text: str = "",
        code: str = "step",
        anywhere: bool = False,
    ) -> None:
        """Change the operation, make it durable in `cluster` and a majority, then tell.

        With `anywhere` a majority is enough: the cluster itself may be what failed.
        """
        self.current = change(self.current)
        event = self._event(text, cluster, code)
        if text:
            self.current = self.current.with_event(event)
        await self.rights.write(self.current, label, cluster="" if anywhere else cluster)
        if text:
            self.world.report(event)

    def told(self, error: errors.IsthmusError, cluster: str) -> str:
        """Return an error's words for a cluster's result: no secrets, and the place if it is another."""
        return self.world.secrets.clean(error.brief if error.where == cluster else str(error))

    def say(self, text: str, cluster: str = "") -> None:
        """Tell what is waited for; it belongs to the moment and not to the journal."""
        self.world.report(self._event(text, cluster, "wait"))

    def _event(self, text: str, cluster: str, code: str) -> operation.Event:
        wave = (
            self.current.run(cluster).wave
            if cluster and any(r.cluster == cluster for r in self.current.runs)
            else None
        )
        return operation.Event(
            at=self.now(), text=self.world.secrets.clean(text), cluster=cluster, wave=wave, code=code
        )

    def check(self, cluster: str = "") -> None:
        """Raise when somebody has asked to abort, or to go on without this cluster."""
        asked = self.asked.newest(control.Verb.ABORT)
        if asked is not None:
            raise AbortedError(f"aborted by {asked.user}")
        skip = self.asked.newest(control.Verb.SKIP, cluster) if cluster else None
        if skip is not None:
            raise SkippedError(f"skipped by {skip.user}")

    async def hear(self) -> None:
        """Read what others ask; a lost majority shows at the next write of the journal."""
        with contextlib.suppress(errors.IsthmusError):
            requests = await control.read(self.rights.voters, self.current.id, clock=self.clock)
            self.asked = Asked(requests)

    async def listen(self) -> None:
        """Hear again and again, until cancelled."""
        while True:
            await self.clock.sleep(LISTEN)
            await self.hear()

    async def hands(self, step: plans.Step, deadline: float | None = None) -> steps.Hands:
        """Return what a step works with in its cluster, until the deadline (monotonic seconds)."""
        name = step.cluster
        server = await self.rights.server(name)

        async def started(child: process.Started) -> None:
            # The journal names the helm that may write from now on: a successor knows whom to look for.
            label = f"{child.host} pid {child.pid} since {child.start_time}"
            await self.note(f"{name} helm starts", _names_helm(self.current, name, label), cluster=name)

        return steps.Hands(
            server=server,
            reader=self.world.cluster(name),
            access=self.rights.access(name),
            helm=self.world.tool,
            operation=self.current.id,
            key=self.rights.key,
            secrets=self.world.secrets,
            on_start=started,
            seconds=steps.HELM_DEADLINE if deadline is None else self._helm_time(deadline),
            say=lambda text: self.say(text, name),
            clock=self.clock,
        )

    def _helm_time(self, deadline: float) -> float:
        return min(steps.HELM_DEADLINE, max(HELM_LEAST, deadline - self.clock.monotonic()))

    async def answering(self, step: plans.Step, deadline: float, work: Callable[[], Awaitable[None]]) -> None:
        """Run a step's work again while its cluster does not answer, until the deadline (monotonic)."""
        silent_since: float | None = None
        while True:
            try:
                return await work()
            except (errors.ToolError, errors.DeadlineError) as error:
                # helm's words about a lost connection are its own: ask the server itself whether it is there
                silent = await self._silence(step)
                if silent is None:
                    raise
                why = f"{silent} ({error.brief})"
            except errors.UnreachableError as error:
                why = str(error)
            now = self.clock.monotonic()
            silent_since = now if silent_since is None else silent_since
            until = _patience(step, deadline, silent_since)
            if now >= until:
                raise errors.UnreachableError(
                    f"did not answer for {now - silent_since:.0f}s",
                    where=step.cluster,
                    why=why,
                    remedy=f"bring the API server back, then: {self.plan.command('resume')}",
                )
            self.say(f"does not answer, trying for {until - now:.0f}s more", step.cluster)
            await self._rest(step.cluster)

    async def _rest(self, cluster: str) -> None:
        if self.current.phase is operation.Phase.FORWARD:
            self.check(cluster)
        await self.clock.sleep(RETRY)

    async def _silence(self, step: plans.Step) -> errors.UnreachableError | None:
        try:
            await self.world.cluster(step.cluster).get(kinds.NAMESPACE, step.namespace)
        except errors.UnreachableError as error:
            return error
        return None


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run the clusters of a wave at once; what one raises (a lost fence, an abort) ends all of them."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in works:
                group.create_task(one)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _patience(step: plans.Step, deadline: float, silent_since: float) -> float:
    required = step.membership is apps.Membership.REQUIRED
    return deadline if required else min(deadline, silent_since + PATIENCE)


def _names_helm(current: operation.Operation, name: str, label: str) -> Change:
    undoing = any(run.cluster == name and run.state is operation.State.STARTED for run in current.undo)
    return lambda now: now.with_undo(name, helm=label) if undoing else now.with_run(name, helm=label)
