"""Runs the few system tools that make namespaces and links; it knows nothing of labs.

A child inherits the lab's lock: when we are killed, whoever comes next waits until the child has ended, so
that nothing appears behind the back of a clean-up.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMESPACES: Final = Path("/run/netns")
"""Where ip keeps the names of network namespaces."""
_WITHIN: Final = 60.0  # seconds for one call: a deleted namespace may hold the kernel's lock for some
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL: Final = 400  # characters of a tool's words in an error


@dataclasses.dataclass(frozen=True)
class Tools:
    """The tools, with the file descriptor of the lock that children shall hold; None outside of one."""

    lock: int | None = None

    def run(self, words: Sequence[str], *, text: str = "", must: bool = True) -> str:
        """Run a tool with `text` as its input and return its output; a failure is an error if it `must`."""
        try:
            done = subprocess.run(
                list(words),
                input=text,
                capture_output=True,
                text=True,
                timeout=_WITHIN,
                check=False,
                env={"PATH": _PATH, "LC_ALL": "C"},
                pass_fds=() if self.lock is None else (self.lock,),
            )
        except FileNotFoundError as error:
            raise errors.ToolError(
                f"{words[0]} is missing", remedy="install it (iproute2, util-linux)"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise errors.DeadlineError(
                f"{words[0]} did not end within {_WITHIN:.0f} s", remedy="is the machine very busy?"
            ) from error
        if must and done.returncode != 0:
            raise errors.ToolError(
                f"{' '.join(words[:4])} failed",
                why=(done.stderr or done.stdout).strip()[-_TAIL:],
                remedy="this is a defect of the lab or a lack of the kernel: isthmus lab down, then up again",
            )
        return done.stdout

    def ip(self, lines: Iterable[str], *, namespace: str = "", must: bool = True) -> None:
        """Run lines of ip in the host's or another network namespace; without `must` each may fail."""
        inside = ["-n", namespace] if namespace else []
        force = [] if must else ["-force"]
        self.run(
            ["ip", *inside, *force, "-batch", "-"], text="".join(f"{line}\n" for line in lines), must=must
        )

    def ask(self, *words: str, namespace: str = "") -> Any:
        """Return what ip shows as JSON; an empty list when it shows nothing or fails."""
        inside = ["-n", namespace] if namespace else []
        found = self.run(["ip", *inside, "-json", *words], must=False).strip()
        return json.loads(found) if found else []

    def tune(self, namespace: str, settings: dict[str, int]) -> None:
        """Set what is below /proc/sys/net in a network namespace; what this kernel lacks is left."""
        text = "".join(
            f"[ ! -e /proc/sys/net/{name} ] || echo {value} > /proc/sys/net/{name}\n"
            for name, value in settings.items()
        )
        self.run([*enter(namespace), "/bin/sh", "-e"], text=text)


def enter(namespace: str) -> list[str]:
    """Return the words before a program that runs it in a network namespace, in the same process."""
    return ["nsenter", f"--net={NAMESPACES / namespace}", "--"]
