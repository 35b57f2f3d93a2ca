"""Runs a verb of `deploy` in a process of its own that may kill itself at a point of the journal.

    python -m tests.driver FOLDER [--verb VERB] [--kill POINT] [--record FILE] [--lease SECONDS]

A point is `before LABEL` or `after LABEL` of a write of the journal; where a label comes again, `#2` follows
the second one. `--record` writes a line for each as it passes: seconds since the epoch, then the point.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli import border, connection, output, progress
from isthmus.engine import deploy, draft
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import fleet as fleets
from isthmus.model import operation
from isthmus.rollout import plan as plans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERBS = ("up", "rollback", "down", "resume", "abort")


async def drive(args: argparse.Namespace) -> operation.Operation:
    """Run the verb on the folder's App."""
    read = output.load_folder(args.folder)
    assert read.fleet is not None
    app, fleet = read.app(None), read.fleet
    voters = plans.voters(fleet)
    async with connection.opened(voters, with_helm=True, report=progress.plain) as opened:
        world = dataclasses.replace(opened, point=points(args.kill, args.record), lease=args.lease)
        if args.verb in {"resume", "abort"}:
            return await deploy.resume(
                world, voters, namespace=app.namespace, app=app.name, wait=60.0, abort=args.verb == "abort"
            )
        return await deploy.start(world, await _drafted(args.verb, world, app, fleet, args.folder))


async def _drafted(
    verb: str, world: worlds.World, app: apps.App, fleet: fleets.Fleet, folder: Path
) -> draft.Draft:
    if verb == "rollback":
        return await draft.rollback(world, app, fleet)
    if verb == "down":
        return await draft.down(world, app, fleet)
    return await draft.up(world, app, fleet, folder=folder)


def points(kill: str, record: Path | None) -> Callable[[str], None]:
    """Return what hears each point: it writes it down, and ends the process at the one named."""
    seen: collections.Counter[str] = collections.Counter()

    def point(label: str) -> None:
        seen[label] += 1
        name = label if seen[label] == 1 else f"{label}#{seen[label]}"
        if record is not None:
            with record.open("a", encoding="utf-8") as file:
                file.write(f"{time.time():.6f} {name}\n")
        if name == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    return point


def main(argv: Sequence[str]) -> int:
    """Run one command line; failures are told as the command line tells them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verb", choices=VERBS, default="up")
    parser.add_argument("--kill", default="")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--lease", type=float, default=15.0)
    parser.add_argument("--resume", dest="verb", action="store_const", const="resume")
    args = parser.parse_args(argv)

    def work() -> int:
        ended = asyncio.run(drive(args))
        return 0 if ended.outcome is operation.Outcome.SUCCEEDED else 1

    return border.guard(work, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
