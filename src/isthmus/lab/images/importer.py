"""A private containerd that imports images into a root folder, and ends with us.

It serves nobody else: socket and state are in a folder of its own, mounts in a mount namespace of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from isthmus.lab import binaries
from isthmus.lab.images import layout
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "k8s.io"
"""Where a kubelet's containerd looks for images."""

_READY_WITHIN = 30.0  # seconds, on a busy machine
_IMPORT_WITHIN = 300.0  # seconds for one image
_END_WITHIN = 15.0  # seconds
_POLL = 0.05  # seconds

_PREFIX = "isthmus-images-"

_UNUSED = (
    *("cri.v1.images", "cri.v1.runtime", "grpc.v1.cri", "internal.v1.opt", "internal.v1.tracing"),
    *("monitor.task.v1.cgroups", "nri.v1.nri", "snapshotter.v1.blockfile", "snapshotter.v1.btrfs"),
    *("snapshotter.v1.devmapper", "snapshotter.v1.erofs", "snapshotter.v1.native", "snapshotter.v1.zfs"),
)


class Importer:
    """A running containerd, by its socket."""

    def __init__(self, socket: Path, folder: Path | None) -> None:
        self.ctr = (str(program("ctr", folder)), "--address", str(socket), "--namespace", NAMESPACE)

    def load(self, image: Path) -> None:
        """Import an OCI layout and unpack it."""
        command = [*self.ctr, "images", "import", "--local", "--snapshotter", "overlayfs", "-"]
        with tempfile.TemporaryFile() as words:
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words
            ) as running:
                assert running.stdin is not None
                with contextlib.suppress(BrokenPipeError):  # it says why itself
                    layout.stream(image, running.stdin)
                    running.stdin.close()
                code = _wait(running, _IMPORT_WITHIN, f"the import of {image.name}")
            if code != 0:
                words.seek(0)
                raise errors.ToolError(
                    f"containerd did not import {image.name}",
                    why=words.read().decode(errors="replace").strip(),
                    remedy="is there space left in the cache? It is under $XDG_CACHE_HOME/isthmus",
                )

    def answers(self) -> bool:
        """Say whether containerd answers."""
        done = subprocess.run([*self.ctr, "version"], capture_output=True, check=False, timeout=_READY_WITHIN)
        return done.returncode == 0


@contextlib.contextmanager
def running(root: Path, folder: Path | None = None) -> Iterator[Importer]:
    """Run containerd on `root` for as long as the block lasts; it dies with this process as well."""
    _sweep()
    # A socket's path must be short, so its folder is not in the cache.
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as name:
        own = Path(name)
        (own / "config.toml").write_text(_config(root, own), encoding="utf-8")
        leash = (
            "setpriv",
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--",
        )
        with (own / "log").open("wb") as log:
            server = subprocess.Popen(
                [*leash, str(program("containerd", folder)), "--config", str(own / "config.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield _ready(server, own, folder)
        finally:
            server.terminate()
            try:
                server.wait(_END_WITHIN)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def check() -> None:
    """Refuse before anything starts, when this machine lacks what an import needs."""
    lacking = [name for name in ("setpriv", "unshare") if shutil.which(name) is None]
    if lacking:
        raise errors.ToolError(f"{' and '.join(lacking)} missing", remedy="install the package util-linux")


def program(name: str, folder: Path | None) -> Path:
    """Return a program of the lab's that must be there."""
    found = binaries.find(name, folder)
    if found is None:
        raise errors.ToolError(f"{name} is not built", remedy="isthmus lab build --profile network")
    return found


def _sweep() -> None:
    """Remove the folders of importers whose process was killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _ready(server: subprocess.Popen[bytes], own: Path, folder: Path | None) -> Importer:
    importer, end = Importer(own / "socket", folder), time.monotonic() + _READY_WITHIN
    while server.poll() is None and time.monotonic() < end:
        if (own / "socket").exists() and importer.answers():
            return importer
        time.sleep(_POLL)
    last = (own / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-4:]
    raise errors.ToolError(
        "containerd did not start"
        if server.poll() is not None
        else f"containerd took over {_READY_WITHIN:.0f} s",
        why="\n".join(last),
        remedy="the network profile needs root on Linux with overlayfs",
    )


def _wait(running: subprocess.Popen[bytes], seconds: float, what: str) -> int:
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired as error:
        running.kill()
        raise errors.DeadlineError(
            f"{what} did not finish within {seconds:.0f} s", remedy="is the disk very slow or full?"
        ) from error


def _config(root: Path, own: Path) -> str:
    unused = ", ".join(f'"io.containerd.{name}"' for name in _UNUSED)
    return (
        f'version = 3\nroot = "{root}"\nstate = "{own / "state"}"\ndisabled_plugins = [{unused}]\n'
        f'[grpc]\naddress = "{own / "socket"}"\n[ttrpc]\naddress = "{own / "ttrpc"}"\n'
    )
