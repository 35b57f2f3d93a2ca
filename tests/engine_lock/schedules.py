"""Plays a schedule of contenders and faults on servers in memory, and tells who held the lock when."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import random

from isthmus.engine import lock
from isthmus.model import errors
from tests.memory import CrashedError, MemoryApi, Process, Server, Wire

HORIZON = 150.0  # seconds
KEY = "data.cassandra"


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that goes wrong for a time."""

    kind: str  # cut, pause, outage, crash
    process: int
    voter: int
    start: float
    length: float


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A whole run: how many there are, what goes wrong, and the seed of all delays."""

    voters: int
    processes: int
    faults: tuple[Fault, ...]
    seed: int
    slow: float = 0.05
    loss: float = 0.02
    is_one_host: bool = False


@dataclasses.dataclass(frozen=True)
class Grant:
    """One time that a process got the lock, at a true second."""

    process: Process
    held: lock.Held
    at: float

    def is_believed(self) -> bool:
        """Say whether its process, by its own clock, may think now that it holds the lock."""
        return not self.process.is_dead and self.held.is_valid()


@dataclasses.dataclass
class Story:
    """What a run showed; `violations` are two holders at once, and numbers that did not grow."""

    grants: list[Grant] = dataclasses.field(default_factory=list)
    violations: list[str] = dataclasses.field(default_factory=list)
    refusals: int = 0
    lost: int = 0
    renewed: int = 0

    def add(self, grant: Grant) -> None:
        """Note a grant. A belief that has ended never comes back, so whoever overlaps is seen here."""
        for other in self.grants:
            if other.is_believed():
                self.violations.append(f"{grant.held.token} at {grant.at:.3f} s beside {other.held.token}")
            if other.held.token >= grant.held.token:
                self.violations.append(f"{grant.held.token} at {grant.at:.3f} s after {other.held.token}")
        self.grants.append(grant)


class World:
    """The servers, the processes and the wires between them."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.rng = random.Random(schedule.seed)  # noqa: S311 - a schedule must repeat
        self.servers = [Server(f"v{number}") for number in range(schedule.voters)]
        self.processes = [
            Process(offset=self.rng.uniform(0, 1e4), rate=self.rng.uniform(0.995, 1.005))
            for _ in range(schedule.processes)
        ]
        self.wires = [[Wire(self._delay) for _ in self.servers] for _ in self.processes]
        self.operations = itertools.count()
        self.story = Story()

    def _delay(self) -> float:
        dice = self.rng.random()
        if dice < self.schedule.loss:
            return -1.0
        if dice < self.schedule.loss + self.schedule.slow:
            return self.rng.uniform(0.5, 40.0)
        return self.rng.uniform(0.001, 0.08)

    def identity(self, number: int) -> lock.Identity:
        return lock.Identity(
            user=f"user{number}",
            host="one" if self.schedule.is_one_host else f"host{number}",
            pid=100 + number,
            start_time=1,
            boot_id="boot",
            pid_namespace="ns",
            operation=f"op{number}-{next(self.operations)}",
        )

    def is_alive(self, identity: lock.Identity) -> bool | None:
        return not self.processes[identity.pid - 100].is_dead if self.schedule.is_one_host else None

    async def play(self) -> Story:
        async with asyncio.TaskGroup() as group:
            for fault in self.schedule.faults:
                group.create_task(self._go_wrong(fault))
            for number in range(len(self.processes)):
                group.create_task(self._contend(number))
        return self.story

    async def _go_wrong(self, fault: Fault) -> None:
        process = self.processes[fault.process % len(self.processes)]
        server = self.servers[fault.voter % len(self.servers)]
        wire = self.wires[fault.process % len(self.processes)][fault.voter % len(self.servers)]
        await asyncio.sleep(fault.start)
        if fault.kind == "crash":
            process.crash()
        elif fault.kind == "pause":
            process.pause()
            await asyncio.sleep(fault.length)
            process.thaw()
        elif fault.kind == "cut":
            wire.is_cut = True
            await asyncio.sleep(fault.length)
            wire.is_cut = False
        else:
            server.is_down = True
            await asyncio.sleep(fault.length)
            server.is_down = False

    async def _contend(self, number: int) -> None:
        process = self.processes[number]
        voters = [
            MemoryApi(server, process, wire)
            for server, wire in zip(self.servers, self.wires[number], strict=True)
        ]
        with contextlib.suppress(CrashedError):
            while asyncio.get_running_loop().time() < HORIZON:
                gate = lock.Lock(
                    voters,
                    KEY,
                    self.identity(number),
                    clock=process,
                    rng=random.Random(self.rng.random()),  # noqa: S311 - as above
                    is_alive=self.is_alive,
                )
                try:
                    held = await gate.acquire(wait=self.rng.uniform(0, 25))
                except errors.IsthmusError:
                    self.story.refusals += 1
                else:
                    await self._hold(number, held)
                await process.sleep(self.rng.uniform(0, 5))

    async def _hold(self, number: int, held: lock.Held) -> None:
        process, loop = self.processes[number], asyncio.get_running_loop()
        until = held.valid_until
        self.story.add(Grant(process, held, loop.time()))
        keeper = asyncio.create_task(held.keep())
        try:
            await process.sleep(self.rng.choice([0.5, 3.0, 12.0, 40.0]))
            self.story.lost += held.lost.is_set()
            self.story.renewed += held.valid_until > until
            if self.rng.random() < 0.7:  # else it forgets to give it back
                await held.release()
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
