from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.lab.images import layout, tree

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = st.text(alphabet="ab-.", min_size=1, max_size=3).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ENTRIES = st.one_of(
    st.builds(tree.Text, st.text(alphabet="aü\n", max_size=5)),
    st.builds(tree.Link, PATHS),
    st.builds(tree.Folder, st.sampled_from([0o755, 0o1777])),
)


def _files(paths: Mapping[str, tree.Entry]) -> tree.Tree:
    """Return the entries of which none lies under one that is no folder."""
    return {
        path: entry
        for path, entry in paths.items()
        if not any(
            path.startswith(f"{other}/") and not isinstance(each, tree.Folder)
            for other, each in paths.items()
        )
    }


# The machine may be compiling meanwhile.
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
TREES = st.dictionaries(PATHS, ENTRIES, max_size=8).map(_files)


def _write(files: tree.Tree) -> dict[str, bytes]:
    """Return what an image of these files is on disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layout.write(folder, "lab.example/image:v1", files, layout.Run(command=("sh",)))
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }


def _blob(image: dict[str, bytes], part: dict[str, Any]) -> bytes:
    data = image["blobs/sha256/" + part["digest"].removeprefix("sha256:")]
    assert len(data) == part["size"]
    return data


@BUSY
@given(TREES)
def test_an_image_holds_its_files_and_names_every_part_by_its_digest(files: tree.Tree) -> None:
    image = _write(files)

    for name, data in image.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    named = json.loads(image["index.json"])["manifests"][0]
    manifest = json.loads(_blob(image, named))
    config = json.loads(_blob(image, manifest["config"]))
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    with tarfile.open(fileobj=io.BytesIO(_blob(image, manifest["layers"][0]))) as archive:
        seen: set[str] = set()
        for member in archive:
            assert "/" not in member.name or member.name.rpartition("/")[0] in seen
            seen.add(member.name)
            assert _entry(archive, member) == files.get(member.name, tree.Folder())
    assert seen >= set(files)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tree.Entry:
    assert (member.uid, member.gid, member.mtime) == (0, 0, 0)
    if member.issym():
        return tree.Link(member.linkname)
    if member.isdir():
        return tree.Folder(member.mode)
    file = archive.extractfile(member)
    assert file is not None
    return tree.Text(file.read().decode())


@BUSY
@given(TREES)
def test_the_same_files_in_any_order_give_the_same_bytes(files: tree.Tree) -> None:
    assert _write(files) == _write(dict(reversed(files.items())))


def test_neither_dates_nor_owners_nor_other_rights_of_a_file_count(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path, mode, date in ((one, 0o755, 0), (other, 0o700, 1_000_000_000)):
        path.write_text("content")
        path.chmod(mode)
        os.utime(path, (date, date))

    assert _write({"a": tree.File(one)}) == _write({"a": tree.File(other)})


def test_content_counts_and_so_does_the_right_to_run(tmp_path: Path) -> None:
    path = tmp_path / "file"
    images = []
    for content, mode in (("content", 0o644), ("content", 0o755), ("other", 0o644)):
        path.write_text(content)
        path.chmod(mode)
        images.append(_write({"a": tree.File(path)})["index.json"])

    assert len(set(images)) == len(images)
