"""Processes of a node are found while its containers come and go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from isthmus.lab.network import groups

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_containers_that_end_while_their_node_is_looked_through_hide_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "hierarchies", lambda: (groups.Hierarchy(path=tmp_path, options=""),))
    node, ended = tmp_path / "node", threading.Event()
    node.mkdir()
    (node / "cgroup.procs").write_text("7\n0\n12\n", encoding="ascii")

    def churn() -> None:
        while not ended.is_set():
            for number in range(20):
                (node / f"pod{number}" / "container").mkdir(parents=True)
            for number in range(20):
                (node / f"pod{number}" / "container").rmdir()
                (node / f"pod{number}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        seen = [groups.processes("node") for _ in range(500)]
    finally:
        ended.set()
        thread.join()

    assert seen == [{7, 12}] * 500
