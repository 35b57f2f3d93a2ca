"""Who this process is, and whether another one on this machine is provably gone."""

from __future__ import annotations

import getpass
import os

from isthmus.clients import host, pids
from isthmus.engine import lease


def mine(operation: str, *, user: str = "") -> lease.Identity:
    """Return the identity of this process at work on an operation."""
    pid = os.getpid()
    return lease.Identity(
        user=user or getpass.getuser(),
        host=host.name(),
        pid=pid,
        start_time=pids.ticks(pid),
        boot_id=host.boot(),
        pid_namespace=host.pid_namespace(),
        operation=operation,
    )


def is_alive(identity: lease.Identity) -> bool | None:
    """Say whether that process runs; None when that cannot be known from here.

    Only a process of this boot and of this pid namespace can be seen: one name may be given to two machines.
    """
    place = (identity.boot_id, identity.pid_namespace)
    if not all((*place, identity.start_time)) or place != (host.boot(), host.pid_namespace()):
        return None
    return pids.is_running(identity.pid, identity.start_time)


def is_gone(text: str) -> bool:
    """Say whether the process that a lock or a fence names is provably gone."""
    found = lease.Identity.from_text(text)
    return found is not None and is_alive(found) is False
