"""A request that was let in before the fence and is finished after it: a frozen process leaves such ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import ssl
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from isthmus.engine import fence
from tests import real

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from isthmus.clients import kube
    from isthmus.lab import labs

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]


@contextlib.asynccontextmanager
async def half_sent(lab: labs.Lab, cluster: kube.Cluster, token: str) -> AsyncIterator[HalfSent]:
    """Send the head of a write, and keep its body back."""
    address = urllib.parse.urlsplit(cluster.server)
    trust = ssl.create_default_context(cafile=str(lab.clusters[cluster.name].folder / "pki" / "ca.crt"))
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=trust)
    body = json.dumps({"metadata": {"name": f"late-{secrets.token_hex(4)}"}}).encode()
    head = (
        "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\n"
        f"Host: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode())
    await writer.drain()
    try:
        yield HalfSent(reader, writer, body)
    finally:
        writer.close()


class HalfSent:
    """A write whose head the server has and whose body it waits for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
        self._reader, self._writer, self._body = reader, writer, body

    async def finish(self) -> int:
        """Send the body, and return the status of the answer; 0 when the server has hung up."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(self._body)
            await self._writer.drain()
            line = await self._reader.readline()
            return int(line.split()[1]) if line else 0
        return 0


async def test_a_write_begun_before_the_fence_is_not_accepted_after_it(lab: labs.Lab) -> None:
    async with real.clusters(lab) as found:
        west = found[0]
        key = f"data.app-{secrets.token_hex(4)}"
        await fence.prepare(west, key=key)
        old = await fence.take(west, key=key, token=1, operation="op-1")
        async with half_sent(lab, west, old.token) as begun:
            await asyncio.sleep(1)
            new = await fence.take(west, key=key, token=2, operation="op-2")

            assert await begun.finish() not in range(200, 300)
        async with west.as_token(new.token) as second:
            await fence.release(second, new)


async def test_a_write_finished_in_time_is_accepted(lab: labs.Lab) -> None:
    async with real.clusters(lab) as found:
        west = found[0]
        key = f"data.app-{secrets.token_hex(4)}"
        await fence.prepare(west, key=key)
        mine = await fence.take(west, key=key, token=1, operation="op-1")
        async with half_sent(lab, west, mine.token) as begun:
            assert await begun.finish() == 201
        async with west.as_token(mine.token) as first:
            await fence.release(first, mine)
