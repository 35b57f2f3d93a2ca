from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING

import pytest

from isthmus.clients import kinds, kube
from isthmus.engine import fence, journal, voters
from isthmus.model import errors
from tests import real

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from isthmus.lab import labs

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
async def west(lab: labs.Lab) -> AsyncIterator[kube.Cluster]:
    async with real.clusters(lab) as found:
        yield next(cluster for cluster in found if cluster.name == "west")


@pytest.fixture
def key() -> str:
    return f"data.app-{secrets.token_hex(4)}"


async def note(cluster: kube.Cluster, namespace: str = "default") -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"note-{secrets.token_hex(6)}"}}
    await cluster.create(kinds.CONFIG_MAP, body, namespace=namespace)


async def test_from_take_to_takeover_no_write_of_the_old_credential_is_accepted(
    west: kube.Cluster, key: str
) -> None:
    assert await fence.can_fence(west)
    for _ in range(2):
        await fence.prepare(west, key=key)
    old = await fence.take(west, key=key, token=1, operation="op-1")
    async with west.as_token(old.token) as first:
        await note(first)
        stop = asyncio.Event()
        accepted: list[float] = []

        async def keep_writing() -> None:
            while not stop.is_set():
                with contextlib.suppress(errors.UnauthenticatedError):
                    await note(first)
                    accepted.append(time.monotonic())
                await asyncio.sleep(0.05)

        writer = asyncio.create_task(keep_writing())
        began = time.monotonic()
        new = await fence.take(west, key=key, token=2, operation="op-2", is_gone=lambda _: True)
        taken = time.monotonic()
        await asyncio.sleep(3)
        stop.set()
        await writer

        assert 11 <= taken - began < 30
        assert accepted
        assert max(accepted) < taken
        with pytest.raises(errors.UnauthenticatedError):
            await fence.release(first, old)
    with pytest.raises(errors.FencedError):
        await fence.refresh(west, old)
    with pytest.raises(errors.FencedError):
        await fence.take(west, key=key, token=1, operation="op-1")
    async with west.as_token(new.token) as second:
        await note(second)
        await fence.release(second, new)
    began = time.monotonic()
    await fence.take(west, key=key, token=3, operation="op-3")
    assert time.monotonic() - began < 5


async def test_a_frozen_holder_can_get_no_token_for_the_secret_it_had(west: kube.Cluster, key: str) -> None:
    await fence.prepare(west, key=key)
    old = await fence.take(west, key=key, token=1, operation="op-1")
    await west.delete(kinds.SECRET, old.secret, voters.NAMESPACE, uid=old.uid)
    with pytest.raises((errors.DeniedError, errors.ConflictError)):
        await west.issue_token("isthmus-deployer", voters.NAMESPACE, secret=(old.secret, old.uid))
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": voters.metadata(old.secret, key, component="fence"),
    }
    await west.create(kinds.SECRET, body, namespace=voters.NAMESPACE)
    with pytest.raises((errors.DeniedError, errors.ConflictError)):
        await west.issue_token("isthmus-deployer", voters.NAMESPACE, secret=(old.secret, old.uid))


async def test_a_refreshed_credential_works_and_says_when_it_ends(west: kube.Cluster, key: str) -> None:
    await fence.prepare(west, key=key)
    first = await fence.take(west, key=key, token=1, operation="op-1", seconds=600)
    second = await fence.refresh(west, first, seconds=3600)

    assert 2990 < (second.expires - first.expires).total_seconds() < 3100
    async with west.as_token(second.token) as cluster:
        await note(cluster)
        await fence.release(cluster, second)


async def test_an_app_s_own_account_journals_and_reads_no_other_app_s_credential(
    west: kube.Cluster, namespace: str
) -> None:
    key = f"{namespace}.app"
    account = fence.Account(namespace, "deployer")
    with pytest.raises(errors.DeniedError, match="does not exist"):
        await fence.prepare(west, key=key, account=account)
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}}
    await west.create(kinds.SERVICE_ACCOUNT, body, namespace=namespace)
    for _ in range(2):
        await fence.prepare(west, key=key, account=account)
    credential = await fence.take(west, key=key, token=1, operation="op-1", account=account)

    async with west.as_token(credential.token) as own:
        book = journal.Journal({"west": own}, majority=1, operation=f"op-{namespace}", key=key, token=1)
        await book.write({"started": "now", "phase": "finished"}, deadline=15)
        await book.close()
        with pytest.raises(errors.DeniedError):
            await own.list(kinds.SECRET, voters.NAMESPACE)
        with pytest.raises(errors.DeniedError):
            await note(own)
        await fence.release(own, credential)


async def test_a_witness_s_scribe_journals_and_no_more(west: kube.Cluster, key: str) -> None:
    await fence.prepare(west, key=key, account=fence.SCRIBE, scope=fence.Scope.JOURNAL)
    credential = await fence.take(west, key=key, token=1, operation="op-1", account=fence.SCRIBE)
    async with west.as_token(credential.token) as scribe:
        await note(scribe, voters.NAMESPACE)
        with pytest.raises(errors.DeniedError):
            await note(scribe)
        await fence.release(scribe, credential)


async def test_a_user_who_may_only_read_rights_is_content_with_those_that_exist(
    west: kube.Cluster, namespace: str
) -> None:
    key, account = f"{namespace}.app", fence.Account(namespace, "deployer")
    rbac = "rbac.authorization.k8s.io"
    for name in ("deployer", "reader"):
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        await west.create(kinds.SERVICE_ACCOUNT, body, namespace=namespace)
    rules = [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]},
        {
            "apiGroups": [rbac],
            "resources": ["roles", "rolebindings", "clusterrolebindings"],
            "verbs": ["get"],
        },
    ]
    role = {"kind": "ClusterRole", "metadata": {"name": namespace}, "rules": rules}
    bound = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    binding = {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": namespace},
        "subjects": [bound],
    }
    await west.apply(kinds.CLUSTER_ROLE, role)
    await west.apply(kinds.CLUSTER_ROLE_BINDING, binding)
    try:
        async with west.as_token(await west.issue_token("reader", namespace)) as reader:
            with pytest.raises(errors.DeniedError):
                await fence.prepare(reader, key=key, account=account)
            for each in (account, fence.DEPLOYER):
                await fence.prepare(west, key=key, account=each)
                await fence.prepare(reader, key=key, account=each)
            assert not await fence.can_fence(reader, account=account)
    finally:
        await west.delete(kinds.CLUSTER_ROLE_BINDING, namespace)
        await west.delete(kinds.CLUSTER_ROLE, namespace)
