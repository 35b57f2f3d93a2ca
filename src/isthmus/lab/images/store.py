"""A containerd root that holds every image, imported and unpacked once, and its copies for nodes.

Importing takes a node the better part of a minute and a clone about a second, so only the first is kept.
Nothing here runs pods.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from isthmus.lab import binaries, build, place
from isthmus.lab.images import assemble, catalog, debian, importer, wheels
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MINUTES = 1.0
"""Of two cores, to make every image and the root, when the programs are there."""
_OWN = "io.containerd.grpc.v1.introspection"  # the id of one containerd, which clones must not share
_KEPT = 14 * 86400.0  # seconds
_LOCK_WITHIN = 1800.0  # seconds: somebody else's first assembly of everything


def find(names: tuple[str, ...] = catalog.NAMES, *, folder: Path | None = None) -> Path | None:
    """Return the prepared containerd root of exactly the present images, if it was made."""
    if binaries.missing((*assemble.programs(names), "containerd"), folder):
        return None
    path = _target(names, folder)
    return path if path.is_dir() else None


def check() -> None:
    """Refuse with the way out, before anything starts, when this machine cannot make images."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise errors.ToolError(
            "images of the network profile are made by root on Linux",
            why="containerd mounts overlayfs to unpack them",
            remedy="run it as root, or use the profile control, which needs no root",
        )
    debian.check()
    wheels.check()
    importer.check()


def ensure(
    names: tuple[str, ...] = catalog.NAMES,
    *,
    folder: Path | None = None,
    report: Callable[[build.Progress], None] = build.silent,
    again: bool = False,
) -> Path:
    """Return the prepared containerd root, making images and root first where they are not there.

    `folder` is the explicit folder of binaries, as for `build.ensure`, which must have run before; `again`
    makes everything anew, from the packages that Debian has today. Clones of before lose nothing.
    """
    found = None if again else find(names, folder=folder)
    if found is not None:
        _mark(found)
        return found
    check()
    lock = place.cache("images") / ".lock"
    with build.alone(lock, "the cache of images", report=report, seconds=_LOCK_WITHIN):
        target, recipes = _target(names, folder), [catalog.recipe(name) for name in names]
        parts = {target, debian.target(), *(assemble.target(each, folder) for each in recipes)}
        for path in parts if again else ():
            shutil.rmtree(path, ignore_errors=True)
        if not target.is_dir():
            _make(target, recipes, folder, report)
            _sweep(parts)
    return target


def clone(source: Path, target: Path, *, lock: int | None = None) -> None:
    """Make `target` a containerd root of its own out of a prepared one, in about a second.

    `lock` is a descriptor that the copying child holds: nobody clears up under it when we are killed.

    Image content and committed layers become hard links: containerd names content by its digest and never
    rewrites it, and overlayfs never writes a lower layer. The databases are what it does write: real copies.
    """
    with place.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()  # cp would copy into it; one that is not empty is refused here
    try:
        _copy("--archive", "--link", source, target, lock=lock)
    except errors.DiskError:  # another file system: no links, so a real copy of everything
        shutil.rmtree(target, ignore_errors=True)
        _copy("--archive", "--reflink=auto", source, target, lock=lock)
        return
    for database in target.rglob("*.db"):
        draft = database.with_name(f".{database.name}.draft")
        with place.writing(database):
            shutil.copy2(database, draft)
            draft.replace(database)


def _target(names: tuple[str, ...], folder: Path | None) -> Path:
    digest = hashlib.sha256(importer.program("containerd", folder).parent.name.encode())
    for name in names:
        digest.update(assemble.target(catalog.recipe(name), folder).name.encode())
    return place.cache("images") / f"store-{digest.hexdigest()[:16]}"


def _make(
    target: Path,
    recipes: Sequence[catalog.Recipe],
    folder: Path | None,
    report: Callable[[build.Progress], None],
) -> None:
    began, steps = time.monotonic(), 2 * len(recipes)

    def tell(done: int, what: str) -> None:
        elapsed = time.monotonic() - began
        report(
            build.Progress(family="images", done=done, total=steps, what=what, elapsed=elapsed, unit="steps")
        )

    images = []
    for done, recipe in enumerate(recipes):
        images.append(assemble.write(recipe, folder=folder, report=functools.partial(tell, done)))
    draft = target.with_name(f".{target.name}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with importer.running(draft, folder) as containerd:
            for done, image in enumerate(images, start=len(images)):
                tell(done, f"importing {image.name.rpartition('-')[0]}")
                containerd.load(image)
        shutil.rmtree(draft / _OWN, ignore_errors=True)
        with place.writing(target):
            draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    tell(steps, "done")


def _mark(path: Path) -> None:
    """Note that a root is in use, where we may write."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _sweep(parts: set[Path]) -> None:
    """Remove what other pins or packages made and nobody took for a while; who calls holds the lock."""
    for path in place.cache("images").iterdir():
        is_other = path not in parts and not path.name.startswith(".")
        if is_other and time.time() - path.stat().st_mtime > _KEPT:
            shutil.rmtree(path, ignore_errors=True)


def _copy(*words: str | Path, lock: int | None) -> None:
    done = subprocess.run(
        ["cp", *map(str, words)],  # noqa: S607  # coreutils, wherever the distribution has them
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        pass_fds=() if lock is None else (lock,),
    )
    if done.returncode != 0:
        raise errors.DiskError(f"cannot copy to {words[-1]}", why=done.stderr.strip())
