"""Debian packages, unpacked into a folder: the programs that the images take and do not build.

Fetched and checked by apt with the machine's own sources, but with state of our own: nothing is installed on
the machine, and its own lists stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

from isthmus.lab import place
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGES = (
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "ipset",
    "iproute2",
    "iptables",
    "kmod",
    "libclang-cpp19",
    "mount",
    "netbase",
    "sed",
    "util-linux",
)
"""Packages that are taken with what they depend on."""
ALONE = ("clang-19",)
"""Packages that are taken without: clang depends on headers and libraries for C++ that eBPF never sees."""

_TOOLS = ("apt-get", "dpkg-deb")
_WITHIN = 600.0  # seconds for one run of apt


def check() -> None:
    """Refuse before anything starts, when this machine cannot unpack Debian packages."""
    lacking = [name for name in _TOOLS if shutil.which(name) is None]
    if lacking:
        raise errors.ToolError(
            f"{' and '.join(lacking)} missing",
            why="the images of the network profile take iptables, clang and others from Debian packages",
            remedy="run on Debian or Ubuntu, or install the packages apt and dpkg",
        )


def root(report: Callable[[str], None]) -> Path:
    """Return the folder with the packages unpacked, made once for each release of the distribution."""
    whole = target()
    if not whole.is_dir():
        check()
        draft = whole.with_name(f".{whole.name}")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            with place.writing(whole):
                (draft / "root").mkdir(parents=True)
            for archive in _download(draft, report):
                report(f"unpacking {archive.name.partition('_')[0]}")
                _run("dpkg-deb", "-x", archive, draft / "root", folder=draft)
            with place.writing(whole):
                (draft / "root").touch()  # a package sets the date of the folder too
                (draft / "root").replace(whole)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return whole


def target() -> Path:
    """Return where the unpacked packages are or will be."""
    return place.cache("images") / f"debian-{key()}"


def key() -> str:
    """Return what tells one unpacked set of packages from another: its packages and the distribution."""
    release = platform.freedesktop_os_release()
    words = (*PACKAGES, *ALONE, release.get("ID", ""), release.get("VERSION_ID", ""), platform.machine())
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def _download(draft: Path, report: Callable[[str], None]) -> list[Path]:
    """Return the archives of the packages; what is installed on this machine counts as missing."""
    archives = draft / "cache" / "archives"
    for part in (draft / "state" / "lists" / "partial", archives / "partial"):
        part.mkdir(parents=True)
    status = draft / "state" / "status"
    status.touch()
    settings = {
        "Dir::State": draft / "state",
        "Dir::State::status": status,
        "Dir::Cache": draft / "cache",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    words = [
        "apt-get",
        "-q",
        *(word for name, value in settings.items() for word in ("-o", f"{name}={value}")),
    ]
    report("reading Debian's lists")
    _run(*words, "update", folder=archives)
    report(f"downloading {len(PACKAGES) + len(ALONE)} packages and what they depend on")
    _run(*words, "install", "--yes", "--download-only", *PACKAGES, folder=archives)
    _run(*words, "download", *ALONE, folder=archives)
    return sorted(archives.glob("*.deb"))


def _run(*words: str | Path, folder: Path) -> None:
    argv = [str(word) for word in words]
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.DeadlineError(
            f"{argv[0]} did not finish within {_WITHIN:.0f} s",
            remedy="can this machine reach the Debian mirrors in its apt sources?",
        ) from error
    if done.returncode != 0:
        raise errors.ToolError(
            f"{argv[0]} failed",
            why="\n".join((done.stderr or done.stdout).splitlines()[-6:]),
            remedy="can this machine reach the Debian mirrors in its apt sources, and do they have "
            f"{', '.join(ALONE)}?",
        )
