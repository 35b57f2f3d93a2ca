"""Ports for servers, found free and kept.

They come from below the kernel's ephemeral range, so that no outgoing connection takes one between two
starts. Found ports stay bound, though not listening, until the servers have them: on Linux two sockets may
share an address while neither listens, so nobody else can take it in between, and the server still can.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

HOST = "127.0.0.1"
_LOWEST = 20000
_HIGHEST = 32767  # the default ephemeral range of Linux starts at 32768


class Reservation:
    """Bound sockets, one for each port, until `release`."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()  # clusters of a lab start in threads

    def take(self, port: int, *, ours: bool = False) -> bool:
        """Bind one port; False when somebody has it.

        A new port is bound strictly at first, so that this fails where anybody else has it, and shared from
        then on. A port that is `ours` already may carry connections that a stopped server of ours left
        (TIME_WAIT).
        """
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(ours))
            holder.bind((HOST, port))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError:
            holder.close()
            return False
        self._sockets.append(holder)
        return True

    def find(self, count: int, *, taken: Collection[int], seed: str) -> list[int]:
        """Bind `count` free ports that are not `taken`; `seed` spreads labs over the range."""
        lowest, highest = _LOWEST, min(_HIGHEST, _ephemeral() - 1)
        size = highest - lowest + 1
        start = zlib.crc32(seed.encode()) % size
        found: list[int] = []
        for offset in range(size):
            port = lowest + (start + offset) % size
            if port not in taken and self.take(port):
                found.append(port)
                if len(found) == count:
                    return found
        raise errors.ConflictError(
            f"fewer than {count} ports are free between {lowest} and {highest}", remedy="end what uses them"
        )

    def release(self, ports: Iterable[int] | None = None) -> None:
        """Let go of these ports, or of all."""
        wanted = None if ports is None else set(ports)
        with self._lock:
            done = [each for each in self._sockets if wanted is None or each.getsockname()[1] in wanted]
            self._sockets = [each for each in self._sockets if each not in done]
        for holder in done:
            holder.close()


def _ephemeral() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return _HIGHEST + 1
