"""Runs a command in a pod through the API server: its output and exit code, as kubectl exec has them.

The command gets no input and no terminal. It is run once: nobody knows whether a lost one came to its end.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from httpx2 import websockets

    from isthmus.clients import connection

Json = dict[str, Any]

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Both have the same channels from the server; v5 (Kubernetes 1.30) adds an end of the input."""
_OUT, _ERR, _END = 1, 2, 3
_LONGEST = 1 << 22  # bytes of output that are kept; a command that says more is ended


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A command in a container of a pod."""

    namespace: str
    pod: str
    words: tuple[str, ...]
    container: str

    def __str__(self) -> str:
        return f"{self.words[0]} in pod {self.namespace}/{self.pod}"

    @property
    def params(self) -> list[tuple[str, str]]:
        """What the API server is told."""
        words = [("command", word) for word in self.words]
        return [*words, ("container", self.container), ("stdout", "true"), ("stderr", "true")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    stdout: bytes = dataclasses.field(repr=False)
    stderr: bytes = dataclasses.field(repr=False)


async def run(link: connection.Connection, path: str, command: Command, *, seconds: float) -> Done:
    """Run a command to its end; DeadlineError after `seconds`, ToolError where it cannot be started."""

    async def read(session: websockets.AsyncWebSocketSession) -> Done | Json:
        return await _collected(session)

    try:
        ended = await link.talk(
            path,
            command.params,
            what=f"cannot run {command}",
            protocols=PROTOCOLS,
            seconds=seconds,
            read=read,
        )
    except TimeoutError as error:
        raise errors.DeadlineError(
            f"{command} did not end in {seconds:g} s",
            where=link.name,
            remedy="Look at the pod, and at the way from the API server to its node (port 10250).",
        ) from error
    if isinstance(ended, Done):
        return ended
    raise errors.ToolError(
        f"cannot run {command}",
        where=link.name,
        why=str(ended.get("message") or ended.get("reason") or "the server gives no reason"),
        remedy="Does the image have this program?",
    )


async def _collected(session: websockets.AsyncWebSocketSession) -> Done | Json:
    """Read to the end: what came out, or the Status of a command that did not start."""
    said = {_OUT: bytearray(), _ERR: bytearray()}
    while True:
        message = await session.receive_bytes()
        channel, data = message[0], message[1:]
        if channel in said:
            said[channel] += data
        elif channel == _END:
            status = json.loads(data)
            code = exit_code(status)
            return (
                status
                if code is None
                else Done(code=code, stdout=bytes(said[_OUT]), stderr=bytes(said[_ERR]))
            )
        if sum(map(len, said.values())) > _LONGEST:
            return {"message": f"it says more than {_LONGEST} bytes"}


def exit_code(status: Mapping[str, Any]) -> int | None:
    """Return the exit code that a Status tells; None where the command did not start."""
    if status.get("status") == "Success":
        return 0
    if status.get("reason") != "NonZeroExitCode":
        return None
    causes: Sequence[Mapping[str, Any]] = (status.get("details") or {}).get("causes") or ()
    told = [str(cause.get("message")) for cause in causes if cause.get("reason") == "ExitCode"]
    return int(told[0]) if told and told[0].isdigit() else None
