from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isthmus.lab import labs, spec
from isthmus.model import errors
from tests.faults import scenes

if TYPE_CHECKING:
    from tests.lab.conftest import Home
    from tests.labs import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


def test_an_api_server_stops_and_comes_back_with_the_rest_untouched(new_lab: NewLab) -> None:
    lab = new_lab(2)
    before = lab.clusters["west"].processes

    lab.stop("west", "kube-apiserver")
    assert not lab.api("west").is_ready()
    assert lab.api("east").is_ready()
    lab.start("west", "kube-apiserver")

    after = lab.clusters["west"].processes
    assert lab.api("west").is_ready()
    assert [name for name in before if before[name] != after[name]] == ["kube-apiserver"]


def test_nodes_whose_program_is_started_anew_go_on_with_their_pods(new_lab: NewLab) -> None:
    lab = new_lab(1)
    api, pods = lab.api("west"), "/api/v1/namespaces/default/pods"
    body = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "main", "image": "example/main"}]}}
    api.create(pods, body)
    scenes.until("a pod runs", lambda: api.get(f"{pods}/a")["status"]["phase"] == "Running")

    lab.kill("west", "kwok")
    api.delete(f"{pods}/a")
    lab.start("west", "kwok")

    scenes.until("the pod found there is gone", lambda: api.get(f"{pods}/a") is None, seconds=30)
    scenes.runs_pods(lab, "west")


def test_a_frozen_api_server_answers_nobody_until_it_is_thawed(new_lab: NewLab) -> None:
    lab = new_lab(1)

    lab.freeze("west", "kube-apiserver")
    assert not lab.control("west").api(seconds=1).is_ready()
    assert not lab.is_up
    lab.thaw("west", "kube-apiserver")

    assert lab.api("west").is_ready()


@pytest.mark.parametrize("keep", [False, True])
def test_a_lab_with_frozen_programs_goes_down(home: Home, *, keep: bool) -> None:
    lab = labs.up(spec.LabSpec(name="a", clusters=spec.default_clusters(1)))
    for program in lab.clusters["west"].programs:
        lab.freeze("west", program)

    labs.down("a", keep=keep)

    assert home.processes() == []


def test_freezing_what_does_not_run_is_refused(new_lab: NewLab) -> None:
    lab = new_lab(1)
    lab.kill("west", "kwok")

    with pytest.raises(errors.InputError, match="kwok does not run"):
        lab.freeze("west", "kwok")
