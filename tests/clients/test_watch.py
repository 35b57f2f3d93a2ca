from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from isthmus.clients import kinds, kube
from isthmus.model import errors
from tests.clients import test_transport
from tests.clients.conftest import config_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.labs import NewLab

Json = dict[str, Any]


def item(name: str, version: int) -> Json:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


class Server:
    """Lists and watches as told: each watch is a list of events."""

    def __init__(self, *, lists: list[list[Json]], watches: list[list[Json]]) -> None:
        self.lists, self.watches = lists, watches

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("watch"):
            events = self.watches.pop(0) if self.watches else []
            return httpx2.Response(200, text="".join(json.dumps(event) + "\n" for event in events))
        items = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        return httpx2.Response(200, json={"metadata": {"resourceVersion": "9"}, "items": items})


async def told(server: Server, seconds: float = 2.0) -> list[tuple[str, str]]:
    cluster = test_transport.cluster(server)
    return [
        (kind, obj["metadata"]["name"])
        async for kind, obj in cluster.watch(kinds.POD, "shop", seconds=seconds)
    ]


async def test_what_exists_comes_first_then_changes_as_they_happen() -> None:
    server = Server(
        lists=[[item("a", 1)]],
        watches=[[{"type": "MODIFIED", "object": item("a", 2)}, {"type": "DELETED", "object": item("a", 3)}]],
    )

    assert await told(server) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_after_a_gap_lost_deletions_are_told_too() -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    server = Server(lists=[[item("a", 1), item("b", 1)], [item("b", 5), item("c", 6)]], watches=[[gone]])

    assert await told(server) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
        ("MODIFIED", "b"),
        ("ADDED", "c"),
    ]


async def test_events_carry_their_kind_though_lists_do_not() -> None:
    cluster = test_transport.cluster(Server(lists=[[item("a", 1)]], watches=[]))

    kinds_seen = [obj["kind"] async for _, obj in cluster.watch(kinds.POD, seconds=0.1)]

    assert kinds_seen == ["Pod"]


async def test_a_server_that_is_away_to_the_end_is_told() -> None:
    cluster = test_transport.cluster(test_transport.Script(httpx2.ConnectError("refused")))

    with pytest.raises(errors.UnreachableError):
        async for _ in cluster.watch(kinds.POD, seconds=0.3):
            pass


async def test_a_refused_watch_ends_at_once() -> None:
    cluster = test_transport.cluster(test_transport.Script((403, {"message": "forbidden"})))

    with pytest.raises(errors.DeniedError):
        async for _ in cluster.watch(kinds.POD, seconds=60):
            pass


@pytest.mark.lab
async def test_real_changes_arrive(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json]
) -> None:
    await west.create(kinds.CONFIG_MAP, config_map("one"))

    async def change() -> None:
        await asyncio.sleep(0.3)
        await west.apply(kinds.CONFIG_MAP, config_map("one", color="red"))
        await west.delete(kinds.CONFIG_MAP, "one", namespace)

    changing = asyncio.create_task(change())
    watched = west.watch(kinds.CONFIG_MAP, namespace, fields="metadata.name=one", seconds=2)
    events = [kind async for kind, _ in watched]
    await changing

    assert events == ["ADDED", "MODIFIED", "DELETED"]


@pytest.mark.lab
@pytest.mark.slow
async def test_a_watch_survives_the_death_of_its_server_and_a_frozen_one_costs_the_timeout(
    new_lab: NewLab,
) -> None:
    lab = await asyncio.to_thread(new_lab)
    async with kube.Cluster("west", config_of(lab), timeout=1.0, retry=kube.Retry(attempts=1)) as server:
        seen: list[str] = []
        listed = asyncio.Event()

        async def follow() -> None:
            async for kind, obj in server.watch(kinds.NAMESPACE, seconds=90):
                seen.append(f"{kind} {obj['metadata']['name']}")
                listed.set()
                if obj["metadata"]["name"] == "later":
                    return

        following = asyncio.create_task(follow())
        await listed.wait()
        await asyncio.to_thread(lab.kill, "west", "kube-apiserver")
        await asyncio.to_thread(lab.start, "west", "kube-apiserver")
        await server.create(kinds.NAMESPACE, {"metadata": {"name": "later"}})
        await following
        lab.freeze("west", "kube-apiserver")
        begin = asyncio.get_running_loop().time()
        with pytest.raises(errors.UnreachableError, match="no answer in 1 s"):
            await server.get(kinds.NAMESPACE, "default")
        waited = asyncio.get_running_loop().time() - begin
        lab.thaw("west", "kube-apiserver")

    assert "ADDED later" in seen
    assert len(seen) == len(set(seen))
    assert waited < 3
