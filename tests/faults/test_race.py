"""Two `deploy up` at once on one App from two processes: one runs, the other says who does."""

from __future__ import annotations

import asyncio
import getpass
import platform
import time

import pytest

from tests import forks
from tests.faults import lives

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]

RACES = 3
"""Races in one test: who is first is left to chance."""


def start(life: lives.Life, *args: str) -> forks.Child:
    return forks.deploy(life.shop.folder, "up", *args, env=life.shop.env)


async def locked(life: lives.Life) -> None:
    """Wait until somebody holds the App's lock."""
    deadline = time.monotonic() + 60
    while not await asyncio.to_thread(life.holder, life.shop.clusters[0]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_of_two_at_once_one_runs_and_the_other_names_the_holder(born: lives.Born) -> None:
    async with born() as life:
        life.shop.spec["rollout"]["timeout"] = "60s"
        for number in range(1, 1 + RACES):
            life.shop.set({"version": str(number), "readyAfter": "4s"})
            both = [start(life), start(life)]
            codes = [await child.end(lives.PATIENCE) for child in both]

            assert sorted(codes) == [0, 1], [child.said for child in both]
            loser, winner = both[codes.index(1)], both[codes.index(0)]
            *_, ran = await life.history()
            assert len(await life.history()) == number
            for word in (getpass.getuser(), platform.node(), f"pid {winner.pid}", ran.id):
                assert word in loser.said, loser.said
            await asyncio.to_thread(life.shop.check_whole, str(number))
            await life.check_free()


async def test_an_unfinished_operation_refuses_another_also_where_nothing_is_left_to_change(
    born: lives.Born,
) -> None:
    async with born() as life:
        life.shop.spec["rollout"]["timeout"] = "60s"
        life.shop.write()
        await life.drive("--kill", "before succeeded")
        owner = await life.owner()
        assert owner is not None

        for waits in ([], ["--wait", "5"]):
            second = await life.run("up", *waits)
            assert second.code == 1, second.out
            for word in (f"operation {owner.id} owns App", "is gone", "isthmus deploy resume"):
                assert word in second.out, second.out


async def test_one_that_waits_goes_on_when_the_holder_has_let_go(born: lives.Born) -> None:
    async with born() as life:
        life.shop.spec["rollout"]["timeout"] = "60s"
        life.shop.set({"readyAfter": "6s"})
        first = start(life)
        await locked(life)
        second = start(life, "--wait", "120")
        assert await first.end(lives.PATIENCE) == 0, first.said
        code = await second.end(lives.PATIENCE)

        assert code == 1, second.said
        assert "the world has moved since the plan was made" in second.said, second.said
        assert len(await life.history()) == 1
        await asyncio.to_thread(life.shop.check_whole, "1")
        assert not await asyncio.to_thread(life.holder, life.shop.clusters[0])
