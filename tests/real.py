"""What tests of the engine share on real API servers: voters, and whole processes that hold locks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from isthmus.clients import kube, kubeconfig
from isthmus.engine import voters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from isthmus.lab import labs


@contextlib.asynccontextmanager
async def clusters(lab: labs.Lab, *, timeout: float = 10.0) -> AsyncIterator[list[kube.Cluster]]:
    """Every cluster of a lab as its admin, with our namespace in those that run."""
    contexts = kubeconfig.load([lab.kubeconfig_path])
    async with contextlib.AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(
                kube.Cluster(name, contexts.get(each.context), timeout=timeout, retry=kube.Retry(attempts=2))
            )
            for name, each in lab.clusters.items()
        ]
        await voters.prepare(found)
        yield found
