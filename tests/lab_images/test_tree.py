from __future__ import annotations

import sys
from pathlib import Path

import pytest

from isthmus.lab.images import tree
from isthmus.model import errors


def _root(folder: Path, files: dict[str, str], links: dict[str, str]) -> Path:
    for name, target in links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "links", "asked", "taken"),
    [
        (["bin/a"], {}, "bin/a", {"bin/a"}),
        (["bin/b"], {"bin/a": "b"}, "bin/a", {"bin/a", "bin/b"}),
        (["bin/b"], {"bin/a": "/bin/b"}, "bin/a", {"bin/a", "bin/b"}),
        (["lib/x/b"], {"usr/bin/a": "../../lib/x/b"}, "usr/bin/a", {"usr/bin/a", "lib/x/b"}),
        (["usr/bin/a"], {"bin": "usr/bin"}, "bin/a", {"bin", "usr/bin/a"}),
        (["usr/bin/c"], {"bin": "usr/bin", "x": "y", "y": "/bin/c"}, "x", {"x", "y", "bin", "usr/bin/c"}),
    ],
)
def test_a_file_comes_with_every_link_on_the_way(
    tmp_path: Path, files: list[str], links: dict[str, str], asked: str, taken: set[str]
) -> None:
    root = _root(tmp_path, dict.fromkeys(files, "content"), links)

    found = tree.take(root, [asked])

    assert set(found) == taken
    assert {name for name, each in found.items() if isinstance(each, tree.Link)} == set(links)


def test_links_that_go_round_are_refused(tmp_path: Path) -> None:
    root = _root(tmp_path, {}, {"a": "b", "b": "a"})

    with pytest.raises(errors.ToolError, match="goes round in links"):
        tree.take(root, ["a"])


def test_a_tool_that_no_package_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ToolError, match="sbin/nothing is in none of the Debian packages"):
        tree.take(tmp_path, ["sbin/nothing"])


def test_a_library_that_no_package_has_is_named_with_who_needs_it(tmp_path: Path) -> None:
    program: tree.Tree = {"bin/python": tree.File(Path(sys.executable).resolve())}

    with pytest.raises(errors.ToolError, match=r"bin/python needs lib\S+, and no Debian package"):
        tree.with_libraries(program, tmp_path)


def test_libraries_of_libraries_come_too(packages: Path) -> None:
    found = tree.with_libraries(tree.take(packages, ["usr/bin/clang-19"]), packages)

    names = {name.rpartition("/")[2] for name in found}
    assert {"libclang-cpp.so.19.1", "libLLVM.so.19.1", "libz3.so.4", "libc.so.6"} <= names
    assert any(name.startswith("ld-linux") for name in names)
