"""The files of an image before they are written: each path with where its content comes from.

A value that can be added to; only `layout` reads the files themselves.
"""

from __future__ import annotations

import dataclasses
import posixpath
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from isthmus.lab.images import elf
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEPTH = 40  # links in one path; what Linux allows too


@dataclasses.dataclass(frozen=True)
class File:
    """A regular file out of one of this machine's; executable when that is, unless `mode` says otherwise."""

    source: Path
    mode: int = 0


@dataclasses.dataclass(frozen=True)
class Text:
    """A regular file that we write."""

    content: str


@dataclasses.dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder whose mode matters."""

    mode: int = 0o755


Entry = File | Text | Link | Folder
Tree = dict[str, Entry]
"""Entries by path, relative to the root of the image."""


def take(root: Path, patterns: Iterable[str]) -> Tree:
    """Return the files of an unpacked distribution that match, with the links that lead to them."""
    tree: Tree = {}
    for pattern in patterns:
        found = sorted(root.glob(pattern)) if "*" in pattern else _one(root / pattern)
        if not found:
            raise errors.ToolError(
                f"{pattern} is in none of the Debian packages",
                where=str(root),
                remedy="the lab's images are proved with Debian 12; another release may keep it elsewhere",
            )
        for path in found:
            tree |= trace(root, str(path.relative_to(root)))
    return tree


def _one(path: Path) -> list[Path]:
    # glob follows a link that names the whole path, and that leads out of the root.
    return [path] if path.is_symlink() or path.exists() else []


def trace(root: Path, path: str) -> Tree:
    """Return a file of an unpacked distribution, and each link on the way to it."""
    tree: Tree = {}
    for _ in range(_DEPTH):
        link = _first_link(root, path)
        if link is None:
            return tree if (root / path).is_dir() else {**tree, path: File(root / path)}
        target = str((root / link).readlink())
        tree[link] = Link(target)
        ahead = posixpath.join("/", posixpath.dirname(link), target)
        path = posixpath.normpath(ahead + path.removeprefix(link)).lstrip("/")
    raise errors.ToolError(f"{path} goes round in links", where=str(root))


def _first_link(root: Path, path: str) -> str | None:
    parts = PurePosixPath(path).parts
    ways = (posixpath.join(*parts[:end]) for end in range(1, len(parts) + 1))
    return next((way for way in ways if (root / way).is_symlink()), None)


def with_libraries(tree: Tree, root: Path) -> Tree:
    """Return the tree and what its programs are linked with, out of an unpacked distribution."""
    whole, left = dict(tree), list(tree.items())
    while left:
        path, entry = left.pop()
        if not isinstance(entry, File):
            continue
        needs = elf.needs(entry.source)
        if needs is None:
            continue
        search = [part.replace("$ORIGIN", f"/{posixpath.dirname(path)}") for part in needs.search]
        wanted = [needs.loader.lstrip("/")] if needs.loader else []
        wanted += [_library(root, name, search, whose=path) for name in needs.libraries]
        added = {name: each for want in wanted for name, each in trace(root, want).items()}
        left += [(name, each) for name, each in added.items() if name not in whole]
        whole |= added
    return whole


def _library(root: Path, name: str, search: Iterable[str], *, whose: str) -> str:
    """Return the path of a library where the loader would find it."""
    own = [posixpath.normpath(part).lstrip("/") for part in search]
    for pattern in (*own, "lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib", "usr/lib"):
        for path in sorted(root.glob(f"{pattern}/{name}")):
            return str(path.relative_to(root))
    raise errors.ToolError(
        f"{whose} needs {name}, and no Debian package that the lab unpacks has it",
        where=str(root),
        remedy="build the program with `isthmus lab build` instead of bringing it along",
    )
