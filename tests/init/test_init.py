from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from isthmus.cli import init, main
from isthmus.clients import files
from isthmus.model import folder

if TYPE_CHECKING:
    from pathlib import Path

CONTEXTS = ["gke_shop_us-west4", "admin@prod", "arn:aws:eks:us-east-1:123:cluster/Prod", "no", 'we"ird: #']


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig with odd contexts, and no lab."""
    path = tmp_path / "kubeconfig"
    entries = [{"name": name, "context": {"cluster": "a", "user": "a"}} for name in CONTEXTS]
    cluster = {"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}
    user = {"name": "a", "user": {"token": "t0ken"}}
    path.write_text(
        yaml.safe_dump({"contexts": entries, "clusters": [cluster], "users": [user]}), encoding="utf-8"
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path / "home"))
    return path


def run(*args: object) -> int:
    return main.main(["init", *(str(each) for each in args)])


def read(path: Path) -> folder.Folder:
    parsed = folder.parse(files.read_folder(path))
    assert parsed.folder is not None, parsed.findings
    assert parsed.findings == ()
    return parsed.folder


def test_the_example_is_a_folder_that_the_plan_accepts(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    assert run("--example", "cassandra", shop) == 0

    written = read(shop)
    assert [each.context for each in written.fleet.clusters] == ["lab-west", "lab-east", "lab-central"]
    assert written.app().waves == (("west",), ("east", "central"))
    assert (shop / str(written.app().spec.chart.path) / "Chart.yaml").is_file()
    assert main.main(["plan", "check", "-f", str(shop), "--fail-on", "warning"]) == 0


def test_every_context_becomes_a_cluster_with_a_name_that_cilium_takes(tmp_path: Path) -> None:
    assert run(tmp_path / "My Fleet") == 0

    fleet = read(tmp_path / "My Fleet").fleet
    assert fleet.name == "my-fleet"
    assert [each.context for each in fleet.clusters][: len(CONTEXTS)] == CONTEXTS
    assert [each.name for each in fleet.clusters][:5] == [
        "gke-shop-us-west4",
        "prod",
        "prod-3",
        "no",
        "we-ird",
    ]
    assert [each.id for each in fleet.clusters][:3] == [1, 2, 3]


def test_contexts_are_chosen_by_name(tmp_path: Path) -> None:
    assert run(tmp_path / "a", "--context", "no", "--context", "admin@prod") == 0

    assert [each.context for each in read(tmp_path / "a").fleet.clusters] == ["no", "admin@prod"]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "app.yaml").write_text("mine", encoding="utf-8")

    assert run("--example", "cassandra", shop) == 2
    assert [path.name for path in shop.iterdir()] == ["app.yaml"]
    assert (shop / "app.yaml").read_text(encoding="utf-8") == "mine"
    assert "app.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--example", "casandra"], "cassandra"),
        (["--context", "prod"], "admin@prod"),
        (["--example", "cassandra", "--context", "no"], "exclude"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    args: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*args, tmp_path / "new") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_without_any_context_the_way_out_is_told(
    kubeconfig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig.write_text("{}", encoding="utf-8")

    assert run(tmp_path / "new") == 2
    assert "isthmus lab up" in capsys.readouterr().err


def test_the_next_steps_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--example", "cassandra", tmp_path / "shop")

    told = capsys.readouterr().out
    assert f"isthmus plan check -f {tmp_path / 'shop'}" in told
    assert "isthmus deploy up" in told


def test_names_of_clusters_are_apart() -> None:
    names = init._names(["a@prod", "b@prod", "default", "---", "x" * 40, "y" + "x" * 40])

    assert len(set(names)) == len(names)
    assert all(len(name) <= 32 and name != "default" for name in names)
