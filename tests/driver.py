"""Runs `deploy up` in a process of its own that may kill itself at a point of the journal.

    python -m tests.driver FOLDER [--kill POINT] [--record FILE] [--lease SECONDS] [--resume]

A point is `before LABEL` or `after LABEL` of a write of the journal; `--record` lists them as they pass.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import signal
from pathlib import Path

from isthmus.cli import connection, output, progress
from isthmus.engine import deploy
from isthmus.rollout import plan as plans


async def main(args: argparse.Namespace) -> None:
    """Run the folder's App as asked."""
    read = output.load_folder(args.folder)
    assert read.fleet is not None
    app, fleet = read.app(None), read.fleet
    voters = plans.voters(fleet)

    def point(label: str) -> None:
        if args.record:
            with args.record.open("a", encoding="utf-8") as file:
                file.write(f"{label}\n")
        if label == args.kill:
            os.kill(os.getpid(), signal.SIGKILL)

    async with connection.opened(voters, with_helm=True, report=progress.plain) as opened:
        world = dataclasses.replace(opened, point=point, lease=args.lease)
        if args.resume:
            await deploy.resume(world, voters, namespace=app.namespace, app=app.name, wait=60.0)
            return
        draft = await deploy.draft_up(world, app, fleet, folder=args.folder)
        await deploy.start(world, draft)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kill", default="")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--lease", type=float, default=15.0)
    parser.add_argument("--resume", action="store_true")
    asyncio.run(main(parser.parse_args()))
