"""Whether something listens at an address, asked of real sockets."""

from __future__ import annotations

import asyncio
import socket

from isthmus.clients import reach


async def test_an_address_where_somebody_listens_has_no_trouble() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await reach.tcp(f"127.0.0.1:{port}", seconds=2.0) == ""


async def test_an_address_where_nobody_listens_says_why() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    assert await reach.tcp(f"127.0.0.1:{port}", seconds=2.0) == "Connection refused"
    assert await reach.tcp("no address", seconds=2.0)
