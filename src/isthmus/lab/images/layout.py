"""Writes an image as an OCI image layout: the same files give the same bytes, on any day.

Layers are plain tar: what compression saves on disk it costs several times over while nodes come up.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from isthmus.lab.images import tree as trees

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEDIA = "application/vnd.oci.image"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_NOON = "1970-01-01T00:00:00Z"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """How a container of an image starts by default."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    folder: str = "/"
    user: str = ""

    def describe(self) -> dict[str, Any]:
        """Return it as the image configuration has it."""
        return {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": list(self.environment),
            "WorkingDir": self.folder,
            "User": self.user,
        }


@dataclasses.dataclass(frozen=True)
class _Blob:
    digest: str
    size: int

    def describe(self, kind: str) -> dict[str, Any]:
        return {"mediaType": f"{_MEDIA}.{kind}", "digest": f"sha256:{self.digest}", "size": self.size}


class _Hashing(io.RawIOBase):
    """Passes bytes on and keeps their digest and number."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target, self._digest, self._size = target, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._size += len(data)
        return self._target.write(data)

    def blob(self) -> _Blob:
        return _Blob(self._digest.hexdigest(), self._size)


def write(folder: Path, reference: str, tree: trees.Tree, run: Run) -> None:
    """Write the image into an empty folder."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = _layer(blobs, tree)
    machine = platform.machine()
    config = _keep(
        blobs,
        {
            "created": _NOON,
            "architecture": _MACHINES.get(machine, machine),
            "os": "linux",
            "config": run.describe(),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}"]},
        },
    )
    manifest = _keep(
        blobs,
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": config.describe("config.v1+json"),
            "layers": [layer.describe("layer.v1.tar")],
        },
    )
    named = {**manifest.describe("manifest.v1+json"), "annotations": {"io.containerd.image.name": reference}}
    _json(folder / "index.json", {"schemaVersion": 2, "manifests": [named]})
    _json(folder / "oci-layout", {"imageLayoutVersion": "1.0.0"})


def stream(folder: Path, target: IO[bytes]) -> None:
    """Write a layout as one archive, which is what `ctr images import` reads."""
    with tarfile.open(fileobj=target, mode="w|") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.add(path, str(path.relative_to(folder)), recursive=False)


def _layer(blobs: Path, tree: trees.Tree) -> _Blob:
    draft = blobs / ".layer"
    with draft.open("wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for path, entry in _ordered(tree):
                _add(archive, path, entry)
    blob = hashing.blob()
    draft.replace(blobs / blob.digest)
    return blob


def _ordered(tree: trees.Tree) -> Iterator[tuple[str, trees.Entry]]:
    """Yield every entry after the folders that it is in."""
    parents = {str(parent) for path in tree for parent in PurePosixPath(path).parents} - {"."}
    yield from sorted({**{parent: trees.Folder() for parent in parents}, **tree}.items())


def _add(archive: tarfile.TarFile, path: str, entry: trees.Entry) -> None:
    header = tarfile.TarInfo(path)  # owned by root, of no date: the same everywhere
    match entry:
        case trees.File(source, mode):
            known = source.stat()
            header.size = known.st_size
            header.mode = mode or (0o755 if known.st_mode & 0o100 else 0o644)
            with source.open("rb") as file:
                archive.addfile(header, file)
            return
        case trees.Text(content):
            data = content.encode()
            header.size, header.mode = len(data), 0o644
            archive.addfile(header, io.BytesIO(data))
            return
        case trees.Link(target):
            header.type, header.linkname, header.mode = tarfile.SYMTYPE, target, 0o777
        case trees.Folder(mode):
            header.type, header.mode = tarfile.DIRTYPE, mode
    archive.addfile(header)


def _keep(blobs: Path, document: dict[str, Any]) -> _Blob:
    data = json.dumps(document, sort_keys=True).encode()
    blob = _Blob(hashlib.sha256(data).hexdigest(), len(data))
    (blobs / blob.digest).write_bytes(data)
    return blob


def _json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
