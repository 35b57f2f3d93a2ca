"""Lines of shell for the target `commands`.

Text of the Fleet reaches a shell here, so it is quoted; what the Fleet does not say becomes a variable
that the script insists on.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from isthmus.model import errors
from isthmus.render.files import emit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.network.ipam import ranges

TAINT: Final = "node.cilium.io/agent-not-ready=true:NoExecute"
"""Keeps pods away until Cilium runs (Cilium 1.20 installation/taints.rst)."""


def v4(each: ranges.Ranges, role: str) -> str:
    """Return the IPv4 range of a role, or refuse: these clouds build nothing without one."""
    found = [one for one in getattr(each, role) if not one.is_v6]
    if not found:
        field = "nodeRange" if role == "nodes" else role
        raise errors.InputError(
            f"cluster '{each.cluster.name}' has no IPv4 range for {role}",
            why="the commands of its provider name that range",
            remedy=f"write `addressing.{role}.supernets`, or pin `{field}` of the cluster",
        )
    return str(found[0])


def has_v6(each: ranges.Ranges) -> bool:
    """Say whether a cluster has IPv6."""
    return any(found.is_v6 for found in (*each.pods, *each.services, *each.nodes))


def text(value: str | None, variable: str) -> str:
    """Return a word for the shell, or a variable that the script insists on."""
    return f'"${{{variable}:?}}"' if value is None else shlex.quote(value)


def command(first: str, *flags: str) -> str:
    """Return a command with a flag a line."""
    return " \\\n  ".join((first, *flags))


def script(notes: Iterable[str], body: Iterable[str]) -> str:
    """Return a script that stops at the first failure."""
    return (
        "#!/bin/sh\n" + emit.header("commands", notes) + "set -eu\n" + "".join(f"{each}\n" for each in body)
    )
