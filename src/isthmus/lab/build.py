"""Builds the lab's programs from pinned Go modules into the cache.

One build at a time, by a lock that all homes share; a program appears in the cache whole or not at all. How
much there is to do is counted by Go itself, so that the user hears an estimate before and sees progress
after.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from isthmus.lab import binaries, place
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_LOCK_WITHIN = 3600.0  # seconds: somebody else's cold build of everything
_COUNT_WITHIN = 600.0  # seconds: may download the modules
_TAIL = 12  # lines of go's words in an error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """Where the build of one family stands: packages compiled, of how many, the last one named.

    Other work than compiling reports the same way and counts something else.
    """

    family: str
    done: int
    total: int
    what: str
    elapsed: float
    unit: str = "packages"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is about to be built: programs, and minutes if Go has compiled nothing of it before."""

    programs: tuple[str, ...]
    minutes: float


def silent(_: Progress) -> None:
    """Report nothing."""


def estimate(programs: Iterable[str], folder: Path | None = None, *, again: bool = False) -> Estimate:
    """Return what `ensure` would build, and how long that takes at most on two cores."""
    lacking = tuple(programs) if again else binaries.missing(programs, folder)
    families = {binaries.family(name).name: binaries.family(name) for name in lacking}
    return Estimate(programs=lacking, minutes=sum(each.minutes for each in families.values()))


def ensure(
    programs: Iterable[str],
    *,
    folder: Path | None = None,
    report: Callable[[Progress], None] = silent,
    again: bool = False,
) -> dict[str, Path]:
    """Return each program's path, building what is found nowhere; with `again` always build."""
    wanted = tuple(programs)
    lacking = wanted if again else binaries.missing(wanted, folder)
    if lacking:
        place.cache().mkdir(parents=True, exist_ok=True)
        with alone(place.cache() / ".build.lock", "the cache of binaries", report=report):
            # Whoever held the lock may have built them.
            left = lacking if again else binaries.missing(lacking, folder)
            for family in binaries.FAMILIES:
                names = tuple(name for name in left if name in family.packages)
                if names:
                    _build(family, names, report)
    found = {name: binaries.cached(name) if again else binaries.find(name, folder) for name in wanted}
    return {name: path for name, path in found.items() if path is not None}


@contextlib.contextmanager
def alone(
    path: Path, what: str, *, report: Callable[[Progress], None], seconds: float = _LOCK_WITHIN
) -> Iterator[None]:
    """Hold the lock of a cache; say so when somebody else has it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(place.locked(path, what, seconds=0))
        except errors.ConflictError as busy:
            report(Progress(family="", done=0, total=0, what=f"waiting: {busy.what}", elapsed=0.0))
            stack.enter_context(place.locked(path, what, seconds=seconds))
        yield


def _build(family: binaries.Family, names: tuple[str, ...], report: Callable[[Progress], None]) -> None:
    compiler = go()
    began = time.monotonic()
    family.folder.mkdir(parents=True, exist_ok=True)
    draft = family.folder / ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    packages = [family.packages[name] for name in names]

    def tell(done: int, total: int, what: str) -> None:
        report(
            Progress(family=family.name, done=done, total=total, what=what, elapsed=time.monotonic() - began)
        )

    try:
        tell(0, 0, "counting packages")
        total = _count(compiler, family, packages)
        lines = _compile(compiler, family, packages, draft)
        for done, line in enumerate(lines, start=1):
            tell(min(done, total), max(total, done), line)
        for name in names:
            _adopt(draft, family, name)
        tell(total, total, "done")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _adopt(draft: Path, family: binaries.Family, name: str) -> None:
    """Move a program into the cache under its own name; Go names it after its package."""
    package = family.packages[name].split("/")
    last = package[-2] if re.fullmatch(r"v\d+", package[-1]) else package[-1]
    with place.writing(family.folder):
        (draft / last).replace(family.folder / name)


def _count(compiler: str, family: binaries.Family, packages: list[str]) -> int:
    """Return how many packages Go has yet to compile."""
    command = [compiler, "list", "-deps", "-f", "{{if .Stale}}x{{end}}", *family.flags, *packages]
    try:
        done = subprocess.run(
            command,
            cwd=family.pins,
            env=environment(family),
            capture_output=True,
            text=True,
            timeout=_COUNT_WITHIN,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.DeadlineError(
            f"go did not list the packages of {family.name} within {_COUNT_WITHIN:.0f} s",
            remedy="can this machine reach its Go module proxy?",
        ) from error
    if done.returncode != 0:
        raise _failed(family, done.stderr.splitlines())
    return done.stdout.count("x")


def _compile(compiler: str, family: binaries.Family, packages: list[str], draft: Path) -> Iterator[str]:
    """Run go build and yield each package as it is compiled."""
    command = [compiler, "build", "-v", *family.flags, "-o", f"{draft}{os.sep}", *packages]
    words: list[str] = []
    with subprocess.Popen(
        command,
        cwd=family.pins,
        env=environment(family),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        try:
            for line in map(str.strip, running.stderr):
                words.append(line)
                if not line.startswith(("#", "go: ")):
                    yield line
        except BaseException:
            running.terminate()
            raise
    if running.returncode != 0:
        raise _failed(family, words)


def environment(family: binaries.Family | None = None) -> dict[str, str]:
    """Return the user's environment for go, without what would change the outcome."""
    return {**os.environ, "GOFLAGS": "", "GOWORK": "off", **(family.settings if family else {})}


def go() -> str:
    """Return the path of Go."""
    found = shutil.which("go")
    if found is None:
        raise errors.ToolError(
            "Go is missing",
            why="the lab's programs are built from source, and no `go` is on PATH",
            remedy="install Go 1.26 or later (go.dev/dl), or put the programs into a folder and name it "
            f"with --bin or {binaries.ENVIRONMENT}",
        )
    return found


def _failed(family: binaries.Family, words: list[str]) -> errors.ToolError:
    return errors.ToolError(
        f"go could not build {family.name}",
        why="\n".join(words[-_TAIL:]),
        remedy="can this machine reach its Go module proxy, and is Go 1.26 or later?",
    )
