from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
import yaml

from isthmus.lab import labs, ports, spec
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import Home
    from tests.labs import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

NOTE = "/api/v1/namespaces/default/configmaps/note"


def _write(lab: labs.Lab) -> None:
    lab.api("west").create(
        "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "note"}, "data": {"a": "b"}}
    )


def test_down_leaves_no_process_and_no_file(home: Home) -> None:
    home.run("up", "--clusters", "1")
    assert home.processes()

    home.run("down")

    assert home.processes() == []
    assert home.files() == []


def test_data_ports_and_trust_outlive_a_stop_that_keeps_them(home: Home) -> None:
    home.run("up", "--name", "a", "--clusters", "1")
    before = home.run("kubeconfig", "--name", "a")
    _write(labs.get("a"))

    home.run("down", "--name", "a", "--keep")
    assert home.processes() == []
    assert json.loads(home.run("status", "-o", "json"))["labs"][0]["state"] == "stopped"
    home.run("up", "--name", "a")

    assert home.run("kubeconfig", "--name", "a") == before
    assert labs.get("a").api("west").get(NOTE)["data"] == {"a": "b"}


def test_a_kept_lab_whose_port_is_taken_gets_new_ones_and_keeps_its_data(home: Home) -> None:
    lab = labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(1)))
    _write(lab)
    labs.down("a", keep=True)
    port = int(lab.clusters["west"].server.rpartition(":")[2])

    with socket.create_server((ports.HOST, port)):
        again = labs.up(lab.spec)

    assert again.clusters["west"].server != lab.clusters["west"].server
    assert again.api("west").get(NOTE)["data"] == {"a": "b"}


def test_two_labs_run_side_by_side_and_one_goes_without_the_other(home: Home) -> None:
    first = labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(1)))
    second = labs.up(spec.LabSpec(name="b", clusters=spec.default_clusters(1)))
    assert {lab.name for lab in labs.running()} == {"a", "b"}
    assert labs.kubeconfigs() == (first.kubeconfig_path, second.kubeconfig_path)

    labs.down("a")

    assert labs.names() == ("b",)
    assert second.is_up
    assert second.api("west").is_ready()


@pytest.mark.parametrize(
    ("program", "anew"),
    [
        ("kube-scheduler", ["kube-scheduler"]),
        # who lost the API server would wait up to a minute before asking it again
        ("kube-apiserver", ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"]),
    ],
)
def test_up_again_starts_what_is_down_and_what_waits_for_it(
    home: Home, program: str, anew: list[str]
) -> None:
    lab = labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(1)))
    before = lab.clusters["west"].processes
    lab.kill("west", program)

    labs.up(lab.spec)

    after = lab.clusters["west"].processes
    assert [name for name in before if before[name] != after[name]] == anew


def test_a_lab_of_other_clusters_under_the_same_name_is_refused(home: Home) -> None:
    labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(1)))

    with pytest.raises(errors.ConflictError, match="exists with other clusters"):
        labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(2)))


def test_a_fleet_gives_names_contexts_regions_and_a_witness(home: Home, tmp_path: Path) -> None:
    fleet = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": "shop"},
        "spec": {
            "witness": {"context": "ops"},
            "clusters": [{"name": "us", "id": 1, "region": "us-west4", "context": "gke_shop_us", "nodes": 2}],
        },
    }
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "fleet.yaml").write_text(yaml.safe_dump(fleet))

    home.run("up", "--name", "shop", "-f", str(folder))

    config = yaml.safe_load(home.run("kubeconfig", "--name", "shop"))
    assert [each["name"] for each in config["contexts"]] == ["gke_shop_us", "ops"]
    lab = labs.get("shop")
    nodes = lab.api("us").get("/api/v1/nodes")["items"]
    zones = [node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes]
    assert zones == ["us-west4-a", "us-west4-b"]
    assert lab.api("witness").get("/api/v1/nodes")["items"] == []
    assert "kube-scheduler" not in lab.clusters["witness"].programs


def test_a_small_etcd_quota_stops_writes(new_lab: NewLab) -> None:
    lab = new_lab(1, etcd_quota=4 * 1024 * 1024)
    text = "x" * 500_000

    answers = [
        lab.api("west").ask(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            {"metadata": {"name": f"big-{number}"}, "data": {"text": text}},
        )
        for number in range(20)
    ]

    assert any(b"database space exceeded" in body for _, body in answers)


def test_a_lab_that_is_not_there_is_named_with_those_that_are(home: Home) -> None:
    assert "there is no lab 'nope'" in home.run("kubeconfig", "--name", "nope", code=2)
    assert home.run("down", "--name", "nope") == "lab nope: there is none\n"
