"""The life of an App whose operations are killed: each stage of it in a process that ends at one point.

`Life.killed` is one kill and `Life.recover` everything that must hold after it: while the operation is
unfinished nobody else may begin, `resume` brings it to its end, and then every cluster is the same and
nothing is left over. Which end a point has is not decided here: the table in `test_kill` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from isthmus.clients import kinds, kube
from isthmus.engine import fence, journal, voters
from isthmus.model import operation
from tests import forks, shops

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence

PATIENCE = 240.0
"""Seconds for one run on a machine that does many things at once."""
KILLED = -signal.SIGKILL


Born = Callable[[], contextlib.AbstractAsyncContextManager["Life"]]
"""Makes an App that ends with its namespace."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class End:
    """How a stage ends: does an operation own the App after the kill, what do the clusters run at last."""

    owned: bool
    version: str | None
    outcome: str


@dataclasses.dataclass
class Life:
    """One App from its first install on."""

    shop: shops.Shop
    servers: Sequence[kube.Cluster]
    """Every cluster as the user, shared by many lives."""

    def __post_init__(self) -> None:
        self.scratch = self.shop.folder / "tmp"
        self.scratch.mkdir(exist_ok=True)
        self.shop.env = {**self.shop.env, "TMPDIR": str(self.scratch)}

    # ---- one kill

    async def killed(self, verb: str, point: str) -> bool:
        """Kill a verb at a point of the journal; False when it was taken back before it came there."""
        done = await self.drive("--verb", verb, "--kill", point)
        assert done.code == KILLED or "rolled-back" in done.out, f"exit {done.code}\n{done.out}"
        return done.code == KILLED

    async def again(self, verb: str, end: End) -> None:
        """Run a verb that the kill left undone: what a dead process holds is no hindrance."""
        done = await self.drive("--verb", verb)
        assert done.code == 0, done.out
        await self.check_end(dataclasses.replace(end, owned=True))

    async def recover(self, end: End) -> None:
        """See what a kill has left come to its end."""
        await self.check_no_program()
        self.check_no_secret_file()
        owner = await self.owner()
        assert (owner is not None) == end.owned, owner and owner.phase
        if owner is not None:
            await self.check_refused(owner)
            await self.finish(owner, end)
        await self.check_end(end)

    async def check_refused(self, owner: operation.Operation) -> None:
        """Assert that a second `up` is refused with the name of the operation that owns the App."""
        second = await self.run("up")
        assert second.code == 1, f"exit {second.code}\n{second.out}"
        assert f"operation {owner.id} owns App" in second.out, second.out
        assert "isthmus deploy resume" in second.out, second.out

    async def finish(self, owner: operation.Operation, end: End) -> None:
        """Resume, and assert that history tells how it ended."""
        resumed = await self.run("resume")
        assert resumed.code == (0 if end.outcome == "succeeded" else 1), resumed.out
        last = (await self.history())[-1]
        assert (last.id, str(last.outcome)) == (owner.id, end.outcome), resumed.out
        assert last.is_finished
        assert last.ended
        runs = last.runs if end.outcome == "succeeded" else last.undo
        assert {str(run.state) for run in runs} == {"done"}, runs

    async def check_end(self, end: End) -> None:
        """Assert that the clusters are whole, and nothing of ours is held, pending or left behind."""
        await asyncio.to_thread(self.shop.check_whole, end.version)
        if end.version is None:
            await asyncio.to_thread(self.check_gone)
        if not end.owned:
            return  # what the dead process holds falls to the next one
        await self.check_free()
        assert not list(self.scratch.glob("isthmus-*"))

    # ---- what must not be left

    async def check_free(self) -> None:
        """Assert that no majority holds the lock, and that no credential waits to be refused."""
        held = [name for name in self.shop.clusters if await asyncio.to_thread(self.holder, name)]
        assert len(held) < voters.majority(len(self.shop.clusters)), held  # a slow one runs out by itself
        for name in self.shop.clusters:
            path = f"/api/v1/namespaces/{voters.NAMESPACE}/secrets/fence.{self.key}"
            secret = await asyncio.to_thread(self.shop.get, name, path)
            assert secret["metadata"]["annotations"].get(fence.RELEASED) == "true", secret["metadata"]
            assert not secret.get("data"), name

    def holder(self, cluster: str) -> str:
        """Return who holds the App's lock in one cluster's eyes, empty when nobody does."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{voters.NAMESPACE}/leases/lock.{self.key}"
        found = self.shop.get(cluster, path)
        return str((found or {}).get("spec", {}).get("holderIdentity") or "")

    async def check_no_program(self) -> None:
        """Assert that no helm works on this App: one dies with the process that started it."""
        deadline = time.monotonic() + 5
        while found := await asyncio.to_thread(self.programs):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.05)

    def programs(self) -> list[list[str]]:
        """Return the command lines of helm in this namespace."""
        return [found.cmdline() for found in helms(self.shop.namespace)]

    def check_no_secret_file(self) -> None:
        """Assert that no file left behind holds a credential."""
        for path in self.scratch.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [
                    word for word in (b"client-key", b"token", b"certificate-auth") if word in content
                ]

    def check_gone(self) -> None:
        """Assert that no release and no pod is left; pods go after the StatefulSet that owns them."""
        deadline = time.monotonic() + 30
        while any(self.shop.pods(name) for name in self.shop.clusters):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert not any(self.shop.releases(name) for name in self.shop.clusters)

    # ---- running

    @property
    def key(self) -> str:
        """What lock, journal and fence of the App are named by."""
        return voters.app_key(self.shop.namespace, "db")

    async def drive(self, *args: str) -> shops.Done:
        """Run tests/driver.py to its end."""
        return await _done(forks.driver(self.shop.folder, *args, env=self.shop.env))

    async def run(self, verb: str, *args: str) -> shops.Done:
        """Run `isthmus deploy VERB` to its end."""
        return await _done(forks.deploy(self.shop.folder, verb, *args, env=self.shop.env))

    async def history(self) -> tuple[operation.Operation, ...]:
        """Return the App's operations as a majority keeps them, oldest first."""
        view = await journal.read_all(self.servers, self.key)
        return tuple(operation.Operation.from_json(entry.record) for entry in view.operations)

    async def owner(self) -> operation.Operation | None:
        """Return the unfinished operation."""
        view = await journal.read_all(self.servers, self.key)
        return operation.Operation.from_json(view.owner.record) if view.owner else None


async def _done(child: forks.Child) -> shops.Done:
    return shops.Done(await child.end(PATIENCE), child.said, "")


def helms(word: str) -> Iterator[psutil.Process]:
    """Yield the processes of helm, or of the shell that becomes it, with a word on their command line."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if word in line and any(Path(part).name == "helm" for part in line):
                yield process


async def written(server: kube.Cluster, namespace: str, version: str, count: int) -> bool:
    """Return once helm has written so many ConfigMaps of a version; False when it never does."""
    seen = set[str]()
    async for _, found in server.watch(kinds.CONFIG_MAP, namespace, seconds=PATIENCE):
        if (found.get("data") or {}).get("version") == version:
            seen.add(found["metadata"]["name"])
        if len(seen) >= count:
            return True
    return False


async def recorded(server: kube.Cluster, namespace: str, status: str) -> bool:
    """Return once helm has recorded a revision as this status; False when it never does."""
    labels = f"owner=helm,status={status}"
    async for _ in server.watch(kinds.SECRET, namespace, labels=labels, seconds=PATIENCE):
        return True
    return False


@contextlib.asynccontextmanager
async def namespace(servers: Sequence[kube.Cluster]) -> AsyncIterator[str]:
    """Yield a new namespace, the same name in every cluster; it is removed at the end."""
    name = f"t-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await asyncio.gather(*(server.create(kinds.NAMESPACE, body) for server in servers))
    try:
        yield name
    finally:
        await asyncio.gather(*(server.delete(kinds.NAMESPACE, name) for server in servers))


async def together(work: Sequence[Callable[[], Awaitable[None]]], at_once: int) -> list[str]:
    """Run so many at once, all of them to their end, and return what failed."""
    gate = asyncio.Semaphore(at_once)

    async def one(call: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            await call()

    found = await asyncio.gather(*(one(call) for call in work), return_exceptions=True)
    return [str(error) or repr(error) for error in found if isinstance(error, BaseException)]


def check_none(failures: Sequence[str]) -> None:
    """Fail with everything that failed."""
    if failures:
        pytest.fail(f"{len(failures)} failed:\n\n" + "\n\n".join(failures), pytrace=False)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Say which case a failure belongs to."""
    try:
        yield
    except Exception as error:
        trace = "".join(traceback.format_exception(error)[-3:])
        raise AssertionError(f"--- {what}:\n{trace}") from error
