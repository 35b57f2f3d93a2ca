"""Programs that come out of Python wheels: Envoy, which nobody builds from source in passing.

Fetched by pip with the machine's own settings, and only with the digest that is pinned.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.lab import binaries, place
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = {"envoy": "envoy/_bin/envoy"}
"""Programs with their place in their wheel; the pins are in the folder of the same name."""
_WITHIN = 600.0  # seconds


def find(name: str) -> Path | None:
    """Return a program that was taken out of exactly the pinned wheel, if it was."""
    path = target(name)
    return path if os.access(path, os.X_OK) else None


def ensure(name: str, report: Callable[[str], None]) -> Path:
    """Return a program, fetched now if it is not there."""
    whole = target(name)
    if find(name) is None:
        report(f"downloading {name}")
        draft = whole.parent / ".draft"
        shutil.rmtree(draft, ignore_errors=True)
        with place.writing(whole):
            try:
                draft.mkdir(parents=True)
                _download(_pins(name), draft)
                (wheel,) = draft.glob("*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    taken = Path(archive.extract(PROGRAMS[name], draft))
                taken.chmod(0o755)
                taken.replace(whole)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return whole


def check() -> None:
    """Refuse before anything starts, when a wheel is still to be fetched and pip is not here."""
    if importlib.util.find_spec("pip") is None and not all(map(find, PROGRAMS)):
        raise errors.ToolError(
            "pip is missing",
            why=f"{', '.join(PROGRAMS)} comes out of a Python wheel",
            remedy=f"install pip beside isthmus: {sys.executable} -m ensurepip",
        )


def target(name: str) -> Path:
    """Return where a program of exactly the pinned wheel is or will be."""
    digest = hashlib.sha256(_pins(name).read_bytes()).hexdigest()
    return place.cache() / f"{name}-{digest[:16]}" / name


def _pins(name: str) -> Path:
    return binaries.pins() / name / "requirements.txt"


def _download(pins: Path, folder: Path) -> None:
    words = ("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, "--requirement", str(pins), "--dest", str(folder)],
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.DeadlineError(
            f"pip did not finish within {_WITHIN:.0f} s", remedy="can this machine reach its package index?"
        ) from error
    if done.returncode != 0:
        raise errors.ToolError(
            f"pip could not download what {pins.parent.name} is pinned to",
            why="\n".join(done.stderr.splitlines()[-6:]),
            remedy="is pip installed beside isthmus, and can this machine reach its package index?",
        )
