from __future__ import annotations

import asyncio
import base64
import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.clients import kinds
from isthmus.engine import fence, voters
from isthmus.model import errors
from tests import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
KEY = "data.app"
OWN = fence.Account("data", "deployer")


class World:
    """One cluster, and operations that take it one after the other."""

    def __init__(self) -> None:
        self.server = memory.Server("west")

    def api(self, process: memory.Process | None = None, wire: memory.Wire | None = None) -> memory.MemoryApi:
        return memory.MemoryApi(self.server, process or memory.Process(), wire)

    async def take(
        self,
        token: int,
        *,
        account: fence.Account = fence.DEPLOYER,
        api: memory.MemoryApi | None = None,
        is_gone: bool = True,
    ) -> fence.Credential:
        api = api or self.api()
        return await fence.take(
            api,
            key=KEY,
            token=token,
            operation=f"op-{token}",
            account=account,
            clock=api.process,
            is_gone=lambda _: is_gone,
        )

    def secret(self, namespace: str = voters.NAMESPACE) -> dict[str, Any]:
        found = self.server.get(kinds.SECRET, namespace, f"fence.{KEY}")
        assert found is not None
        return found

    async def write(self, credential: fence.Credential) -> bool:
        """Try to write as the operation does; say whether the server took it."""
        body = {"metadata": {"name": f"note-{now()}-{len(self.server.writes)}"}}
        try:
            await self.api().as_token(credential.token).create(kinds.CONFIG_MAP, body, namespace="data")
        except errors.UnauthenticatedError:
            return False
        return True


def in_world(story: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        return await story(World())

    return memory.run(run())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_the_first_operation_waits_for_nobody_and_its_token_lies_in_its_secret() -> None:
    async def story(world: World) -> None:
        credential = await world.take(1)
        assert now() < 1
        assert await world.write(credential)
        secret = world.secret()
        assert base64.b64decode(secret["data"]["token"]).decode() == credential.token
        assert secret["metadata"]["annotations"] == {
            "isthmus.dev/token": "1",
            "isthmus.dev/operation": "op-1",
        }
        assert credential.token not in repr(credential)

    in_world(story)


def test_a_successor_gets_its_credential_when_the_old_one_is_refused() -> None:
    async def story(world: World) -> None:
        old = await world.take(1)
        assert await world.write(old)
        new = await world.take(2)
        assert 11 <= now() < 14
        assert not await world.write(old)
        assert await world.write(new)

    in_world(story)


def test_a_predecessor_that_may_live_is_waited_for_until_what_it_sent_by_halves_has_run_out() -> None:
    async def story(world: World) -> None:
        await world.take(1)
        await world.take(2, is_gone=False)
        assert 45 <= now() < 48

    in_world(story)


def test_whether_a_predecessor_is_gone_is_asked_of_the_holder_that_its_secret_names() -> None:
    async def story(world: World) -> None:
        asked: list[str] = []
        api = world.api()

        def is_gone(holder: str) -> bool:
            asked.append(holder)
            return True

        for token, holder in enumerate(["first", "second"], start=1):
            await fence.take(
                api,
                key=KEY,
                token=token,
                operation="op",
                clock=api.process,
                holder=holder,
                is_gone=is_gone,
            )
        assert asked == ["first"]

    in_world(story)


def test_after_a_clean_end_nobody_waits_and_the_number_stays() -> None:
    async def story(world: World) -> None:
        old = await world.take(1)
        await fence.release(world.api().as_token(old.token), old)
        secret = world.secret()
        assert secret["metadata"]["annotations"] == {
            "isthmus.dev/token": "1",
            "isthmus.dev/operation": "op-1",
            "isthmus.dev/released": "true",
        }
        assert secret["data"] == {}
        await world.take(2)
        assert now() < 1

    in_world(story)


def test_an_old_number_is_refused_also_after_a_clean_end() -> None:
    async def story(world: World) -> errors.FencedError:
        new = await world.take(2)
        await fence.release(world.api().as_token(new.token), new)
        with pytest.raises(errors.FencedError) as caught:
            await world.take(1)
        return caught.value

    assert in_world(story).why == "operation op-2 (token 2) has taken over here"


def test_an_overtaken_operation_can_neither_refresh_nor_release() -> None:
    async def story(world: World) -> None:
        old = await world.take(1)
        new = await world.take(2)
        with pytest.raises(errors.FencedError):
            await fence.refresh(world.api(), old, clock=memory.Process())
        with pytest.raises(errors.UnauthenticatedError):
            await fence.release(world.api().as_token(old.token), old)
        assert world.secret()["metadata"]["uid"] == new.uid

    in_world(story)


def test_a_refreshed_credential_is_bound_to_the_same_secret() -> None:
    async def story(world: World) -> None:
        first = await world.take(1)
        second = await fence.refresh(world.api(), first, clock=memory.Process())
        assert (second.uid, second.fencing) == (first.uid, 1)
        assert second.token != first.token
        await world.take(2)
        assert not await world.write(first)
        assert not await world.write(second)

    in_world(story)


def test_whoever_died_between_delete_and_create_is_waited_for() -> None:
    async def story(world: World) -> None:
        old = await world.take(1)
        assert await world.write(old)
        secret = world.secret()
        world.server.delete(kinds.SECRET, voters.NAMESPACE, f"fence.{KEY}", secret["metadata"]["uid"], "op-2")
        await world.take(3)
        assert now() >= 11
        assert not await world.write(old)

    in_world(story)


def test_in_the_gap_between_delete_and_create_a_lower_number_gets_nothing() -> None:
    async def story(world: World) -> None:
        await world.take(2)
        frozen, delays = memory.Process(), iter([0.001] * 8 + [5.0])
        wire = memory.Wire(lambda: next(delays, 0.001))  # number read and raised, Secret read and deleted
        successor = asyncio.create_task(world.take(3, api=world.api(frozen, wire)))
        await asyncio.sleep(0.1)
        assert ("secrets", voters.NAMESPACE, f"fence.{KEY}") not in world.server.objects
        with pytest.raises(errors.FencedError):
            await world.take(1)
        assert (await successor).fencing == 3

    in_world(story)


def test_a_cluster_that_nobody_has_taken_is_not_waited_for_whatever_the_number() -> None:
    async def story(world: World) -> None:
        await world.take(7)
        assert now() < 1

    in_world(story)


def test_an_app_that_changed_its_account_leaves_no_credential_behind() -> None:
    async def story(world: World) -> None:
        old = await world.take(1, account=OWN)
        assert await world.write(old)
        new = await world.take(2)
        assert not await world.write(old)
        assert world.secret("data")["metadata"]["annotations"] == {
            "isthmus.dev/token": "2",
            "isthmus.dev/operation": "op-2",
            "isthmus.dev/released": "true",
        }
        with pytest.raises(errors.FencedError):
            await fence.refresh(world.api(), old, clock=memory.Process())
        back = await world.take(3, account=OWN)
        assert not await world.write(new)
        assert await world.write(back)

    in_world(story)


def test_a_server_that_never_refuses_the_old_token_is_an_error_after_a_minute() -> None:
    def accept(token: str | None) -> None:
        assert token is None or token.startswith("token-west-")

    async def story(world: World) -> None:
        old = await world.take(1)
        world.server.authenticate = accept  # type: ignore[method-assign]  # a server without look-up
        with pytest.raises(errors.DeadlineError, match="still accepted"):
            await world.take(2)
        assert 60 <= now() < 65
        assert old.token

    in_world(story)


def test_a_secret_without_a_stored_token_is_waited_for_too() -> None:
    async def story(world: World) -> None:
        await world.take(1)
        world.server.objects["secrets", voters.NAMESPACE, f"fence.{KEY}"]["data"] = {"token": "%%%"}
        await world.take(2)
        assert 11 <= now() < 12

    in_world(story)


def test_a_lost_answer_to_storing_the_token_is_no_failure() -> None:
    async def story(world: World) -> None:
        answers = 0

        def conflict_once(verb: str, kind: kinds.Kind, name: str) -> errors.IsthmusError | None:
            nonlocal answers
            if verb != "update":
                return None
            answers += 1
            return errors.ConflictError("modified", where="west") if answers == 1 else None

        world.server.refuses = conflict_once
        assert await world.write(await world.take(1))

    in_world(story)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 25), st.floats(0.1, 40)), min_size=2, max_size=4),
    st.integers(0, 2**32),
)
@settings(max_examples=300, deadline=None)
def test_nothing_of_an_old_holder_is_accepted_once_a_successor_has_its_credential(
    holders: list[tuple[float, float, float]], seed: int
) -> None:
    """Each holder starts at some time, is frozen at another for a while, and writes whenever it can."""

    async def story(world: World) -> list[str]:
        got: dict[int, float] = {}
        accepted: list[tuple[float, int]] = []
        rng = random.Random(seed)  # noqa: S311 - a schedule must repeat

        async def hold(number: int, start: float, freeze: float, length: float) -> None:
            process = memory.Process()
            wire = memory.Wire(lambda: rng.choice([0.001, 0.01, 0.3, 2.0]))
            await asyncio.sleep(start)
            loop = asyncio.get_running_loop()
            loop.call_later(freeze, process.pause)
            loop.call_later(freeze + length, process.thaw)
            api = world.api(process, wire)
            try:
                credential = await world.take(number + 1, api=api)
                got[number + 1] = now()
                for step in range(40):
                    body = {"metadata": {"name": f"n{number}-{step}", "labels": {"by": str(number + 1)}}}
                    await api.as_token(credential.token).create(kinds.CONFIG_MAP, body, namespace="data")
                    await process.sleep(0.5)
            except (
                errors.FencedError,
                errors.UnauthenticatedError,
                errors.ConflictError,
                errors.DeadlineError,
            ):
                return

        original = world.server.create

        def create(kind: kinds.Kind, namespace: str, body: dict[str, Any], who: str) -> dict[str, Any]:
            if kind is kinds.CONFIG_MAP and namespace == "data":
                accepted.append((now(), int(body["metadata"]["labels"]["by"])))
            return original(kind, namespace, body, who)

        world.server.create = create  # type: ignore[method-assign]  # listens
        await asyncio.gather(*(hold(number, *times) for number, times in enumerate(holders)))
        return [
            f"{by} wrote at {at} after {other} had its credential at {when}"
            for at, by in accepted
            for other, when in got.items()
            if other > by and at >= when
        ]

    assert in_world(story) == []


def test_expiry_is_read_from_the_token_itself() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1_800_000_000}).encode()).decode().rstrip("=")

    assert fence.expiry(f"head.{claims}.signature") == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert fence.expiry("opaque") is None


# --- rights -------------------------------------------------------------------------------------


def kinds_of(world: World) -> list[tuple[str, str, str]]:
    return sorted(world.server.objects)


def test_our_deployer_is_made_and_bound_to_cluster_admin() -> None:
    async def story(world: World) -> None:
        for _ in range(2):
            await fence.prepare(world.api(), key=KEY)
        assert kinds_of(world) == [
            ("clusterrolebindings", "", "isthmus-deployer"),
            ("serviceaccounts", "isthmus-system", "isthmus-deployer"),
        ]

    in_world(story)


def test_a_user_who_may_not_grant_rights_uses_what_an_administrator_made() -> None:
    async def story(world: World) -> None:
        denied = errors.DeniedError("cannot apply", where="west", why="forbidden")
        world.server.refuses = lambda verb, *_: denied if verb == "patch" else None
        with pytest.raises(errors.DeniedError):
            await fence.prepare(world.api(), key=KEY)
        world.server.refuses = lambda *_: None
        await fence.prepare(world.api(), key=KEY)
        world.server.refuses = lambda verb, *_: denied if verb == "patch" else None
        await fence.prepare(world.api(), key=KEY)
        binding = world.server.objects["clusterrolebindings", "", "isthmus-deployer"]
        binding["roleRef"]["name"] = "view"
        with pytest.raises(errors.DeniedError):
            await fence.prepare(world.api(), key=KEY)

    in_world(story)


def test_a_successor_that_died_while_it_waited_leaves_the_wait_to_the_next() -> None:
    async def story(world: World) -> None:
        def is_gone(holder: str) -> bool:
            return holder == "second"  # the first is only frozen

        async def take(token: int, holder: str, process: memory.Process) -> fence.Credential:
            return await fence.take(
                world.api(process),
                key=KEY,
                token=token,
                operation="op",
                clock=process,
                holder=holder,
                is_gone=is_gone,
            )

        await take(1, "first", memory.Process())
        second = memory.Process()
        dying = asyncio.create_task(take(2, "second", second))
        await asyncio.sleep(5)
        second.crash()
        with pytest.raises(memory.CrashedError):
            await dying
        began = now()
        await take(3, "third", memory.Process())
        assert now() - began >= 45
        assert "isthmus.dev/unsettled" not in world.secret()["metadata"]["annotations"]

    in_world(story)


def test_a_missing_account_of_the_app_is_named_with_the_way_out() -> None:
    async def story(world: World) -> errors.DeniedError:
        with pytest.raises(errors.DeniedError) as caught:
            await fence.prepare(world.api(), key=KEY, account=OWN)
        assert kinds_of(world) == []
        return caught.value

    error = in_world(story)
    assert str(error).startswith("west: ServiceAccount data/deployer does not exist")
    assert "kubectl -n data create serviceaccount deployer" in error.remedy


@pytest.mark.parametrize(("account", "home"), [(OWN, "data"), (fence.SCRIBE, "isthmus-system")])
def test_other_accounts_may_write_the_journal_but_not_read_secrets_of_others(
    account: fence.Account, home: str
) -> None:
    async def story(world: World) -> list[Any]:
        world.server.objects["serviceaccounts", account.namespace, account.name] = {
            "metadata": {"name": account.name, "uid": "u", "resourceVersion": "1"}
        }
        await fence.prepare(world.api(), key=KEY, account=account, scope=fence.Scope.JOURNAL)
        assert not [name for plural, _, name in kinds_of(world) if plural == "clusterrolebindings"]
        assert ("rolebindings", home, f"fence.{KEY}") in world.server.objects
        roles = [body for (plural, _, _), body in sorted(world.server.objects.items()) if plural == "roles"]
        return [rule for role in roles for rule in role["rules"] if "secrets" in rule["resources"]]

    rules = in_world(story)
    assert all(rule["verbs"] == ["create"] or rule["resourceNames"] == [f"fence.{KEY}"] for rule in rules)


def test_a_user_without_the_right_to_issue_tokens_cannot_fence() -> None:
    async def story(world: World) -> None:
        asked: list[tuple[str, str, str]] = []
        api = world.api()

        async def allows(
            verb: str,
            kind: kinds.Kind,
            namespace: str | None = None,
            *,
            subresource: str = "",
            name: str = "",
        ) -> bool:
            asked.append((verb, kind.plural, subresource))
            return subresource != "token"

        api.allows = allows  # type: ignore[method-assign]  # a user with fewer rights
        assert await fence.can_fence(api) is False
        assert ("create", "serviceaccounts", "token") in asked
        assert await fence.can_fence(world.api()) is True

    in_world(story)
