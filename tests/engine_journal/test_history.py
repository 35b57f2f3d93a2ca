from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isthmus.clients import kinds
from isthmus.engine import bundle, control, journal, voters
from isthmus.model import errors
from tests.engine_journal.test_journal import KEY, NAMES, World, in_world, record

if TYPE_CHECKING:
    from collections.abc import Sequence


async def finish(
    world: World, number: int, *, bundles: Sequence[str] = (), where: Sequence[str] = NAMES
) -> None:
    book = world.book(operation=f"op-{number}", token=number)
    body = record("finished", number=number, bundles=list(bundles))
    await book.write(body, required=frozenset(where))
    await book.close(grace=0 if len(where) < 3 else 1)


def test_a_majority_that_reads_meets_the_majority_that_wrote() -> None:
    async def story(world: World) -> None:
        world.servers["west"].is_down = True
        await finish(world, 1, where=("east", "ops"))
        world.servers["west"].is_down, world.servers["ops"].is_down = False, True
        view = await world.view()
        assert [entry.header.operation for entry in view.operations] == ["op-1"]
        assert list(view.unreachable) == ["ops"]

        world.servers["east"].is_down = True
        with pytest.raises(errors.UnreachableError) as caught:
            await world.view()
        assert caught.value.where == "east, ops"

    in_world(story)


def test_an_unfinished_operation_owns_the_app_until_it_is_finished() -> None:
    async def story(world: World) -> None:
        assert (await world.view()).owner is None
        book = world.book()
        await book.write(record())
        assert (await world.view()).owner is not None
        await book.write(record("finished"))
        assert (await world.view()).owner is None
        await book.close()

    in_world(story)


def test_what_a_voter_kept_while_it_was_away_owns_nothing() -> None:
    async def story(world: World) -> None:
        first = world.book(operation="op-1", token=1)
        await first.write(record(), required=frozenset(NAMES))
        world.servers["west"].is_down = True
        await first.write(record("finished"))
        await first.close()
        await finish(world, 2, where=("east", "ops"))
        for server in ("east", "ops"):  # and op-1 has been pruned meanwhile
            world.servers[server].delete(kinds.CONFIG_MAP, voters.NAMESPACE, "journal.op-1", None, "test")
        world.servers["west"].is_down = False

        view = await world.view()
        assert [(entry.header.operation, entry.header.finished) for entry in view.operations] == [
            ("op-1", False),
            ("op-2", True),
        ]
        assert view.owner is None
        assert view.token == 2

    in_world(story)


def test_a_voter_that_was_away_is_levelled() -> None:
    async def story(world: World) -> None:
        world.servers["west"].is_down = True
        await finish(world, 1, where=("east", "ops"))
        world.servers["west"].is_down = False
        entry = (await world.view()).operations[0]
        assert "west" not in entry.seen

        assert await journal.level(entry, world.apis(), clock=world.process) == {}
        assert (await world.view()).operations[0].seen == dict.fromkeys(NAMES, (1, 1))

    in_world(story)


def test_the_last_twenty_finished_stay_with_what_they_need() -> None:
    async def story(world: World) -> None:
        apis = list(world.apis().values())
        common = bundle.Bundle(archive=b"common", values={})
        for number in range(1, 24):
            own = bundle.Bundle(archive=b"own", values={"n": number})
            for api in apis:
                await bundle.store(api, own, KEY)
                await bundle.store(api, common, KEY)
            await control.request(
                apis, f"op-{number}", control.Verb.PAUSE, user="ann", key=KEY, clock=world.process
            )
            await finish(world, number, bundles=[own.digest, common.digest])
        book = world.book(operation="op-24", token=24)
        await book.write(record(), required=frozenset(NAMES))
        await book.close(grace=1)

        assert await journal.prune(apis, KEY, clock=world.process) == {}
        view = await world.view()
        assert [entry.header.operation for entry in view.operations] == [f"op-{n}" for n in range(4, 25)]
        left = [name for _, _, name in world.servers["west"].objects]
        assert len([name for name in left if name.startswith("control.")]) == 20
        assert len([name for name in left if name.startswith("bundle.")]) == 2 * 21
        assert (await bundle.load(apis[0], common.digest, KEY)).archive == b"common"

    in_world(story)


def test_a_lost_record_of_the_newest_unfinished_operation_is_said_and_not_passed_over() -> None:
    async def story(world: World) -> errors.ConflictError:
        await finish(world, 1)
        book = world.book(operation="op-2", token=2)
        await book.write(record(story=["x"] * 200_000), required=frozenset(NAMES))
        await book.close()
        for server in world.servers.values():
            for _, _, name in list(server.objects):
                if name.startswith("journal.op-2.0"):
                    server.delete(kinds.CONFIG_MAP, voters.NAMESPACE, name, None, "test")
        view = await world.view()
        assert view.damaged == ("east/journal.op-2", "ops/journal.op-2", "west/journal.op-2")
        assert view.token == 2
        with pytest.raises(errors.ConflictError) as caught:
            _ = view.owner
        return caught.value

    assert "journal.op-2" in in_world(story).remedy


def test_one_whole_copy_is_enough() -> None:
    async def story(world: World) -> None:
        await finish(world, 1)
        spoiled = world.servers["west"].objects["configmaps", voters.NAMESPACE, "journal.op-1"]
        spoiled["data"]["record.json"] = "{}"
        view = await world.view()
        assert view.damaged == ("west/journal.op-1",)
        assert view.operations[0].record["number"] == 1

    in_world(story)
