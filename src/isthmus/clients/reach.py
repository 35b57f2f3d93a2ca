"""Says whether something listens at an address, as seen from this machine: a TCP connection, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import os


async def tcp(address: str, *, seconds: float) -> str:
    """Return why nobody answers at HOST:PORT, empty where somebody does."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return f"no answer in {seconds:g} s"
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        return os.strerror(number) if number else str(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""
