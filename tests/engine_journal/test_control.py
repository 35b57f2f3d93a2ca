from __future__ import annotations

import asyncio

import pytest

from isthmus.engine import control, voters
from isthmus.model import errors
from tests.engine_journal.test_journal import KEY, World, in_world


async def ask(world: World, verb: control.Verb, argument: str = "", user: str = "ann") -> control.Request:
    apis = list(world.apis().values())
    return await control.request(apis, "op-1", verb, argument, user=user, key=KEY, clock=world.process)


async def asked(world: World) -> tuple[control.Request, ...]:
    return await control.read(list(world.apis().values()), "op-1", clock=world.process)


def test_requests_are_read_in_their_order_from_any_majority() -> None:
    async def story(world: World) -> None:
        assert await asked(world) == ()
        world.servers["west"].is_down = True
        first = await ask(world, control.Verb.PAUSE)
        world.servers["west"].is_down, world.servers["east"].is_down = False, True
        second = await ask(world, control.Verb.SKIP, "west", user="bob")
        world.servers["east"].is_down, world.servers["ops"].is_down = False, True

        assert await asked(world) == (first, second)
        assert (second.verb, second.argument, second.user) == (control.Verb.SKIP, "west", "bob")

    in_world(story)


def test_requests_of_many_at_once_are_all_kept() -> None:
    async def story(world: World) -> None:
        made = await asyncio.gather(*(ask(world, control.Verb.APPROVE, str(n)) for n in range(4)))
        assert {wish.id for wish in await asked(world)} == {wish.id for wish in made}

    in_world(story)


def test_a_request_that_no_majority_got_is_an_error() -> None:
    async def story(world: World) -> None:
        world.servers["west"].is_down = world.servers["ops"].is_down = True
        with pytest.raises(errors.UnreachableError, match="cannot leave 'abort' for operation op-1"):
            await ask(world, control.Verb.ABORT)
        with pytest.raises(errors.UnreachableError, match="cannot read the requests"):
            await asked(world)

    in_world(story)


def test_what_a_person_spoiled_is_left_out() -> None:
    async def story(world: World) -> None:
        wish = await ask(world, control.Verb.RESUME)
        for server in world.servers.values():
            body = server.objects["configmaps", voters.NAMESPACE, "control.op-1"]
            body["data"] |= {"a": "{", "b": "[]", "c": '{"verb": "dance"}'}
        assert await asked(world) == (wish,)

    in_world(story)
