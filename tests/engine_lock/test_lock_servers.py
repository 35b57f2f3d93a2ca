from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isthmus.engine import identity, lock
from tests import real

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from isthmus.lab import labs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
HOLDER = Path(__file__).parent / "holder.py"


@dataclasses.dataclass
class Contenders:
    """Starts processes that take one lock."""

    lab: labs.Lab
    key: str
    started: list[asyncio.subprocess.Process]

    def contexts(self) -> list[str]:
        return [cluster.context for cluster in self.lab.clusters.values()]

    async def start(self, operation: str, *, wait: float = 0, hold: float = 60) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HOLDER),
            str(self.lab.kubeconfig_path),
            self.key,
            operation,
            str(wait),
            str(hold),
            stdout=asyncio.subprocess.PIPE,
        )
        self.started.append(process)
        return process


async def says(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


@pytest.fixture
async def contenders(lab: labs.Lab) -> AsyncIterator[Contenders]:
    async with real.clusters(lab):
        pass
    made = Contenders(lab, f"data.app-{secrets.token_hex(4)}", [])
    yield made
    for process in made.started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_of_two_processes_at_once_one_gets_the_lock_and_the_other_is_told_by_whom(
    contenders: Contenders,
) -> None:
    racers = await asyncio.gather(*(contenders.start(f"op-{n}", wait=3, hold=12) for n in range(2)))
    lines = sorted([await says(racer) for racer in racers])

    assert lines[0].startswith("got ")
    assert lines[1].startswith("refused")
    assert "held by tester on" in lines[1]
    assert all(context in lines[1] for context in contenders.contexts())


async def test_a_killed_holder_on_this_host_is_succeeded_at_once(contenders: Contenders) -> None:
    first = await contenders.start("op-1")
    assert await says(first) == "got 1"
    first.kill()
    await first.wait()

    assert (await says(await contenders.start("op-2", wait=0))).startswith("got 2")


async def test_a_frozen_holder_is_overtaken_and_knows_when_it_wakes(contenders: Contenders) -> None:
    frozen = await contenders.start("op-1")
    assert await says(frozen) == "got 1"
    frozen.send_signal(signal.SIGSTOP)
    refused = await contenders.start("op-2", wait=0)
    assert (await says(refused)).startswith("refused")
    successor = await contenders.start("op-3", wait=20, hold=5)
    assert await says(successor) == "got 2"
    frozen.send_signal(signal.SIGCONT)

    assert (await says(frozen)).startswith("lost ")
    assert (await says(successor)).startswith("freed")  # the woken one has taken nothing from it


async def test_tokens_grow_over_many_short_holders(contenders: Contenders) -> None:
    racers = await asyncio.gather(*(contenders.start(f"op-{n}", wait=45, hold=0.2) for n in range(4)))
    got = [await says(racer) for racer in racers]
    tokens = sorted(int(line.split()[1]) for line in got)

    assert len(set(tokens)) == 4
    assert all(line.startswith("got ") for line in got)


async def test_status_shows_the_holder_and_a_lease_reads_with_kubectl(lab: labs.Lab) -> None:
    key = f"data.app-{secrets.token_hex(4)}"
    async with real.clusters(lab) as found:
        gate = lock.Lock(
            found,
            key,
            identity.mine("op-1", user="tester"),
            rng=random.Random(1),  # noqa: S311 - jitter
            is_alive=identity.is_alive,
        )
        held = await gate.acquire(wait=5)
        view = await gate.inspect()
        assert view.holder == gate.identity
        assert view.clusters == ("central", "east", "west")
        await held.release()
        view = await gate.inspect()
        assert (view.holder, view.token) == (None, 1)
