from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.cli import main
from tests.plan import worlds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLUSTERS = (
    "west 1 provider: gcp, region: us-west4, account: shop-prod, vpc: core",
    "east 2 provider: aws, region: us-east-1, vpc: vpc-1",
    "north 3 provider: azure",
    "own 4 provider: kubeadm",
    "lab 5 provider: kind, nodes: 9",
)
MESH = "  mesh: {istio: {trustDomain: shop.local}}\n"
ALL = ["cilium", "istio", "kind", "cluster-api", "terraform", "commands"]
FIREWALL = ["firewall-csv", "firewall-markdown", "nftables", "terraform-firewall", "team-pages"]
APP = """\
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {name: %s, namespace: %s}
spec:
  chart: {path: charts/db}
  clusters: {%s: {}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return world(tmp_path / "shop")


def world(folder: Path, *, clusters: Sequence[str] = CLUSTERS, more: str = MESH, apps: str = "") -> Path:
    text = worlds.text(*clusters).replace("  clusters:\n", more + "  clusters:\n")
    folder.mkdir(exist_ok=True)
    (folder / "fleet.yaml").write_text(text + apps, encoding="utf-8")
    (folder / "charts/db").mkdir(parents=True, exist_ok=True)
    (folder / "charts/db/Chart.yaml").write_text(
        "name: db\nversion: 1.0.0\napiVersion: v2\n", encoding="utf-8"
    )
    return folder


def run(*args: object) -> int:
    return main.main(["plan", "render", *(str(each) for each in args)])


def texts(folder: Path) -> dict[str, str]:
    found = sorted(each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): each.read_text(encoding="utf-8") for each in found}


def test_without_a_target_the_targets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0

    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*ALL, "dns", *FIREWALL]


def test_one_file_comes_as_it_is_and_names_its_source(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cilium", "-f", shop, "--only", "west") == 0

    told = capsys.readouterr().out
    first = "# rendered by `isthmus plan render cilium`; change the Fleet, not this file"
    assert told.splitlines()[0] == first
    assert yaml.safe_load(told)["cluster"] == {"name": "west", "id": 1}


def test_several_files_come_with_their_names_between_them(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("kind", "cluster-api", "-f", shop, "--only", "west,lab") == 0

    told = capsys.readouterr().out
    names = [line.removeprefix("# file: ") for line in told.splitlines() if line.startswith("# file: ")]
    assert names == ["kind/lab.yaml", "kind/west.yaml", "cluster-api/lab.yaml", "cluster-api/west.yaml"]
    assert [each["kind"] for each in yaml.safe_load_all(told)] == ["Cluster"] * 4


def test_the_same_folder_gives_the_same_bytes_however_its_documents_lie(tmp_path: Path) -> None:
    first = world(tmp_path / "one", apps="---\n" + APP % ("db", "data", "west"))
    fleet, app = (first / "fleet.yaml").read_text(encoding="utf-8").split("---\n")
    second = tmp_path / "two"
    second.mkdir()
    for name, text in (("a.yaml", app), ("z.yaml", fleet)):
        (second / name).write_text(text, encoding="utf-8")

    for each in (first, second):
        assert run(*ALL, "-f", each, "--to", each / ".out") == 0
    again = tmp_path / "again"
    assert run(*ALL, "-f", first, "--to", again) == 0

    assert texts(first / ".out") == texts(second / ".out") == texts(again)
    assert len(texts(again)) > 20


def test_every_file_is_what_its_name_says(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(*ALL, "-f", shop, "--to", out, "--only", "west,east,north,own,lab") == 0

    for name, text in texts(out).items():
        if name.endswith(".yaml"):
            assert list(yaml.safe_load_all(text)), name
        if name.endswith(".json"):
            assert json.loads(text)["clusters"], name
        if not name.endswith(".json"):
            assert "change the Fleet, not this file" in text.splitlines()[text.startswith("#!")], name
        if name.endswith(".sh"):
            assert (out / name).stat().st_mode & 0o111, name
            assert subprocess.run(["sh", "-n", out / name], check=False).returncode == 0, name


def test_writing_says_what_it_does_and_leaves_what_is_not_its_own(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def told() -> str:
        return capsys.readouterr().out.splitlines()[-1]

    assert run("kind", "-f", shop, "--to", out, "--dry-run") == 0
    assert (told(), out.exists()) == ("would be: 5 created, 0 changed, 0 unchanged", False)
    run("kind", "-f", shop, "--to", out)
    assert told() == "5 created, 0 changed, 0 unchanged"
    (out / "kind/mine.yaml").write_text("mine", encoding="utf-8")
    (out / "kind/west.yaml").write_text("edited", encoding="utf-8")
    run("kind", "-f", shop, "--to", out)
    assert told() == "0 created, 1 changed, 4 unchanged"
    assert (out / "kind/mine.yaml").read_text(encoding="utf-8") == "mine"


def test_files_are_never_written_among_the_documents(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("kind", "-f", shop, "--to", shop / "out") == 2
    assert "the folder that is read" in capsys.readouterr().err
    assert run("kind", "-f", shop, "--to", shop / ".out") == 0
    assert run("kind", "-f", shop / "fleet.yaml", "--to", shop / "out") == 0


def test_a_folder_in_the_way_is_named(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out/kind/west.yaml").mkdir(parents=True)

    assert run("kind", "-f", shop, "--to", tmp_path / "out") == 2
    assert "out/kind/west.yaml" in capsys.readouterr().err


def test_a_wrong_plan_is_not_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world(tmp_path, clusters=["a 1 pods: 10.1.0.0/16", "b 2 pods: 10.1.0.0/16", "c 3"])

    assert run("kind", "-f", tmp_path, "--only", "c") == 1
    told = capsys.readouterr()
    assert ("[ranges-overlap]" in told.err, "nothing is rendered" in told.err, told.out) == (True, True, "")


REFUSED: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "an unknown target": ({}, ["ciliun"], "use one of: cilium"),
    "an unknown cluster": ({}, ["kind", "--only", "x"], "--only names no cluster"),
    "no mesh": ({"more": ""}, ["istio"], "leave out the target `istio`"),
    "no Cilium": ({"more": "  network: {cni: none}\n"}, ["cilium"], "network: {cni: cilium}"),
    "no cloud": ({"clusters": ["a 1", "b 2", "c 3"]}, ["terraform-firewall"], "write `provider`"),
    "no provider": ({"clusters": ["a 1", "b 2", "c 3"]}, ["commands"], "write `provider`"),
    "no App": ({}, ["dns"], "add a document of kind App"),
    "no such role": ({}, ["cilium", "--at", "door.west=10.0.0.1"], "ROLE one of mesh, pilot, gateway, dns"),
    "no address": ({}, ["cilium", "--at", "mesh.west"], "write ROLE.CLUSTER=ADDRESS"),
    "a space": ({}, ["cilium", "--at", "mesh.west=a b"], "by commas"),
    "address of nobody": ({}, ["cilium", "--at", "mesh.wst=10.0.0.1"], "use one of: west"),
    "a VPC too small": ({"clusters": ["a 1 provider: aws", "b 2", "c 3"]}, ["commands"], "name the `vpc`"),
    "a namespace at home twice": (
        {"apps": "---\n" + APP % ("db", "data", "west") + "---\n" + APP % ("api", "data", "east")},
        ["dns", "--at", "dns.west=10.0.0.1", "--at", "dns.east=10.0.0.2"],
        "namespace of its own",
    ),
    "a DNS server unknown": (
        {"apps": "---\n" + APP % ("db", "data", "west")},
        ["dns"],
        "--at dns.west=ADDRESS",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_apply_is_refused_with_a_way_out(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet, flags, way_out = REFUSED[case]
    world(tmp_path, **fleet)

    code = run(*flags, "-f", tmp_path)

    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert way_out in told.err


def test_the_firewall_is_rendered_for_the_clusters_that_are_asked_for(shop: Path, tmp_path: Path) -> None:
    assert run(*FIREWALL, "-f", shop, "--to", tmp_path / "out", "--only", "west,own") == 0

    found = texts(tmp_path / "out")
    assert {name.partition("/")[0] for name in found} == set(FIREWALL)
    assert [name for name in found if name.startswith("terraform-firewall/")] == [
        "terraform-firewall/west/firewall.tf"
    ]
    rows = found["firewall-csv/firewall.csv"].splitlines()[1:]
    assert rows
    assert all("west" in row or "own" in row for row in rows)


def test_a_namespace_is_forwarded_from_every_other_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world(tmp_path, apps="---\n" + APP % ("db", "data", "own"))
    flags = ["--at", "dns.own=10.9.0.1,10.9.0.2", "--to", tmp_path / ".out"]

    assert run("dns", "-f", tmp_path, *flags) == 0

    files = texts(tmp_path / ".out/dns")
    assert list(files) == ["east.Corefile", "lab.Corefile", "north.yaml", "west.yaml"]
    assert "data.svc.cluster.local:53 {" in files["east.Corefile"]
    assert "forward . 10.9.0.1 10.9.0.2 {" in files["east.Corefile"]
    gke, aks = yaml.safe_load(files["west.yaml"]), yaml.safe_load(files["north.yaml"])
    assert json.loads(gke["data"]["stubDomains"]) == {"data.svc.cluster.local": ["10.9.0.1", "10.9.0.2"]}
    assert aks["metadata"]["name"] == "coredns-custom"
    assert "force_tcp" in aks["data"]["isthmus.server"]
