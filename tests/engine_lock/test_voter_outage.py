from __future__ import annotations

import asyncio
import gc
import random
from typing import TYPE_CHECKING

import pytest

from isthmus.engine import identity, journal, lock
from isthmus.model import errors
from tests import real

if TYPE_CHECKING:
    from isthmus.lab import labs
    from tests.labs import NewLab

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    # httpcore2 leaves a socket to the garbage collector when a TLS handshake is cancelled (a frozen server)
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
KEY = "data.app"


@pytest.fixture
def own(new_lab: NewLab) -> labs.Lab:
    return new_lab(3)


async def test_lock_and_journal_live_through_the_loss_of_one_server_and_not_of_two(own: labs.Lab) -> None:
    async with real.clusters(own, timeout=3) as found:
        gate = lock.Lock(
            found,
            KEY,
            identity.mine("op-1", user="tester"),
            duration=6.0,
            rng=random.Random(1),  # noqa: S311 - jitter
            is_alive=identity.is_alive,
        )
        held = await gate.acquire(wait=5)
        keeper = asyncio.create_task(held.keep())
        apis = {cluster.name: cluster for cluster in found}
        book = journal.Journal(apis, majority=2, operation="op-1", key=KEY, token=held.token)
        record = {"started": "2026-01-01T00:00:00Z", "phase": "forward"}
        await book.write(record, required=frozenset(apis))

        own.stop("west", "kube-apiserver")
        for step in range(20):
            await book.write(record | {"step": step}, required=frozenset({"east"}))
        with pytest.raises(errors.UnreachableError) as caught:
            await book.write(record, required=frozenset({"west"}), deadline=6)
        assert caught.value.where == "west"
        assert held.is_valid()

        own.freeze("central", "kube-apiserver")
        await asyncio.wait_for(held.lost.wait(), 30)
        with pytest.raises(errors.UnreachableError, match="could not be written"):
            await book.write(record, deadline=3)
        with pytest.raises(errors.UnreachableError, match="1 of 3 voters answered"):
            await journal.read_all(found, KEY)
        own.thaw("central", "kube-apiserver")
        await keeper

        sequence = await book.write(record | {"phase": "finished"}, deadline=30)
        await asyncio.to_thread(own.start, "west", "kube-apiserver")
        assert await book.close(grace=60) == {}
        view = await journal.read_all(found, KEY)
        assert view.owner is None
        assert set(view.operations[0].seen.values()) == {(1, sequence)}
        await held.release()
    gc.collect()  # such a socket must not warn in another test
