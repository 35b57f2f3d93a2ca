"""The right to write for one operation: lock, fenced credentials, journal; all lost together.

A session belongs to one process. Nothing is written to a cluster by it but through a credential
that the API server itself refuses once a successor has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from typing import TYPE_CHECKING, Any

from isthmus.clients import helm, kube, kubeconfig
from isthmus.engine import fence, identity, journal, lock, voters
from isthmus.engine import world as worlds
from isthmus.model import errors
from isthmus.model import operation as operations
from isthmus.model import plan as plans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

REGAIN = 60.0
"""Seconds to wait for the lock after a rest: somebody may look at the operation just then."""
REFRESH = 900.0
"""Seconds between renewals of credentials that live an hour."""
NOWHERE = (0, 0)
"""The position in the journal of what has not been written."""


@dataclasses.dataclass(kw_only=True)
class Session:
    """One process at work on one operation."""

    world: worlds.World
    plan: plans.Plan
    operation: str
    held: lock.Held | None = None
    journal: journal.Journal | None = None
    credentials: dict[str, fence.Credential] = dataclasses.field(default_factory=dict)
    servers: dict[str, kube.Cluster] = dataclasses.field(default_factory=dict)
    fencing: dict[str, asyncio.Lock] = dataclasses.field(default_factory=dict)
    tasks: list[asyncio.Task[Any]] = dataclasses.field(default_factory=list)
    position: tuple[int, int] = NOWHERE
    lost: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set when a lock of this session was lost, whichever: after a rest it is another one."""
    reason: str = ""

    @property
    def key(self) -> str:
        """What the App's lock, journal and fences are kept under."""
        return voters.app_key(self.plan.namespace, self.plan.app)

    @property
    def voters(self) -> list[kube.Cluster]:
        """Every voter as the user."""
        return [self.world.cluster(name) for name, _ in self.plan.voters]

    async def take_lock(self, *, wait: float) -> None:
        """Take the App's lock over a majority of voters and keep it renewed."""
        await voters.prepare(self.voters, clock=self.world.clock)
        view = await journal.read_all(self.voters, self.key, clock=self.world.clock)
        gate = lock_of(self.world, self.voters, self.key, self.operation)
        self.held = await gate.acquire(wait=wait, floor=view.token)
        works = (self.held.keep(), self._refresh(), self._watch(self.held))
        self.tasks = [asyncio.create_task(work) for work in works]

    async def begin(self) -> dict[str, errors.IsthmusError]:
        """Fence every voter and target; return what failed, by cluster: it is tried again when needed."""
        assert self.held is not None
        names = tuple(
            dict.fromkeys([*(name for name, _ in self.plan.voters), *(s.cluster for s in self.plan.steps)])
        )
        self.journal = journal.Journal(
            {},
            majority=voters.majority(len(self.plan.voters)),
            operation=self.operation,
            key=self.key,
            token=self.held.token,
            clock=self.world.clock,
            redact=self._clean,
        )
        found = await worlds.each(names, self.server)
        return {name: error for name, error in found.items() if isinstance(error, errors.IsthmusError)}

    async def server(self, name: str) -> kube.Cluster:
        """Return a cluster as the operation; fences it first when that has not happened yet."""
        async with self.fencing.setdefault(name, asyncio.Lock()):
            if name not in self.servers:
                self.servers[name] = await self._fenced(name)
                if self.journal is not None and any(name == voter for voter, _ in self.plan.voters):
                    self.journal.admit(name, self.servers[name])
            return self.servers[name]

    def access(self, name: str) -> helm.Access:
        """Return helm's access to a cluster: the operation's token where there is one, else as the user."""
        server = self.world.cluster(name)
        found = self.credentials.get(name)
        if found is None:
            return helm.Access(cluster=name, kubeconfig=kubeconfig.document(server.config))
        return helm.Access(cluster=name, kubeconfig=kubeconfig.for_token(server.config, found.token))

    async def write(self, current: operations.Operation, label: str, *, cluster: str = "") -> None:
        """Make the operation durable in a majority, and in `cluster` when named."""
        assert self.journal is not None
        self.world.point(f"before {label}")
        required = frozenset({cluster} if cluster in dict(self.plan.voters) else ())
        body = current.to_json()
        body["finished"] = current.is_finished
        body["bundles"] = sorted(
            {one.bundle for step in self.plan.steps for one in step.releases if one.bundle}
        )
        sequence = await self.journal.write(body, required=required)
        self.position = (self.held.token if self.held else 0, sequence)
        self.world.point(f"after {label}")

    async def let_go(self, *, settled: bool = True) -> None:
        """Give the lock back; credentials are marked released first, so that a successor need not wait.

        Not so when the work was not `settled` (cancelled, or overtaken): a request that a slow webhook holds
        may still land, so the successor has to wait until the credential is refused.
        """
        if self.journal is not None:
            with contextlib.suppress(errors.IsthmusError):
                await self.journal.close(grace=1.0)
        if settled:
            await worlds.each(tuple(self.credentials), self._release)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.held is not None:
            await self.held.release()
        self.held, self.journal, self.tasks = None, None, []
        self.credentials, self.servers = {}, {}

    async def regain(self) -> None:
        """Take the lock again after a rest; FencedError when somebody went on without us."""
        await self.take_lock(wait=REGAIN)
        view = await journal.read_all(self.voters, self.key, clock=self.world.clock)
        newest = next((one for one in view.operations if one.header.operation == self.operation), None)
        if newest is None or (newest.header.token, newest.header.sequence) != self.position:
            raise errors.FencedError(
                f"operation {self.operation} was taken over while it rested",
                remedy=f"see {self.plan.command('status')}",
            )
        await self.begin()

    async def guard(self, work: asyncio.Task[Any]) -> Any:
        """Return what the work returns; stop it at once when the lock is lost."""
        lost = asyncio.create_task(self.lost.wait())
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise errors.FencedError(
                "the lock is lost, so this process stops",
                why=self.reason,
                remedy=f"nothing is forgotten: {self.plan.command('resume')}",
            )
        finally:
            lost.cancel()
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    def _clean(self, text: str) -> str:
        """Hide what is known to be secret by now: a successor learns it when the journal is open already."""
        return self.world.secrets.clean(text)

    async def _fenced(self, name: str) -> kube.Cluster:
        server = self.world.cluster(name)
        account = await self._account(name)
        if not await fence.can_fence(server, account=account):
            return server
        assert self.held is not None
        await fence.prepare(server, key=self.key, account=account, scope=self._scope(name))
        self.credentials[name] = await fence.take(
            server,
            key=self.key,
            token=self.held.token,
            operation=self.operation,
            account=account,
            clock=self.world.clock,
            holder=identity.mine(self.operation, user=self.world.user).to_text(),
            is_gone=identity.is_gone,
            tell=lambda seconds: self._tell_wait(name, seconds),
        )
        return server.as_token(self.credentials[name].token)

    def _tell_wait(self, name: str, seconds: float) -> None:
        text = f"waits {seconds:.0f}s until the predecessor's credential is refused"
        self.world.report(
            operations.Event(at=worlds.stamp(self.world.clock), text=text, cluster=name, code="wait")
        )

    async def _account(self, name: str) -> fence.Account:
        is_target = self._is_target(name)
        own = self.plan.account if is_target else None
        return await fence.writer(
            self.world.cluster(name),
            fence.Account(self.plan.namespace, own) if own is not None else None,
            fence.DEPLOYER if is_target else fence.SCRIBE,
        )

    def _scope(self, name: str) -> fence.Scope:
        return fence.Scope.CLUSTER if self._is_target(name) else fence.Scope.JOURNAL

    def _is_target(self, name: str) -> bool:
        return any(step.cluster == name for step in self.plan.steps)

    async def _release(self, name: str) -> None:
        await fence.release(self.servers[name], self.credentials[name])

    async def _watch(self, held: lock.Held) -> None:
        await held.lost.wait()
        self.reason = held.reason
        self.lost.set()

    async def _refresh(self) -> None:
        """Renew credentials long before they expire; a failure shows when the credential is next used."""
        while True:
            await self.world.clock.sleep(REFRESH)
            for name, credential in list(self.credentials.items()):
                with contextlib.suppress(errors.IsthmusError):
                    fresh = await fence.refresh(self.world.cluster(name), credential, clock=self.world.clock)
                    self.credentials[name] = fresh
                    self.servers[name] = self.world.cluster(name).as_token(fresh.token)
                    if self.journal is not None and name in dict(self.plan.voters):
                        self.journal.admit(name, self.servers[name])


def lock_of(world: worlds.World, servers: list[kube.Cluster], key: str, operation_id: str) -> lock.Lock:
    """Return the lock of an App as this process would hold it."""
    return lock.Lock(
        servers,
        key,
        identity.mine(operation_id, user=world.user),
        duration=world.lease,
        clock=world.clock,
        rng=random.Random(),  # noqa: S311 - jitter between contenders, no secret
        is_alive=identity.is_alive,
    )


@contextlib.asynccontextmanager
async def opened(
    world: worlds.World,
    planned: plans.Plan,
    *,
    operation_id: str,
    wait: float,
    check: Callable[[journal.JournalView], None],
) -> AsyncIterator[Session]:
    """Open a session: lock, then `check` of the journal (it may refuse), then fences."""
    session = Session(world=world, plan=planned, operation=operation_id)
    settled = False
    try:
        await session.take_lock(wait=wait)
        check(await journal.read_all(session.voters, session.key, clock=world.clock))
        yield session
        settled = True
    except errors.FencedError:
        raise
    except errors.IsthmusError:
        settled = (
            session.position == NOWHERE
        )  # refused before the operation was journalled: nothing is under way
        raise
    finally:
        await asyncio.shield(asyncio.create_task(session.let_go(settled=settled)))
