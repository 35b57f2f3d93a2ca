"""Makes each image once: from programs, Debian packages and files of modules to an OCI layout.

An image is kept by the digest of what goes into it, whole or not at all. Who calls holds the lock.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.lab import binaries, place
from isthmus.lab.images import catalog, debian, layout, modules, tree, wheels
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SHAPING = ("catalog.py", "elf.py", "layout.py", "tree.py")
"""Our own code that decides what an image holds."""
_SKIPPED = ("tests", "complexity-tests")
"""Folders of eBPF sources that the agent never compiles."""


def programs(names: Iterable[str] = catalog.NAMES) -> tuple[str, ...]:
    """Return the programs that images hold and that are built; wheels come by themselves."""
    held = {program for name in names for program in catalog.recipe(name).programs.values()}
    return tuple(sorted(held - wheels.PROGRAMS.keys()))


def target(recipe: catalog.Recipe, folder: Path | None = None) -> Path:
    """Return where the image of exactly these inputs is or will be."""
    digest = hashlib.sha256()
    for part in _inputs(recipe, folder):
        digest.update(part.encode() + b"\0")
    return place.cache("images") / f"{recipe.name}-{digest.hexdigest()[:16]}"


def write(
    recipe: catalog.Recipe, *, folder: Path | None = None, report: Callable[[str], None] = lambda _: None
) -> Path:
    """Return the folder of an image's OCI layout, made now if it is not there."""
    whole = target(recipe, folder)
    if whole.is_dir():
        return whole
    for name in wheels.PROGRAMS.keys() & set(recipe.programs.values()):
        wheels.ensure(name, report)
    files = gather(recipe, debian.root(report), folder)
    report(f"writing {recipe.name}")
    draft = whole.with_name(f".{whole.name}")
    shutil.rmtree(draft, ignore_errors=True)
    with place.writing(whole):
        try:
            draft.mkdir(parents=True)
            layout.write(draft, recipe.reference, files, recipe.run)
            draft.replace(whole)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return whole


def gather(recipe: catalog.Recipe, root: Path, folder: Path | None = None) -> tree.Tree:
    """Return every file of an image, what its programs are linked with included."""
    files = tree.take(root, recipe.tools)
    files |= {path: tree.File(_program(name, folder), 0o755) for path, name in recipe.programs.items()}
    if recipe.sources:
        module = modules.folder(recipe.module)
        for path, source in recipe.sources.items():
            files |= dict(_source(path, module / source))
    return tree.with_libraries(files | recipe.extra, root)


def _source(path: str, source: Path) -> Iterator[tuple[str, tree.Entry]]:
    """Yield a file of a module, or all of a folder; scripts lose their mode in a module."""
    if source.is_file():
        yield path, tree.File(source, 0o755 if source.read_bytes().startswith(b"#!") else 0o644)
        return
    for each in sorted(source.rglob("*")):
        inside = each.relative_to(source)
        if each.is_file() and inside.parts[0] not in _SKIPPED:
            yield f"{path}/{inside}", tree.File(each, 0o644)


def _inputs(recipe: catalog.Recipe, folder: Path | None) -> Iterator[str]:
    yield recipe.reference
    yield debian.key()
    yield modules.version(recipe.module)
    for path, name in sorted(recipe.programs.items()):
        yield f"{path}={_identity(_program(name, folder))}"
    for name in _SHAPING:
        yield Path(__file__).with_name(name).read_text(encoding="utf-8")


def _identity(program: Path) -> str:
    """Return the pins that built a program, and for one from elsewhere the digest of its content."""
    if program.is_relative_to(place.cache()):
        return str(program.relative_to(place.cache()))
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _program(name: str, folder: Path | None) -> Path:
    if name in wheels.PROGRAMS:
        return wheels.target(name)
    found = binaries.find(name, folder)
    if found is None:
        raise errors.ToolError(
            f"{name} is not built",
            why="images of the network profile hold it",
            remedy="isthmus lab build --profile network",
        )
    return found
