"""One record per operation, made durable in a majority of voters before and after each step.

Each voter has an outbox of its own that always writes the newest record: a slow or silent voter delays
nobody, and callers that come at once share one write. A newer (token, sequence) in any voter, or a refused
credential, means that a successor has passed: from then on every write fails. What a record says is the
caller's affair: `started`, `phase`, `finished` (else phase == "finished") and `bundles` (digests) go into
its header.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.engine import clock as clocks
from isthmus.engine import record as records
from isthmus.engine import replica
from isthmus.engine.history import Entry, JournalView, level, prune, read_all
from isthmus.engine.record import Header
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from isthmus.engine import voters as voting
    from isthmus.engine.voters import Json

__all__ = ["Entry", "Header", "Journal", "JournalView", "Outlook", "level", "outlook", "prune", "read_all"]

PUT_DEADLINE = 15.0  # seconds for one try in one voter
DOUBT = 3.0  # seconds that a refusal must last: an API server that starts answers 401 and 403 for a moment
RETRY = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before the next try in one voter; the last one repeats


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outlook:
    """Whether a record is durable, cannot become so, or may still."""

    is_durable: bool
    missing: tuple[str, ...]
    refusal: errors.IsthmusError | None = None


def outlook(
    durable: frozenset[str],
    refused: Mapping[str, errors.IsthmusError],
    *,
    writers: frozenset[str],
    required: frozenset[str],
    majority: int,
) -> Outlook:
    """Say how a write stands: all of `required` and a majority must have it; `refused` will not take it."""
    if required <= durable and len(durable) >= majority:
        return Outlook(is_durable=True, missing=())
    missing = tuple(sorted((writers | required) - durable))
    hopeless = sorted(required & refused.keys())
    if not hopeless and len(writers) >= majority > len(writers - refused.keys()):
        hopeless = sorted(refused)
    return Outlook(is_durable=False, missing=missing, refusal=refused[hopeless[0]] if hopeless else None)


@dataclasses.dataclass
class _Outbox:
    """What one voter has, and why it has no more."""

    api: voting.Api
    durable: int = 0
    tried: int = 0
    error: errors.IsthmusError | None = None
    known: replica.Known | None = None
    refused: float | None = None
    """Since when every try was refused, in the clock's seconds."""
    news: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclasses.dataclass
class _Wait:
    sequence: int
    required: frozenset[str]
    done: asyncio.Future[None]
    is_patient: bool = False
    """Whether a refusal is waited out."""


class Journal:
    """Writes one operation's record, as one holder of its lock."""

    def __init__(
        self,
        writers: Mapping[str, voting.Api],
        *,
        majority: int,
        operation: str,
        key: str,
        token: int,
        clock: clocks.Clock = clocks.SYSTEM,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._outboxes = {name: _Outbox(api) for name, api in writers.items()}
        self._majority = majority
        self._operation = operation
        self._key = key
        self._token = token
        self._clock = clock
        self._redact = redact
        self._sequence = 0
        self._record: Json = {}
        self._packed: records.Packed | None = None
        self._waits: list[_Wait] = []
        self._fenced: errors.FencedError | None = None

    def admit(self, name: str, api: voting.Api) -> None:
        """Add a writer, or give one its renewed credential; it gets the newest record at once."""
        outbox = self._outboxes.setdefault(name, _Outbox(api))
        outbox.api, outbox.refused = api, None
        self._wake(name, outbox)

    async def write(
        self, record: Json, *, required: frozenset[str] = frozenset(), deadline: float = 30.0
    ) -> int:
        """Return the record's sequence once it, or a newer one, is durable in `required` and a majority.

        FencedError after a successor, DeniedError where a needed voter refuses, else UnreachableError.
        """
        self._sequence += 1
        self._record, self._packed = record, None
        wait = _Wait(self._sequence, required, asyncio.get_running_loop().create_future())
        self._waits.append(wait)
        for name, outbox in self._outboxes.items():
            self._wake(name, outbox)
        self._settle()
        try:
            await clocks.within(self._clock, deadline, wait.done)
        except TimeoutError:
            raise self._late(wait, deadline) from None
        finally:
            self._waits.remove(wait)
        return wait.sequence

    async def close(self, *, grace: float = 0.0) -> Mapping[str, errors.IsthmusError]:
        """Give slow voters `grace` seconds more for the newest record; return who lacks it, and why."""
        everywhere = frozenset(self._outboxes)
        if grace > 0 and self._sequence and self._fenced is None:
            done = asyncio.get_running_loop().create_future()
            wait = _Wait(self._sequence, everywhere, done, is_patient=True)
            self._waits.append(wait)
            self._settle()
            await asyncio.gather(clocks.within(self._clock, grace, wait.done), return_exceptions=True)
            self._waits.remove(wait)
        tasks = [outbox.task for outbox in self._outboxes.values() if outbox.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return {
            name: outbox.error or _unwritten(name)
            for name, outbox in self._outboxes.items()
            if outbox.durable < self._sequence
        }

    def _wake(self, name: str, outbox: _Outbox) -> None:
        if not self._sequence or self._fenced is not None:
            return
        outbox.news.set()
        if outbox.task is None:
            outbox.task = asyncio.create_task(self._deliver(name, outbox), name=f"journal {name}")

    async def _deliver(self, name: str, outbox: _Outbox) -> None:
        """Bring the newest record into one voter, for as long as the journal is open."""
        failures = 0
        while self._fenced is None:
            outbox.news.clear()
            if outbox.durable >= self._sequence:
                await outbox.news.wait()
                continue
            await self._try(name, outbox)
            self._settle()
            failures = failures + 1 if outbox.error is not None else 0
            if failures:
                pause = RETRY[min(failures, len(RETRY)) - 1]
                await asyncio.gather(
                    clocks.within(self._clock, pause, outbox.news.wait()), return_exceptions=True
                )

    async def _try(self, name: str, outbox: _Outbox) -> None:
        packed = self._newest()
        known, outbox.known = outbox.known, None  # until an answer comes, the version there is not known
        error: errors.IsthmusError | None = None
        try:
            outbox.known = await clocks.within(
                self._clock, PUT_DEADLINE, replica.put(outbox.api, packed, known)
            )
            outbox.durable = max(outbox.durable, packed.header.sequence)
        except TimeoutError:
            error = _unwritten(name)
        except errors.FencedError as fenced:
            error = self._fenced = fenced
        except errors.IsthmusError as failed:
            error = failed
        outbox.error, outbox.tried = error, packed.header.sequence
        if not isinstance(error, errors.DeniedError):
            outbox.refused = None
        elif outbox.refused is None:
            outbox.refused = self._clock.monotonic()
        if isinstance(error, errors.UnauthenticatedError) and self._is_refused(outbox):
            self._fenced = _overtaken(name)

    def _newest(self) -> records.Packed:
        if self._packed is None:
            record = records.cleaned(self._record, self._redact)
            header = Header.of(
                record,
                operation=self._operation,
                app=self._key,
                token=self._token,
                sequence=self._sequence,
            )
            self._packed = records.pack(header, record)
        return self._packed

    def _settle(self) -> None:
        """Tell each waiting caller what is known by now."""
        for wait in self._waits:
            if wait.done.done():
                continue
            if self._fenced is not None:
                wait.done.set_exception(_again(self._fenced))
                continue
            view = self._outlook(wait)
            if view.is_durable:
                wait.done.set_result(None)
            elif view.refusal is not None and not wait.is_patient:
                wait.done.set_exception(_again(view.refusal))

    def _outlook(self, wait: _Wait) -> Outlook:
        durable = {name for name, outbox in self._outboxes.items() if outbox.durable >= wait.sequence}
        refused = {
            name: outbox.error
            for name, outbox in self._outboxes.items()
            if outbox.tried >= wait.sequence and outbox.error is not None and self._is_refused(outbox)
        }
        return outlook(
            frozenset(durable),
            refused,
            writers=frozenset(self._outboxes),
            required=wait.required,
            majority=self._majority,
        )

    def _is_refused(self, outbox: _Outbox) -> bool:
        """Say whether a server has refused long enough to believe that it goes on."""
        return outbox.refused is not None and self._clock.monotonic() - outbox.refused >= DOUBT

    def _late(self, wait: _Wait, deadline: float) -> errors.UnreachableError:
        missing = self._outlook(wait).missing
        causes = "; ".join(self._cause(name) for name in missing)
        needed = "".join(f" and {name}" for name in sorted(wait.required))
        return errors.UnreachableError(
            f"the journal of operation {self._operation} could not be written",
            where=", ".join(missing),
            why=f"after {deadline:g} s it is not in {self._majority} voters{needed} ({causes})",
            remedy="Bring these clusters back, then `isthmus deploy resume`: nothing goes on without it.",
        )

    def _cause(self, name: str) -> str:
        outbox = self._outboxes.get(name)
        error = outbox.error if outbox is not None else None
        return f"{name}: {error.why or error.what}" if error is not None else f"{name}: no answer"


def _again(error: errors.IsthmusError) -> errors.IsthmusError:
    """Return a copy to raise: several callers must not share one traceback."""
    return type(error)(error.what, where=error.where, why=error.why, remedy=error.remedy)


def _unwritten(name: str) -> errors.UnreachableError:
    return errors.UnreachableError(
        "no answer to a journal write",
        where=name,
        why="the newest record is not there yet",
        remedy=f"Check that the API server of {name} runs and can be reached; the next operation levels it.",
    )


def _overtaken(name: str) -> errors.FencedError:
    return errors.FencedError(
        "the API server refuses this operation's credential",
        where=name,
        why="a successor has deleted its Secret, or it has expired",
        remedy="See `isthmus deploy status`; this process must not write any more.",
    )
