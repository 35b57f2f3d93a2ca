from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from isthmus.clients import kinds
from isthmus.engine import lock, voters
from isthmus.model import errors
from tests import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
KEY = "data.cassandra"


class World:
    """Three voters, and locks of several processes on them."""

    def __init__(self) -> None:
        self.servers = [memory.Server(name) for name in ("west", "east", "ops")]
        self.dead: set[str] = set()

    def lock(
        self, user: str, process: memory.Process | None = None, wire: memory.Wire | None = None
    ) -> lock.Lock:
        process = process or memory.Process()
        identity = lock.Identity(
            user=user, host="h", pid=1, start_time=1, boot_id="b", pid_namespace="n", operation=f"op-{user}"
        )
        return lock.Lock(
            [memory.MemoryApi(server, process, wire) for server in self.servers],
            KEY,
            identity,
            clock=process,
            rng=random.Random(1),  # noqa: S311 - repeatable
            is_alive=lambda other: False if other.user in self.dead else None,
        )

    def lease(self, number: int) -> dict[str, Any]:
        found = self.servers[number].get(kinds.LEASE, voters.NAMESPACE, f"lock.{KEY}")
        assert found is not None
        return found


def in_world(story: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        return await story(World())

    return memory.run(run())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_free_lock_is_got_in_every_voter_at_once() -> None:
    async def story(world: World) -> None:
        held = await world.lock("ann").acquire(wait=0)

        assert held.token == 1
        assert held.is_valid()
        assert now() < 0.1
        assert {world.lease(n)["spec"]["holderIdentity"] for n in range(3)} == {
            "ann@h pid=1 start=1 boot=b ns=n op=op-ann"
        }
        assert world.lease(0)["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "isthmus",
            "app.kubernetes.io/component": "lock",
            "isthmus.dev/app": KEY,
        }

    in_world(story)


def test_a_held_lock_is_refused_with_its_holder_named() -> None:
    async def story(world: World) -> errors.ConflictError:
        await world.lock("ann").acquire(wait=0)
        with pytest.raises(errors.ConflictError) as caught:
            await world.lock("bob").acquire(wait=0)
        return caught.value

    refusal = in_world(story)
    assert str(refusal) == (
        "east, ops, west: data.cassandra is locked: held by ann on h (pid 1, operation op-ann) "
        "since 2026-01-01T00:00:00.002000Z in east, ops, west"
    )
    assert "deploy abort" in refusal.remedy


@pytest.mark.parametrize("seed", range(8))
def test_of_two_that_reach_for_it_at_once_one_wins_and_the_other_names_it(seed: int) -> None:
    async def story(world: World) -> None:
        chance = random.Random(seed)  # noqa: S311 - repeatable
        wires = [memory.Wire(lambda: chance.uniform(0.001, 0.02)) for _ in range(2)]
        both = [world.lock(user, wire=wire) for user, wire in zip(("ann", "bob"), wires, strict=True)]
        found = await asyncio.gather(*(one.acquire(wait=0) for one in both), return_exceptions=True)

        winner = next(n for n, outcome in enumerate(found) if isinstance(outcome, lock.Held))
        refusal = found[1 - winner]
        assert isinstance(refusal, errors.ConflictError)
        assert "held by " + ("ann", "bob")[winner] in refusal.why

    in_world(story)


def test_a_released_lock_is_free_at_once_and_its_number_stays() -> None:
    async def story(world: World) -> list[int]:
        tokens = []
        for user in ("ann", "bob", "ann"):
            held = await world.lock(user).acquire(wait=0)
            tokens.append(held.token)
            await held.release()
            assert not held.is_valid()
        assert now() < 1
        return tokens

    assert in_world(story) == [1, 2, 3]


def test_a_silent_holder_is_succeeded_after_its_duration() -> None:
    async def story(world: World) -> tuple[int, float]:
        await world.lock("ann").acquire(wait=0)
        held = await world.lock("bob").acquire(wait=30)
        return held.token, now()

    token, when = in_world(story)
    assert token == 2
    assert 15 <= when <= 19


def test_a_dead_holder_on_this_host_is_succeeded_at_once() -> None:
    async def story(world: World) -> None:
        await world.lock("ann").acquire(wait=0)
        world.dead.add("ann")
        held = await world.lock("bob").acquire(wait=0)
        assert held.token == 2
        assert now() < 1

    in_world(story)


def test_a_kept_lock_stays_for_hours() -> None:
    async def story(world: World) -> None:
        held = await world.lock("ann").acquire(wait=0)
        keeper = asyncio.create_task(held.keep())
        await asyncio.sleep(7200)
        assert held.is_valid()
        assert world.lease(0)["spec"]["leaseTransitions"] == 1
        with pytest.raises(errors.ConflictError):
            await world.lock("bob").acquire(wait=60)
        await held.release()
        await keeper

    in_world(story)


def test_one_voter_of_three_may_be_silent_and_is_taken_when_it_is_back() -> None:
    async def story(world: World) -> None:
        world.servers[2].is_down = True
        held = await world.lock("ann").acquire(wait=0)
        assert now() < 3
        keeper = asyncio.create_task(held.keep())
        await asyncio.sleep(60)
        assert held.is_valid()
        world.servers[2].is_down = False
        await asyncio.sleep(20)
        assert world.lease(2)["spec"]["holderIdentity"].startswith("ann@")
        keeper.cancel()

    in_world(story)


def test_without_a_majority_there_is_no_lock_and_the_silent_are_named() -> None:
    async def story(world: World) -> errors.UnreachableError:
        world.servers[0].is_down = world.servers[2].is_down = True
        with pytest.raises(errors.UnreachableError) as caught:
            await world.lock("ann").acquire(wait=0)
        return caught.value

    error = in_world(story)
    assert error.where == "ops, west"
    assert "1 of 3 voters answered and 2 are needed" in error.why


def _silent(server: memory.Server) -> None:
    server.is_down = True


def _closed(server: memory.Server) -> None:
    server.refuses = lambda *_: errors.UnreachableError("connection refused", where=server.name)


@pytest.mark.parametrize("cut", [_silent, _closed])
def test_a_holder_cut_from_the_majority_knows_that_it_lost_before_another_can_win(
    cut: Callable[[memory.Server], None],
) -> None:
    async def story(world: World) -> tuple[float, str]:
        held = await world.lock("ann").acquire(wait=0)
        keeper = asyncio.create_task(held.keep())
        await asyncio.sleep(7)
        cut(world.servers[0])
        cut(world.servers[1])
        await held.lost.wait()
        await keeper
        return now(), held.reason

    when, reason = in_world(story)
    assert 15 < when < 22
    assert reason.startswith("no majority of the voters could be renewed in time (east: ")


def test_a_paused_holder_learns_who_overtook_it() -> None:
    async def story(world: World) -> str:
        process = memory.Process()
        held = await world.lock("ann", process).acquire(wait=0)
        keeper = asyncio.create_task(held.keep())
        process.pause()
        successor = await world.lock("bob").acquire(wait=30)
        beat = asyncio.create_task(successor.keep())
        await asyncio.sleep(100)
        assert not held.is_valid()
        process.thaw()
        await held.lost.wait()
        await keeper
        assert successor.is_valid()
        beat.cancel()
        return held.reason

    assert in_world(story)


def test_a_cancelled_attempt_leaves_nothing_behind() -> None:
    async def story(world: World) -> None:
        slow = memory.Process()
        gate = world.lock("ann", slow)
        for api in gate.voters.values():
            assert isinstance(api, memory.MemoryApi)
            api.wire.delay = lambda: 0.4
        attempt = asyncio.create_task(gate.acquire(wait=0))
        await asyncio.sleep(1.2)  # read, and the writes have arrived
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        held = await world.lock("bob").acquire(wait=0)
        assert held.token == 2

    in_world(story)


def test_a_refusal_by_rights_is_not_waited_for() -> None:
    async def story(world: World) -> errors.DeniedError:
        denied = errors.DeniedError(
            "cannot read", where="x", why="forbidden", remedy="isthmus permissions deploy"
        )
        for server in world.servers:
            server.refuses = lambda *_: denied
        with pytest.raises(errors.DeniedError) as caught:
            await world.lock("ann").acquire(wait=600)
        assert now() < 1
        return caught.value

    assert in_world(story).remedy == "isthmus permissions deploy"


def test_a_token_known_from_elsewhere_is_exceeded() -> None:
    async def story(world: World) -> int:
        return (await world.lock("ann").acquire(wait=0, floor=41)).token

    assert in_world(story) == 42


def test_status_tells_the_holder_without_touching_the_lock() -> None:
    async def story(world: World) -> lock.LockView:
        await world.lock("ann").acquire(wait=0)
        world.servers[1].is_down = True
        writes = len(world.servers[0].writes)
        view = await world.lock("bob").inspect()
        assert len(world.servers[0].writes) == writes
        return view

    view = in_world(story)
    assert view.holder is not None
    assert (view.holder.user, view.token, view.clusters, view.is_majority) == (
        "ann",
        1,
        ("ops", "west"),
        True,
    )
    assert list(view.unreachable) == ["east"]


def test_the_namespace_is_made_where_it_is_missing() -> None:
    async def story(world: World) -> None:
        apis = list(world.lock("ann").voters.values())
        world.servers[2].is_down = True
        for _ in range(2):
            assert list(await voters.prepare(apis, clock=memory.Process())) == ["ops"]
        found = world.servers[0].get(kinds.NAMESPACE, "", voters.NAMESPACE)
        assert found is not None

    in_world(story)
