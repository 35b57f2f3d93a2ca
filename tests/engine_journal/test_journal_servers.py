from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING

import pytest

from isthmus.engine import bundle, control, journal
from isthmus.model import errors
from tests import real

if TYPE_CHECKING:
    from isthmus.lab import labs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def fresh() -> tuple[str, str]:
    mark = secrets.token_hex(4)
    return f"data.app-{mark}", f"op-{mark}"


async def test_a_long_record_is_kept_whole_and_its_parts_go_with_it(lab: labs.Lab) -> None:
    key, operation = fresh()
    async with real.clusters(lab) as found:
        book = journal.Journal(
            {cluster.name: cluster for cluster in found}, majority=2, operation=operation, key=key, token=1
        )
        story = [secrets.token_hex(32) for _ in range(20_000)]
        await book.write({"started": "a", "phase": "forward", "story": story})
        await book.write({"started": "a", "phase": "finished", "story": story[:19_000]})
        assert await book.close(grace=20) == {}
        view = await journal.read_all(found, key)
        assert view.operations[0].record["story"] == story[:19_000]
        assert view.damaged == ()
        assert await journal.prune(found, key, keep=0) == {}
        assert (await journal.read_all(found, key)).operations == ()


async def test_two_writers_of_one_operation_end_with_the_higher_token(lab: labs.Lab) -> None:
    key, operation = fresh()
    async with real.clusters(lab) as found:
        apis = {cluster.name: cluster for cluster in found}
        old = journal.Journal(apis, majority=2, operation=operation, key=key, token=1)
        new = journal.Journal(apis, majority=2, operation=operation, key=key, token=2)
        everywhere = frozenset(apis)

        async def write_on() -> int:
            for step in range(200):
                await old.write({"started": "a", "phase": "forward", "step": step}, required=everywhere)
            return 200

        race = asyncio.create_task(write_on())
        await asyncio.sleep(0.5)
        await new.write({"started": "a", "phase": "undoing"}, required=everywhere)
        with pytest.raises(errors.FencedError):
            await race
        view = await journal.read_all(found, key)
        assert view.operations[0].header.rank == (2, 1)
        await old.close()
        await new.close()


async def test_bundles_and_requests_come_back(lab: labs.Lab) -> None:
    key, operation = fresh()
    async with real.clusters(lab) as found:
        pinned = bundle.Bundle(archive=os.urandom(900_000), values={"a": 1}, metadata={"chart": "app"})
        await asyncio.gather(*(bundle.store(cluster, pinned, key) for cluster in found for _ in range(2)))
        assert await bundle.load(found[0], pinned.digest, key) == pinned
        assert all(await asyncio.gather(*(bundle.delete(cluster, pinned.digest, key) for cluster in found)))

        made = await asyncio.gather(
            *(
                control.request(found, operation, control.Verb.APPROVE, f"{n}", user="ann", key=key)
                for n in range(3)
            )
        )
        assert {wish.id for wish in await control.read(found, operation)} == {wish.id for wish in made}
