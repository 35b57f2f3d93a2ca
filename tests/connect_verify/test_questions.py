"""Every ordered pair is asked over every leg, and often enough that chance alone turns nothing red."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import folder
from isthmus.network import plan as networks
from isthmus.rollout.connect.proof import objects, questions

Leg = questions.Leg


def _plan(names: list[str], mtu: int = 1400) -> networks.Plan:
    clusters = [
        {"name": name, "id": number, "region": name, "context": name, "nodes": 1}
        for number, name in enumerate(names, start=1)
    ]
    paths = [{"between": [one, other], "mtu": mtu} for one, other in itertools.pairwise(names)]
    fleet = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": "shop"},
        "spec": {
            "addressing": {
                "pods": {"supernets": ["10.0.0.0/10"]},
                "services": {"supernets": ["10.96.0.0/12"]},
            },
            "network": {"cni": "cilium"},
            "paths": paths,
            "clusters": clusters,
        },
    }
    parsed = folder.parse([(str(Path("fleet.yaml")), yaml.safe_dump(fleet))], [])
    assert parsed.folder is not None, parsed.findings
    return networks.plan(parsed.folder)


def test_every_ordered_pair_is_asked_over_every_leg() -> None:
    names = ["west", "east", "central"]

    asked = questions.of(_plan(names), names)

    for leg in (Leg.POD_TCP, Leg.POD_UDP, Leg.SERVICE_LOCAL, Leg.SERVICE_REMOTE, Leg.LATENCY, Leg.POLICY):
        covered = [(each.source, target) for each in asked if each.leg is leg for target in each.targets]
        assert sorted(covered) == sorted((one, other) for one in names for other in names), leg


def test_a_packet_is_asked_where_the_plan_states_its_size_in_both_directions() -> None:
    asked = questions.of(_plan(["west", "east"]), ["west", "east"])

    found = {(each.source, each.target): each.planned for each in asked if each.leg is Leg.PACKET}
    assert found == {("west", "east"): 1350, ("east", "west"): 1350}


def test_a_stream_is_asked_for_alone_and_is_then_not_called_open() -> None:
    names = ["west", "east"]
    without, streamed = (questions.of(_plan(names), names, stream=seconds) for seconds in (0.0, 5.0))

    assert streamed[: len(without)] == without
    found = {(each.source, each.target): each.headers for each in streamed if each.leg is Leg.THROUGHPUT}
    share = 1 - 1350 / 1400
    assert found == {
        ("west", "west"): None, ("west", "east"): share, ("east", "west"): share, ("east", "east"): None
    }  # fmt: skip
    assert "throughput" in dict(questions.uncovered(without))
    assert "throughput" not in dict(questions.uncovered(streamed))


def test_only_some_clusters_are_asked_about_these_alone() -> None:
    asked = questions.of(_plan(["west", "east", "central"]), ["west", "central"])

    assert {name for each in asked for name in (each.source, *each.targets)} == {"west", "central"}


@pytest.mark.parametrize(("clusters", "tries"), [(1, 3), (2, 20), (3, 35), (500, 6901)])
def test_a_shared_service_is_asked_so_often_that_chance_hides_no_cluster(clusters: int, tries: int) -> None:
    assert questions.tries_for(clusters) == tries


@given(st.integers(2, 511))
def test_chance_alone_is_less_likely_than_what_is_allowed(clusters: int) -> None:
    assert questions.miss(clusters, questions.tries_for(clusters)) <= questions.DOUBT


def test_a_service_of_one_cluster_has_backends_there_alone() -> None:
    probes = objects.Probes(run="r1", image="i", clusters=("west", "east"))

    pods = {
        name: objects.deployment(probes, name)["spec"]["template"]["metadata"]["labels"]
        for name in probes.clusters
    }
    backends = {
        service["metadata"]["name"]: [
            name for name, labels in pods.items() if service["spec"]["selector"].items() <= labels.items()
        ]
        for service in objects.services(probes)
    }

    assert backends == {"everywhere": ["west", "east"], "only-west": ["west"], "only-east": ["east"]}
    assert all(
        each["metadata"]["annotations"]["service.cilium.io/global"] == "true"
        for each in objects.services(probes)
    )


def test_the_policy_shuts_the_port_that_is_asked_over_tcp_and_no_other() -> None:
    probes = objects.Probes(run="r1", image="i", clusters=("west",))

    opened = objects.policy(probes)["spec"]["ingress"][0]["ports"]

    assert {each["port"] for each in opened} == {questions.HTTP, questions.UDP}
