"""A lock on one App over all voters: a majority of Leases, each set by compare-and-swap.

Why two holders cannot be valid at once: any two majorities share a voter. The later of two writes there came
from somebody who had seen the earlier one unchanged for its whole duration (or its holder gone), and a holder
counts its validity from *before* the first write of a round. Tokens grow for the same reason: whoever writes
a voter has read that voter's highest number in the version that it replaces.

The lock keeps two operations from starting; it cannot stop a holder that was frozen and wakes: `fence` does.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import clock as clocks
from isthmus.engine import lease as leases
from isthmus.engine import voters as voting
from isthmus.engine.lease import Identity, Record
from isthmus.model import errors

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["DURATION", "Held", "Identity", "Lock", "LockView", "Patience", "Record"]

DURATION = 15.0  # seconds, as leader election in Kubernetes has it
READ_DEADLINE = 5.0  # seconds for one voter to answer
SETTLED = 5.0  # seconds in which one of several that started at once has won and can be named by the others


class ContendedError(errors.ConflictError):
    """Several reach for the lock at once and none has won yet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How a waiting process asks again: seconds between tries, growing, and random against stalemates."""

    first: float = 0.2
    factor: float = 1.6
    most: float = 2.0
    jitter: float = 0.6

    def pause(self, attempt: int, rng: random.Random) -> float:
        """Return the seconds before the next try."""
        return min(self.first * self.factor**attempt, self.most) * (1 + self.jitter * (2 * rng.random() - 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LockView:
    """Who holds the lock, for `status`."""

    holder: Identity | None
    token: int
    since: str
    clusters: tuple[str, ...]
    """Where that holder's record stands."""
    is_majority: bool
    records: Mapping[str, Record]
    unreachable: Mapping[str, errors.IsthmusError]


class Lock:
    """The lock of one App, seen by one process of one operation."""

    def __init__(
        self,
        voters: Sequence[voting.Api],
        key: str,
        identity: Identity,
        *,
        duration: float = DURATION,
        clock: clocks.Clock = clocks.SYSTEM,
        rng: random.Random,
        is_alive: Callable[[Identity], bool | None],
        patience: Patience = Patience(),
    ) -> None:
        self.voters = {api.name: api for api in voters}
        self.key = key
        self.identity = identity
        self.duration = duration
        self.clock = clock
        self.majority = voting.majority(len(self.voters))
        self._rng = rng
        self._is_alive = is_alive
        self._patience = patience
        self._seen: dict[str, leases.Sight] = {}

    async def acquire(self, *, wait: float, floor: int = 0) -> Held:
        """Take a majority within `wait` seconds; the token is higher than `floor`, one known from elsewhere.

        A holder on another host that died without a word is seen as gone after its lease's duration: wait
        longer than that to take over from it.
        """
        start, attempt = self.clock.monotonic(), 0
        while True:
            outcome = await self._attempt(floor)
            if isinstance(outcome, Held):
                return outcome
            patience = max(wait, SETTLED) if isinstance(outcome, ContendedError) else wait
            left = start + patience - self.clock.monotonic()
            if left <= 0 or isinstance(outcome, errors.DeniedError):
                raise outcome
            await self.clock.sleep(min(self._patience.pause(attempt, self._rng), left))
            attempt += 1

    async def inspect(self) -> LockView:
        """Return who holds the lock, without touching it; needs a majority."""
        votes = await self._read_all()
        if len(votes.answers) < self.majority:
            raise voting.lacking(f"cannot say who holds {self.key}", votes, len(self.voters))
        where: dict[str, list[str]] = {}
        for name, record in votes.answers.items():
            if record.holder:
                where.setdefault(record.holder, []).append(name)
        holder = max(where, key=lambda text: len(where[text]), default="")
        names = tuple(sorted(where.get(holder, ())))
        return LockView(
            holder=Identity.from_text(holder),
            token=max((votes.answers[name].token for name in names or votes.answers), default=0),
            since=min((votes.answers[name].acquired for name in names), default=""),
            clusters=names,
            is_majority=len(names) >= self.majority,
            records=votes.answers,
            unreachable=votes.failures,
        )

    async def read(self, api: voting.Api) -> Record:
        """Return one voter's record."""
        return leases.read(await api.get(kinds.LEASE, f"lock.{self.key}", voting.NAMESPACE))

    async def write(self, api: voting.Api, record: Record) -> Record:
        """Set one voter's record over the version it names; ConflictError when that has moved."""
        body = leases.write(self.key, record, self.clock.now())
        if record.version:
            return leases.read(await api.replace(kinds.LEASE, body))
        return leases.read(await api.create(kinds.LEASE, body, namespace=voting.NAMESPACE))

    def judge(self, records: Mapping[str, Record], floor: int = 0) -> leases.Judgement:
        """Judge records that were read before this call."""
        now = self.clock.monotonic()
        self._seen = leases.look(self._seen, records, now)
        return leases.judge(records, self.identity, self._seen, now, is_alive=self._is_alive, floor=floor)

    def claim(self, record: Record, token: int, acquired: str) -> Record:
        """Return the record that makes this process its holder; the number never goes down."""
        is_mine = record.holder == self.identity.to_text()
        return Record(
            version=record.version,
            holder=self.identity.to_text(),
            token=max(record.token, token),
            duration=self.duration,
            acquired=acquired,
            transitions=record.transitions + (0 if is_mine else 1),
        )

    async def give_back(self, api: voting.Api) -> None:
        """Clear one voter's record if it is ours; its number stays."""
        for _ in range(2):  # a late write of ours may come between
            record = await self.read(api)
            if record.holder != self.identity.to_text():
                return
            try:
                await self.write(api, dataclasses.replace(record, holder=""))
            except errors.ConflictError:
                continue
            return

    async def _read_all(self) -> voting.Votes[Record]:
        return await voting.ask(
            self.voters.values(), self.read, clock=self.clock, deadline=READ_DEADLINE, enough=self.majority
        )

    async def _attempt(self, floor: int) -> Held | errors.IsthmusError:
        read = await self._read_all()
        judgement = self.judge(read.answers, floor)
        if len(read.answers) < self.majority:
            return voting.lacking(f"cannot lock {self.key}", read, len(self.voters))
        if len(judgement.free) < self.majority:
            return self._refusal(judgement.rivals)
        return await self._take(judgement, read.answers)

    async def _take(
        self, judgement: leases.Judgement, records: Mapping[str, Record]
    ) -> Held | errors.IsthmusError:
        start = self.clock.monotonic()
        acquired = clocks.stamp(self.clock.now())

        async def claim(api: voting.Api) -> Record:
            return await self.write(api, self.claim(records[api.name], judgement.token, acquired))

        free = [self.voters[name] for name in sorted(judgement.free)]
        try:
            votes = await voting.ask(
                free, claim, clock=self.clock, deadline=self.duration / 3, enough=self.majority
            )
            is_won = len(votes.answers) >= self.majority and self.clock.monotonic() < start + self.duration
        except BaseException:  # cancelled half-way: what was got must not wait for its expiry
            await self._give_all_back(free)
            raise
        if is_won:
            return Held(self, votes.answers, token=judgement.token, since=start, acquired=acquired)
        await self._give_all_back(free)
        return self._setback(votes)

    async def _give_all_back(self, voters: Sequence[voting.Api]) -> None:
        """Try once in each; where it fails the record runs out by itself."""
        await voting.ask(voters, self.give_back, clock=self.clock, deadline=READ_DEADLINE)

    def _setback(self, votes: voting.Votes[Record]) -> errors.IsthmusError:
        others = [error for error in votes.failures.values() if not isinstance(error, errors.ConflictError)]
        if others:
            return voting.lacking(f"cannot lock {self.key}", votes, len(self.voters))
        return ContendedError(
            f"the lock on {self.key} is contended",
            where=", ".join(sorted(votes.failures)),
            why="another process wrote there at the same time",
            remedy="Repeat the command; it waits a random time between tries.",
        )

    def _refusal(self, rivals: Mapping[str, Record]) -> errors.ConflictError:
        return errors.ConflictError(
            f"{self.key} is locked",
            where=", ".join(sorted(rivals)),
            why="; ".join(_told(rivals)),
            remedy=(
                "Wait for that operation or stop it (`isthmus deploy abort`). If its process is gone, the "
                f"lock falls free {self.duration:g} s after its last sign: repeat the command then."
            ),
        )


def _told(records: Mapping[str, Record]) -> list[str]:
    """Say per holder who it is, since when, and where."""
    where: dict[str, list[str]] = {}
    for name, record in records.items():
        where.setdefault(record.holder, []).append(name)
    return [
        f"held by {Identity.from_text(holder) or holder}"
        f" since {min(records[name].acquired for name in names)}"
        f" in {', '.join(sorted(names))}"
        for holder, names in sorted(where.items())
    ]


class Held:
    """A lock that was got: valid until a moment of the clock, which `keep` moves on."""

    def __init__(
        self, lock: Lock, records: Mapping[str, Record], *, token: int, since: float, acquired: str
    ) -> None:
        self.token = token
        self.valid_until = since + lock.duration
        self.lost = asyncio.Event()
        self.reason = ""
        self._lock = lock
        self._acquired = acquired
        self._records: dict[str, Record | None] = dict(records)
        self._rivals: dict[str, Record] = {}
        self._failures: Mapping[str, errors.IsthmusError] = {}
        self._next = since + lock.duration / 3
        self._closed = asyncio.Event()
        self._writing = asyncio.Lock()

    def is_valid(self) -> bool:
        """Say whether nobody else can hold the lock now."""
        is_open = not (self.lost.is_set() or self._closed.is_set())
        return is_open and self._lock.clock.monotonic() < self.valid_until

    async def keep(self) -> None:
        """Renew a majority every third of the duration, until lost, released or cancelled."""
        clock = self._lock.clock
        while not self._closed.is_set() and not self.lost.is_set():
            pause = min(self._next, self.valid_until) - clock.monotonic()
            try:
                await clocks.within(clock, pause, self._closed.wait())
            except TimeoutError:
                async with self._writing:
                    await self._round()

    async def release(self) -> None:
        """Give the lock back; a voter that does not answer lets it run out."""
        self._closed.set()
        self.valid_until = min(self.valid_until, self._lock.clock.monotonic())
        async with self._writing:
            voters = self._lock.voters.values()
            await voting.ask(
                voters,
                self._lock.give_back,
                clock=self._lock.clock,
                deadline=READ_DEADLINE,
                enough=self._lock.majority,
            )

    async def _round(self) -> None:
        lock, start = self._lock, self._lock.clock.monotonic()
        if self._closed.is_set():
            return
        if start >= self.valid_until:
            self._lose("no majority of the voters could be renewed in time")
            return
        self._next = start + lock.duration / 3
        self._rivals = {}
        renewed: set[str] = set()

        async def renew(api: voting.Api) -> None:
            await self._renew(api)
            renewed.add(api.name)
            now = lock.clock.monotonic()
            if len(renewed) >= lock.majority and now < self.valid_until and not self._closed.is_set():
                self.valid_until = max(self.valid_until, start + lock.duration)

        deadline = min(lock.duration / 3, self.valid_until - start)
        votes = await voting.ask(
            lock.voters.values(), renew, clock=lock.clock, deadline=deadline, enough=lock.majority
        )
        self._failures = votes.failures
        if len(self._rivals) >= lock.majority:
            self._lose("; ".join(_told(self._rivals)))
        elif lock.clock.monotonic() >= self.valid_until:
            self._lose("no majority of the voters could be renewed in time")

    async def _renew(self, api: voting.Api) -> None:
        known = self._records.pop(api.name, None)  # until an answer comes, the version there is not known
        if known is not None:
            try:
                await self._claim(api, known)
            except errors.ConflictError:
                pass  # our own late write, or somebody else: read it
            else:
                return
        record = await self._lock.read(api)
        if api.name not in self._lock.judge({api.name: record}).free:
            self._rivals[api.name] = record
            raise errors.ConflictError("taken", where=api.name, why="; ".join(_told({api.name: record})))
        await self._claim(api, record)

    async def _claim(self, api: voting.Api, record: Record) -> None:
        claim = self._lock.claim(record, self.token, self._acquired)
        self._records[api.name] = await self._lock.write(api, claim)

    def _lose(self, why: str) -> None:
        told = "; ".join(str(error) for _, error in sorted(self._failures.items()))
        self.reason = f"{why} ({told})" if told else why
        self.valid_until = min(self.valid_until, self._lock.clock.monotonic())
        self.lost.set()
