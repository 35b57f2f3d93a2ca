"""Opens what a deploy verb works on: the Fleet's clusters by context, helm, and the user's name.

A context that no kubeconfig has is sought in running labs: only `cli` knows the lab.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

    from isthmus.clients import helm, kube, kubeconfig
    from isthmus.engine import world as worlds
    from isthmus.model import operation

LEASE = 15.0
"""Seconds that a lock outlives a process that no longer renews it."""


def contexts() -> kubeconfig.Contexts:
    """Return the contexts of the kubeconfig, then of running labs."""
    from isthmus.clients import kubeconfig
    from isthmus.lab import labs

    return kubeconfig.load(extra=labs.kubeconfigs())


@contextlib.asynccontextmanager
async def opened(
    wanted: Sequence[tuple[str, str]],
    *,
    with_helm: bool,
    report: Callable[[operation.Event], None] | None = None,
) -> AsyncIterator[worlds.World]:
    """Yield the world of some (cluster, context) pairs; connections are closed at the end."""
    asked = asyncio.ensure_future(find_helm() if with_helm else _no_helm())
    clusters: dict[str, kube.Cluster] = {}
    try:
        await asyncio.sleep(0)  # helm starts and tells its version while this process imports
        clusters.update(_clusters(wanted))
        from isthmus.engine import world as worlds

        yield worlds.World(
            clusters=clusters,
            helm=await asked,
            report=report or worlds.ignore,
            user=user(),
            lease=LEASE,
        )
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        for cluster in clusters.values():
            await cluster.close()


def _clusters(wanted: Sequence[tuple[str, str]]) -> dict[str, kube.Cluster]:
    from isthmus.clients import kube

    known = contexts()
    return {name: kube.Cluster(name, _config(known, name, context)) for name, context in dict(wanted).items()}


async def _no_helm() -> None:
    """Stand for helm where nothing needs it."""


def _config(known: kubeconfig.Contexts, name: str, context: str) -> SingleConfig:
    from isthmus.model import errors

    try:
        return known.get(context)
    except errors.InputError as error:
        error.where = f"cluster {name} ({error.where})"
        raise


async def find_helm() -> helm.Helm:
    """Return helm: ISTHMUS_HELM, PATH, then what the lab has built."""
    from isthmus.clients import helm
    from isthmus.lab import binaries

    built = binaries.cached("helm")
    return await helm.find(cache=built.parent if built else None)


def user() -> str:
    """Return who is at work, for locks and history."""
    try:
        return os.environ.get("ISTHMUS_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def folder_of(path: Path) -> Path:
    """Return the folder that relative chart paths start from."""
    return path if path.is_dir() else path.parent
