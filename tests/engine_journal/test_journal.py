from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.clients import kinds, redactor
from isthmus.engine import journal, replica, voters
from isthmus.engine import record as records
from isthmus.model import errors
from tests import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
KEY = "data.app"
NAMES = ("west", "east", "ops")


class World:
    """Three voters in memory."""

    def __init__(self) -> None:
        self.process = memory.Process()
        self.servers = {name: memory.Server(name) for name in NAMES}
        self.wires = {name: memory.Wire() for name in NAMES}

    def apis(self) -> dict[str, voters.Api]:
        return {
            name: memory.MemoryApi(server, self.process, self.wires[name])
            for name, server in self.servers.items()
        }

    def book(
        self, *, operation: str = "op-1", token: int = 1, hide: Callable[[str], str] = str
    ) -> journal.Journal:
        return journal.Journal(
            self.apis(),
            majority=2,
            operation=operation,
            key=KEY,
            token=token,
            clock=self.process,
            redact=hide,
        )

    async def view(self) -> journal.JournalView:
        return await journal.read_all(list(self.apis().values()), KEY, clock=self.process)

    def sequence(self, name: str, operation: str = "op-1") -> int:
        body = self.servers[name].get(kinds.CONFIG_MAP, voters.NAMESPACE, f"journal.{operation}")
        head = records.read_head(body) if body is not None else None
        return head.header.sequence if head is not None else 0


def in_world(story: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        return await story(World())

    return memory.run(run())


def now() -> float:
    return asyncio.get_running_loop().time()


def record(phase: str = "forward", **more: Any) -> dict[str, Any]:
    return {"started": "2026-01-01T00:00:00Z", "phase": phase, **more}


names = st.sampled_from("abcde")
DENIED = errors.DeniedError("etcd is out of quota", where="west", remedy="defragment")


@given(
    st.frozensets(names),
    st.frozensets(names),
    st.frozensets(names, min_size=1),
    st.frozensets(names),
    st.integers(1, 3),
)
def test_durable_means_all_required_and_a_majority(
    durable: frozenset[str],
    refused: frozenset[str],
    writers: frozenset[str],
    required: frozenset[str],
    majority: int,
) -> None:
    durable, refused = durable & writers, (refused & writers) - durable
    found = journal.outlook(
        durable, dict.fromkeys(refused, DENIED), writers=writers, required=required, majority=majority
    )

    assert found.is_durable == (required <= durable and len(durable) >= majority)
    can_still = not (required & refused) and len(writers - refused) >= majority
    assert not (found.refusal and can_still)
    assert found.is_durable or found.refusal or can_still or len(writers) < majority


def test_a_written_record_is_in_a_majority_and_reads_back() -> None:
    async def story(world: World) -> None:
        book = world.book()
        assert await book.write(record(runs=[1]), required=frozenset({"ops"})) == 1
        assert world.sequence("ops") == 1
        assert await book.close(grace=1) == {}

        view = await world.view()
        assert view.owner is not None
        assert view.owner.record == record(runs=[1])
        assert view.owner.header.rank == (1, 1)
        assert view.owner.seen == dict.fromkeys(NAMES, (1, 1))

    in_world(story)


def test_callers_at_once_share_writes_and_each_gets_its_own_durability() -> None:
    async def story(world: World) -> int:
        book = world.book()
        for wire in world.wires.values():
            wire.delay = lambda: 0.1
        sequences = await asyncio.gather(*(book.write(record(step=number)) for number in range(50)))
        assert sequences == list(range(1, 51))
        await book.close(grace=5)
        view = await world.view()
        assert view.operations[0].record["step"] == 49
        return sum(place == "configmaps" for _, place, *_ in world.servers["west"].writes)

    assert in_world(story) <= 3


def test_a_silent_voter_delays_nobody_and_gets_the_newest_when_it_is_back() -> None:
    async def story(world: World) -> None:
        book = world.book()
        world.servers["east"].is_down = True
        for step in range(100):
            await book.write(record(step=step))
        assert now() < 5
        world.servers["east"].is_down = False
        assert await book.close(grace=60) == {}
        assert world.sequence("east") == 100
        assert len([1 for _, kind, *_ in world.servers["east"].writes if kind == "configmaps"]) == 1

    in_world(story)


def test_a_required_cluster_that_is_silent_is_named_when_the_deadline_passes() -> None:
    async def story(world: World) -> errors.UnreachableError:
        book = world.book()
        world.servers["east"].is_down = True
        await book.write(record())
        with pytest.raises(errors.UnreachableError) as caught:
            await book.write(record(), required=frozenset({"east"}), deadline=20)
        assert now() == pytest.approx(20, abs=0.5)
        assert list(await book.close()) == ["east"]
        return caught.value

    error = in_world(story)
    assert error.where == "east"
    assert error.why.startswith("after 20 s it is not in 2 voters and east (east: ")
    assert "resume" in error.remedy


def test_a_refusal_that_lasts_reaches_the_caller_where_it_matters() -> None:
    async def story(world: World) -> errors.DeniedError:
        book = world.book()
        world.servers["west"].refuses = lambda verb, *_: DENIED if verb != "get" else None
        await book.write(record(), required=frozenset({"east"}))  # a majority without west: no error
        with pytest.raises(errors.DeniedError) as caught:
            await book.write(record(), required=frozenset({"west"}))
        assert 3 <= now() < 5
        assert list(await book.close(grace=1)) == ["west"]
        return caught.value

    error = in_world(story)
    assert (error.what, error.where, error.remedy) == ("etcd is out of quota", "west", "defragment")


def test_an_api_server_that_starts_and_refuses_for_a_moment_is_waited_for() -> None:
    async def story(world: World) -> None:
        book = world.book()
        world.servers["west"].refuses = lambda *_: DENIED if now() < 2 else None
        await book.write(record(), required=frozenset({"west"}))
        world.servers["east"].refuses = lambda *_: DENIED if now() < 20 else None
        await book.write(record())
        assert await book.close(grace=30) == {}

    in_world(story)


def test_refusals_by_a_majority_reach_the_caller() -> None:
    async def story(world: World) -> None:
        book = world.book()
        for name in ("west", "east"):
            world.servers[name].refuses = lambda verb, *_: DENIED if verb != "get" else None
        with pytest.raises(errors.DeniedError):
            await book.write(record())
        for name in ("west", "east"):
            world.servers[name].refuses = lambda *_: None
        await book.write(record())
        await book.close()

    in_world(story)


def test_a_successor_s_record_fences_the_old_holder() -> None:
    async def story(world: World) -> None:
        old, new = world.book(token=1), world.book(token=2)
        await old.write(record(), required=frozenset(NAMES))
        await new.write(record(phase="undoing"), required=frozenset(NAMES))
        for _ in range(2):
            with pytest.raises(errors.FencedError):
                await old.write(record(step=2))
        assert world.sequence("west") == 1
        view = await world.view()
        assert view.owner is not None
        assert view.owner.header.rank == (2, 1)
        await old.close()
        await new.close()

    in_world(story)


def test_one_s_own_late_write_is_no_successor() -> None:
    async def story(world: World) -> None:
        book = world.book()
        delays = iter([0.01, 0.01, 0.01, 30.0] + [0.01] * 1000)  # the answer to the first write is lost
        world.wires["west"].delay = lambda: next(delays)
        for step in range(5):
            await book.write(record(step=step))
        await book.write(record(step=5), required=frozenset({"west"}))
        await book.close()

    in_world(story)


def test_a_refused_credential_is_believed_only_when_it_stays() -> None:
    async def story(world: World) -> None:
        book = world.book()
        refusal = errors.UnauthenticatedError("not authenticated", where="west")
        world.servers["west"].refuses = lambda *_: refusal if now() < 2 else None
        await book.write(
            record(), required=frozenset({"west"})
        )  # an API server that starts errs for a moment
        world.servers["west"].refuses = lambda *_: refusal
        with pytest.raises(errors.FencedError) as caught:
            await book.write(record(), required=frozenset({"west"}))
        assert caught.value.where == "west"
        await book.close()

    in_world(story)


def test_a_renewed_credential_takes_over_without_a_gap() -> None:
    async def story(world: World) -> None:
        book = world.book()
        await book.write(record())
        for name, api in world.apis().items():
            book.admit(name, api)
        assert await book.write(record(), required=frozenset(NAMES)) == 2
        await book.close()

    in_world(story)


def test_a_writer_admitted_late_gets_the_record_at_once() -> None:
    async def story(world: World) -> None:
        apis = world.apis()
        late = apis.pop("ops")
        book = journal.Journal(apis, majority=2, operation="op-1", key=KEY, token=1, clock=world.process)
        await book.write(record())
        book.admit("ops", late)
        assert await book.close(grace=2) == {}
        assert world.sequence("ops") == 1

    in_world(story)


def test_secrets_do_not_reach_the_voters() -> None:
    async def story(world: World) -> str:
        book = world.book(hide=redactor.Redactor.of(["hunter22"]).clean)
        await book.write(record(message="helm said: password hunter22 is bad"), required=frozenset(NAMES))
        await book.close()
        return str(world.servers["west"].objects)

    assert "hunter22" not in in_world(story)


def test_a_long_record_leaves_no_old_parts() -> None:
    async def story(world: World) -> list[str]:
        book = world.book()
        for step in range(3):
            await book.write(
                record(story=[f"{step} {line}" for line in range(60_000)]), required=frozenset(NAMES)
            )
        view = await world.view()
        assert view.operations[0].record["story"][-1] == "2 59999"
        await book.write(record(), required=frozenset(NAMES))
        await book.close(grace=1)
        return [name for _, _, name in world.servers["west"].objects]

    assert in_world(story) == ["journal.op-1"]


def test_a_reader_beside_a_writer_never_sees_a_torn_record() -> None:
    async def story(world: World) -> None:
        book = world.book()
        await book.write(record(story=["0"] * 250_000), required=frozenset(NAMES))

        async def rewrite() -> None:
            for step in range(1, 12):
                await book.write(record(story=[str(step)] * 250_000), required=frozenset(NAMES))

        writing = asyncio.create_task(rewrite())
        reads = 0
        while not writing.done():
            for api in world.apis().values():
                for copy in (await replica.shelf(api, KEY)).copies:
                    assert copy.record is not None
                    assert len(set(copy.record["story"])) == 1
                    reads += 1
        assert reads > 12
        await book.close()

    in_world(story)
