from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can make a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_is_read_in_order_without_charts_and_hidden_files(tmp_path: Path) -> None:
    for name in (
        "b.yaml",
        "a.yml",
        "deep/c.yaml",
        "chart/Chart.yaml",
        "chart/templates/d.yaml",
        ".git/e.yaml",
        "f.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    assert files.read_folder(tmp_path) == [(name, name) for name in ("a.yml", "b.yaml", "deep/c.yaml")]
    assert files.read_folder(tmp_path / "b.yaml") == [("b.yaml", "b.yaml")]


def test_a_missing_folder_is_told_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="no such file or folder") as caught:
        files.read_folder(tmp_path / "none")

    assert "isthmus init" in caught.value.remedy


def test_what_cannot_be_read_is_told_beside_what_can(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "b.yaml").write_bytes(b"kind: Fleet\nname: sh\xf6p\n")
    (tmp_path / "c.yaml").symlink_to(tmp_path / "c.yaml")
    os.mkfifo(tmp_path / "d.yaml")

    read, unread = files.read_documents(tmp_path)

    assert read == [("a.yaml", "a: 1\n")]
    assert [(each.name, each.line) for each in unread] == [("b.yaml", 2), ("c.yaml", None), ("d.yaml", None)]
    assert ["0xf6" in unread[0].why, "symbolic links" in unread[1].why, "pipe" in unread[2].why] == [True] * 3


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")

    with pytest.raises(errors.InputError, match="not UTF-8"):
        files.read_folder(tmp_path)


def test_a_write_makes_folders_and_sets_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "plan.json"

    files.write_atomic(path, "one", 0o600)
    files.write_atomic(path, "two", 0o600)

    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["plan.json"]


def test_on_a_full_disk_the_old_text_stays_and_nothing_else(small_disk: Path) -> None:
    path = small_disk / "plan.json"
    files.write_atomic(path, "old")

    with pytest.raises(errors.DiskError, match="No space left") as caught:
        files.write_atomic(path, "x" * 100_000)

    assert caught.value.where == str(path)
    assert [(each.name, each.read_text()) for each in small_disk.iterdir()] == [("plan.json", "old")]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_every_refusal_of_a_disk_names_the_path(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(errors.DiskError) as caught:
        files.write_atomic(tmp_path / "plan.json", "new")

    assert os.strerror(number) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_private_folder_is_private_and_goes(tmp_path: Path) -> None:
    with files.private_folder(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    assert list(tmp_path.iterdir()) == []


def test_a_missing_parent_of_a_private_folder_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(errors.DiskError, match="No such file"), files.private_folder(tmp_path / "none"):
        pass


def test_what_a_killed_process_left_is_removed_and_what_another_uses_is_not(tmp_path: Path) -> None:
    hold = (
        "import sys, pathlib; from isthmus.clients import files\n"
        "with files.private_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    print(folder, flush=True); sys.stdin.read()"
    )
    args = [sys.executable, "-c", hold, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with files.private_folder(tmp_path):
            assert theirs.exists()
        other.kill()
        other.wait()
        with files.private_folder(tmp_path):
            assert not theirs.exists()
