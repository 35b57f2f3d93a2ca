"""Runs the forwarder that stands in for a path's link: one recorded process with an interface at either end.

Its interfaces, and the routes over them, go with the process, so a path whose forwarder was killed is as the
lab laid it. Which packets come to it is decided by routes, which are not its business.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Final

from isthmus.lab import binaries, build, process
from isthmus.lab.network import tools
from isthmus.model import errors

QUEUE: Final = 8192
"""Packets that wait in the kernel for the forwarder; the usual 500 of TUN are lost in one burst of TCP."""
_WITHIN: Final = 10.0  # seconds for its interfaces to appear, on a busy machine
_POLL: Final = 0.01  # seconds
_PATIENCE: Final = 1.0  # seconds beyond the delay to deliver what is on the way
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "GOGC": "400",  # what it allocates is packets, and soon free
}

# Opens /dev/net/tun in one network namespace as descriptor 3, in the other as 4, and becomes the forwarder.
_OPEN: Final = """exec 3<>/dev/net/tun && other=$1 && shift && exec nsenter "--net=$other" -- /bin/sh -c '
exec 4<>/dev/net/tun && exec "$@"' sh "$@" 3 4
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ends:
    """A forwarder: the name of its interfaces, where they are, and what it does to packets one way."""

    device: str
    namespaces: tuple[str, str]
    delay: float
    loss: float
    mtu: int
    size: int

    def arguments(self, program: Path) -> list[str]:
        """Return the words that run it."""
        one, other = self.namespaces
        return [
            *tools.enter(one),
            *("/bin/sh", "-c", _OPEN, "sh", str(tools.NAMESPACES / other)),
            *(str(program), "-name", self.device, "-mtu", str(self.mtu)),
            *("-delay", f"{self.delay:.6f}s", "-loss", str(self.loss), "-size", str(self.size)),
        ]


class Wires:
    """The forwarders of one lab."""

    def __init__(self, folder: Path, run: tools.Tools) -> None:
        self._folder = folder / "wires"
        self._run = run

    def start(self, ends: Ends) -> None:
        """Start a forwarder and wait for its interfaces; it is built when it is not there."""
        program = build.ensure((binaries.WIRE,))[binaries.WIRE]
        log = self._folder / f"{ends.device}.log"
        started = process.spawn(ends.arguments(program), record=self._record(ends), log=log, env=_ENVIRONMENT)
        deadline = time.monotonic() + _WITHIN
        while not all(
            self._run.ask("link", "show", "dev", ends.device, namespace=each) for each in ends.namespaces
        ):
            if not started.is_running() or time.monotonic() > deadline:
                self.end(ends)
                raise errors.ToolError(
                    "the forwarder of a path did not start",
                    why=" ".join(log.read_text(errors="replace").split()[-40:]),
                    remedy="does this kernel have TUN (CONFIG_TUN, /dev/net/tun)?",
                )
            time.sleep(_POLL)

    def end(self, ends: Ends) -> None:
        """End a forwarder after it has delivered what is on the way; one that is gone is forgotten."""
        _end([self._record(ends)])

    def running(self, ends: Ends) -> bool:
        """Say whether a forwarder that does exactly this runs."""
        found = process.Process.read(self._record(ends))
        if found is None or not found.is_running() or found.is_frozen():
            return False
        return list(found.argv) == ends.arguments(_program(found))

    def _record(self, ends: Ends) -> Path:
        return self._folder / f"{ends.device}.json"


def end_all(folder: Path) -> None:
    """Kill every forwarder of a lab's folder."""
    _end(sorted((folder / "wires").glob("*.json")), patience=0)


def _end(records: list[Path], *, patience: float | None = None) -> None:
    found = [each for each in map(process.Process.read, records) if each is not None]
    most = max((_delay(each) for each in found), default=0.0) + _PATIENCE
    process.end(found, patience=most if patience is None else patience)
    for record in records:
        record.unlink(missing_ok=True)


def _program(known: process.Process) -> Path:
    return Path(known.argv[known.argv.index("-name") - 1])


def _delay(known: process.Process) -> float:
    return float(known.argv[known.argv.index("-delay") + 1].removesuffix("s"))
