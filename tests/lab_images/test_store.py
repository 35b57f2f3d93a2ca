from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from isthmus.lab.images import catalog, importer, store
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isthmus.lab import build

NAMES = ("pause", "busybox")
pytestmark = [pytest.mark.usefixtures("root"), pytest.mark.timeout(300)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


KILLED = """
import os, signal
from isthmus.lab.images import store

def die(progress):
    if progress.what == "importing busybox":
        os.kill(os.getpid(), signal.SIGKILL)

store.ensure(("pause", "busybox"), report=die)
"""


def _content(folder: Path) -> dict[str, str]:
    """Return every file and folder below, with a digest of its content and its rights."""
    found = {}
    for path in sorted(folder.rglob("*")):
        data = str(path.readlink()).encode() if path.is_symlink() else b""
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else data
        known = path.lstat()
        found[str(path.relative_to(folder))] = (
            f"{hashlib.sha256(data).hexdigest()} {known.st_mode:o} {known.st_uid} {known.st_gid}"
        )
    return found


def _ctr(containerd: importer.Importer, *words: str) -> str:
    done = subprocess.run([*containerd.ctr, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def _container(containerd: importer.Importer, script: str) -> Iterator[str]:
    """Run a script in a container of the image busybox, on runc, and yield what it printed."""
    name, runc = f"isthmus-test-{secrets.token_hex(3)}", importer.program("runc", None)
    words = ("--rm", "--snapshotter", "overlayfs", "--runc-binary", str(runc), "--cgroup", f"/{name}")
    yield _ctr(containerd, "run", *words, catalog.ref("busybox"), name, "sh", "-c", script)


def test_the_root_holds_the_images_unpacked_and_is_made_once(cache: Path) -> None:
    heard: list[build.Progress] = []
    root = store.ensure(NAMES, report=heard.append)

    assert heard[-1].what == "done"
    assert heard[-1].done == heard[-1].total
    assert store.find(NAMES) == root == store.ensure(NAMES, report=lambda _: pytest.fail("made again"))
    assert list(root.glob("io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/usr/bin/probe"))
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


def test_a_clone_is_whole_and_shares_what_nobody_writes(cache: Path, tmp_path: Path) -> None:
    root = store.ensure(NAMES)
    store.clone(root, tmp_path / "node" / "containerd")

    copied = tmp_path / "node" / "containerd"
    assert _content(copied) == _content(root)
    for path in (each for each in root.rglob("*") if each.is_file() and not each.is_symlink()):
        shared = path.stat().st_ino == (copied / path.relative_to(root)).stat().st_ino
        assert shared is (path.suffix != ".db"), path


def test_what_happens_in_a_clone_reaches_neither_its_source_nor_other_clones(
    cache: Path, tmp_path: Path
) -> None:
    root = store.ensure(NAMES)
    before = _content(root)
    one, other = tmp_path / "one", tmp_path / "other"
    store.clone(root, one)
    store.clone(root, other)

    script = "echo changed > /etc/passwd; rm /bin/ls; chmod 700 /usr/bin/probe; touch /new; cat /etc/passwd"
    with importer.running(one) as containerd, _container(containerd, script) as words:
        assert words == "changed\n"
        _ctr(containerd, "images", "rm", "--sync", catalog.ref("pause"))
        assert catalog.ref("pause") not in _ctr(containerd, "images", "ls", "-q")

    assert _content(root) == before
    assert _content(other) == before
    with (
        importer.running(other) as containerd,
        _container(containerd, "cat /etc/group; test -e /bin/ls && test ! -e /new && echo whole") as words,
    ):
        assert words.endswith("whole\n")
        assert catalog.ref("pause") in _ctr(containerd, "images", "ls", "-q")


def test_a_build_that_is_killed_leaves_no_root_and_no_containerd(cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=200)

    assert done.returncode == -signal.SIGKILL
    assert store.find(NAMES) is None
    gone = [each for each in psutil.process_iter() if str(cache.parent) in _words(each)]
    psutil.wait_procs(gone, timeout=10)
    assert not any(each.is_running() for each in gone)
    assert store.ensure(NAMES).is_dir()
    assert not [path for path in cache.iterdir() if path.name.startswith(".") and path.name != ".lock"]


def test_a_clone_into_a_folder_that_is_in_use_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()

    with pytest.raises(errors.DiskError, match="cannot write"):
        store.clone(store.ensure(NAMES), tmp_path / "used")

    assert [path.name for path in (tmp_path / "used").iterdir()] == ["file"]


def test_made_again_the_root_is_as_good_and_clones_of_before_still_are(cache: Path, tmp_path: Path) -> None:
    names = ("pause",)  # holds nothing of Debian's, whose packages stay
    root = store.ensure(names)
    store.clone(root, tmp_path / "node")
    before = _content(tmp_path / "node")

    assert store.ensure(names, again=True) == root
    assert _content(tmp_path / "node") == before


def test_what_nobody_took_for_long_is_removed_when_something_new_is_made(cache: Path) -> None:
    old, recent = cache / "store-old", cache / "store-recent"
    for path, days in ((old, 30), (recent, 3)):
        path.mkdir()
        os.utime(path, (time.time() - days * 86400,) * 2)
    store.ensure(("pause",))
    assert (old.exists(), recent.exists()) == (False, True)

    in_use = store.ensure(("pause",))
    os.utime(in_use, (0, 0))
    store.ensure(("pause",))
    store.ensure(NAMES)
    assert in_use.is_dir()


@pytest.mark.parametrize("tool", ["apt-get", "dpkg-deb", "setpriv", "unshare"])
def test_a_tool_that_is_missing_is_named_before_anything_starts(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else which(name))
    before = set(cache.iterdir())

    with pytest.raises(errors.ToolError, match=f"{tool} missing") as caught:
        store.ensure(NAMES)

    assert "install" in caught.value.remedy
    assert set(cache.iterdir()) == before


def test_the_command_says_what_is_ahead_and_refuses_before_it_builds(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    env = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "lab", "build", "--profile", "network"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert re.search(r"building etcd, .*cilium-agent, .*: at most \d+ min", done.stderr)
    assert "apt-get and dpkg-deb missing" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_without_root_the_error_says_what_needs_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(errors.ToolError, match="made by root on Linux") as caught:
        store.ensure(NAMES)

    assert "profile control" in caught.value.remedy


def test_a_root_that_is_there_needs_no_tool_and_no_right(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = store.ensure(NAMES)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "")

    assert store.ensure(NAMES) == root
