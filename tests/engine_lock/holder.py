"""Takes a lock in a process of its own and says what happens: got TOKEN, refused, lost or freed."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from isthmus.clients import kube, kubeconfig
from isthmus.engine import identity, lock
from isthmus.model import errors


async def main(path: str, key: str, operation: str, wait: str, hold: str) -> None:
    """Hold the lock for so many seconds, or until it is lost."""
    contexts = kubeconfig.load([Path(path)])
    found = [kube.Cluster(name, contexts.get(name), timeout=3.0) for name in contexts.names()]
    gate = lock.Lock(
        found,
        key,
        identity.mine(operation, user="tester"),
        duration=3.0,
        rng=random.Random(),  # noqa: S311 - jitter
        is_alive=identity.is_alive,
    )
    try:
        held = await gate.acquire(wait=float(wait))
    except errors.ConflictError as error:
        print("refused", error, flush=True)  # noqa: T201 - a program
        return
    finally:
        if "held" not in locals():
            for cluster in found:
                await cluster.close()
    print("got", held.token, flush=True)  # noqa: T201 - a program
    keeper = asyncio.create_task(held.keep())
    await asyncio.wait({keeper}, timeout=float(hold))
    print("lost" if held.lost.is_set() else "freed", held.reason, flush=True)  # noqa: T201 - a program
    await held.release()
    await keeper
    for cluster in found:
        await cluster.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
