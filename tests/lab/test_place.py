from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import place
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_lets_one_in_at_a_time_and_leaves_no_file(tmp_path: Path) -> None:
    lock, inside, most = tmp_path / "x.lock", [], []

    def enter() -> None:
        for _ in range(10):
            with place.locked(lock, "it", seconds=30):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) == 1
    assert not list(tmp_path.iterdir())


def test_a_lock_that_stays_taken_names_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    code = f"""
import pathlib, sys
from isthmus.lab import place
with place.locked(pathlib.Path({str(lock)!r}), "it", seconds=1):
    print("in", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(errors.ConflictError, match=f"process {holder.pid}"),
            place.locked(lock, "it", seconds=0.2),
        ):
            pass
        holder.kill()

    with place.locked(lock, "it", seconds=1):  # the kernel dropped the lock of the killed holder
        pass


def test_a_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"

    place.write_json(path, {"x": 1})

    assert place.read_json(path) == {"x": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["b.json"]


def test_a_document_cut_short_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": ')

    assert place.read_json(tmp_path / "x.json") is None


def test_the_home_is_isthmus_home_then_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ISTHMUS_HOME", raising=False)
    assert place.home() == tmp_path / "state" / "isthmus"

    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path / "own"))
    assert place.home() == tmp_path / "own"
