from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from isthmus.lab import binaries, place
from isthmus.lab.images import assemble, catalog, tree
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

PAUSE, BUSYBOX = catalog.recipe("pause"), catalog.recipe("busybox")


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_image_is_made_twice_with_the_same_bytes(cache: Path) -> None:
    folder = assemble.write(BUSYBOX)
    first = _content(folder)
    shutil.rmtree(folder)

    assert assemble.write(BUSYBOX) == folder
    assert _content(folder) == first


def test_an_image_that_is_there_is_not_made_again(cache: Path) -> None:
    folder = assemble.write(PAUSE)
    heard: list[str] = []

    assert assemble.write(PAUSE, report=heard.append) == folder
    assert heard == []


def test_an_image_has_the_name_that_the_catalogue_tells(cache: Path) -> None:
    index = json.loads((assemble.write(PAUSE) / "index.json").read_text())

    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == catalog.ref("pause")


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(PAUSE, programs={"bin/pause": "pause"}),
        dataclasses.replace(PAUSE, programs={"pause": "probe"}),
        dataclasses.replace(PAUSE, name="other"),
    ],
    ids=["path", "program", "name"],
)
def test_other_inputs_give_another_image(cache: Path, changed: catalog.Recipe) -> None:
    assert assemble.target(changed) != assemble.target(PAUSE)


def test_a_program_from_elsewhere_counts_by_its_content(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    targets = set()
    for content in ("one", "other", "one"):
        (own / "pause").write_text(content)
        (own / "pause").chmod(0o755)
        targets.add(assemble.target(PAUSE, own))

    assert len(targets) == 2
    assert assemble.target(PAUSE) not in targets


def test_a_write_that_fails_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(cache.iterdir())
    gather = assemble.gather

    def with_a_gap(recipe: catalog.Recipe, root: Path, folder: Path | None = None) -> tree.Tree:
        return {**gather(recipe, root, folder), "zz": tree.File(root / "is-not-there")}

    monkeypatch.setattr(assemble, "gather", with_a_gap)
    with pytest.raises(errors.DiskError):
        assemble.write(PAUSE)

    assert set(cache.iterdir()) == before
    monkeypatch.setattr(assemble, "gather", gather)
    assert assemble.write(PAUSE).is_dir()


def test_a_program_that_is_not_built_is_named_with_the_way_out(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "empty"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(binaries.ENVIRONMENT, raising=False)

    with pytest.raises(errors.ToolError, match="pause is not built") as caught:
        assemble.write(PAUSE)

    assert caught.value.remedy == "isthmus lab build --profile network"
    assert not place.cache("images").exists()


@pytest.mark.usefixtures("root")
def test_what_a_library_user_of_debian_gets_is_enough_to_run(packages: Path, tmp_path: Path) -> None:
    files = tree.with_libraries(tree.take(packages, ["usr/bin/find", "bin/bash"]), packages)
    for path, entry in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        match entry:
            case tree.File(source):
                shutil.copy(source, tmp_path / path)
            case tree.Link(target):
                (tmp_path / path).symlink_to(target)

    done = subprocess.run(
        ["chroot", str(tmp_path), "/bin/bash", "-c", "/usr/bin/find /bin -name bash"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "/bin/bash\n", done.stderr
