"""Every ordered pair is asked over every leg, and often enough that chance alone turns nothing red."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import folder
from isthmus.network import plan as networks
from isthmus.rollout.connect.proof import objects, questions

Leg = questions.Leg


def _plan(
    names: list[str],
    mtu: int = 1400,
    *,
    istio: dict[str, Any] | None = None,
    without: str = "",
    clusterset: bool = False,
) -> networks.Plan:
    """Return the plan of a Fleet, with Istio in all clusters but one, or in none."""
    clusters = [
        {"name": name, "id": number, "region": name, "context": name, "nodes": 1}
        | ({"istio": {"enabled": False}} if name == without else {})
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
            "network": {"cni": "cilium", "clusterset": clusterset},
            **({"mesh": {"istio": istio}} if istio is not None else {}),
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


SIDECARS = (Leg.MESHED_LOCAL, Leg.MESHED_REMOTE, Leg.PLAIN_REFUSED)


def _ways(asked: tuple[questions.Question, ...], leg: Leg) -> list[tuple[str, str]]:
    return sorted((each.source, target) for each in asked if each.leg is leg for target in each.targets)


def test_without_istio_and_clusterset_nothing_is_asked_of_them_and_both_are_called_open() -> None:
    asked = questions.of(_plan(["west", "east"]), ["west", "east"])

    assert not {each.leg for each in asked} & {*SIDECARS, Leg.NAME}
    assert {"identity", "names", "stubs"} <= set(dict(questions.uncovered(asked)))


def test_with_istio_every_pair_that_has_it_is_asked_from_sidecars_and_to_them() -> None:
    names = ["west", "east", "central"]
    plan = _plan(names, istio={"trustDomain": "shop.local"}, without="central")

    asked = questions.of(plan, names)

    for leg in SIDECARS:
        assert _ways(asked, leg) == sorted(itertools.product(names[:2], repeat=2)), leg
    assert {each.identity for each in asked if each.leg in SIDECARS and each.source == "west"} == {
        "spiffe://shop.local/ns/isthmus-probe-mesh/sa/probe-west"
    }
    assert "identity" not in dict(questions.uncovered(asked))


@pytest.mark.parametrize(("mtls", "is_strict"), [({}, True), ({"mtls": "permissive"}, False)])
def test_a_refusal_is_expected_where_the_fleet_says_strict(mtls: dict[str, str], is_strict: bool) -> None:
    asked = questions.of(_plan(["west", "east"], istio=mtls), ["west", "east"])

    assert {each.is_strict for each in asked if each.leg is Leg.PLAIN_REFUSED} == {is_strict}


def test_a_clusterset_is_asked_by_name_between_all_clusters() -> None:
    names = ["west", "east"]

    asked = questions.of(_plan(names, clusterset=True), names)

    assert _ways(asked, Leg.NAME) == sorted(itertools.product(names, repeat=2))
    assert "names" not in dict(questions.uncovered(asked))


@pytest.mark.parametrize(
    ("leg", "spaces"),
    [
        (Leg.POD_TCP, ["isthmus-probe west", "isthmus-probe east"]),
        (Leg.NAME, ["isthmus-probe west", "isthmus-probe east"]),
        (Leg.MESHED_LOCAL, ["isthmus-probe-mesh west", "isthmus-probe-mesh east"]),
        (
            Leg.PLAIN_REFUSED,
            ["isthmus-probe west", "isthmus-probe-mesh west", "isthmus-probe-mesh east"],
        ),
    ],
)
def test_each_leg_says_which_probes_it_takes(leg: Leg, spaces: list[str]) -> None:
    asked = questions.Question(source="west", leg=leg, targets=("east",))

    assert [f"{space} {name}" for space, name in questions.needs(asked, "east")] == spaces


def test_probes_with_a_sidecar_stand_in_a_namespace_that_lets_their_init_container_in() -> None:
    probes = objects.Probes(run="r1", image="i", clusters=("west", "east"), meshed=("west",))
    west, east = objects.of(probes, "west"), objects.of(probes, "east")

    named = objects.names(west)
    assert [each for each in named if "mesh" in each] == [
        "Namespace isthmus-probe-mesh",
        "ServiceAccount isthmus-probe-mesh/probe-west",
        "Deployment isthmus-probe-mesh/probe",
        "Service isthmus-probe-mesh/everywhere",
        "Service isthmus-probe-mesh/only-west",
    ]
    assert objects.namespace(objects.Space.MESHED)["metadata"]["labels"] == {
        "istio-injection": "enabled",
        "pod-security.kubernetes.io/enforce": "privileged",
    }
    assert not [each for each in objects.names(east) if "mesh" in each]
    inject = {
        each["metadata"]["namespace"]: each["spec"]["template"]["metadata"]["labels"][objects.INJECT]
        for each in west
        if each["kind"] == "Deployment"
    }
    assert inject == {"isthmus-probe": "false", "isthmus-probe-mesh": "true"}


def test_where_nothing_is_meshed_and_nothing_exported_the_objects_are_the_plain_ones() -> None:
    probes = objects.Probes(run="r1", image="i", clusters=("west", "east"))

    assert objects.names(objects.of(probes, "west")) == [
        "Namespace isthmus-probe", "Deployment probe",
        "Service everywhere", "Service only-west", "Service only-east",
    ]  # fmt: skip
    labels = objects.deployment(probes, "west")["spec"]["template"]["metadata"]["labels"]
    assert set(labels) == {objects.APP, objects.RUN}


def test_what_is_exported_is_in_one_cluster_alone_and_not_global() -> None:
    probes = objects.Probes(run="r1", image="i", clusters=("west", "east"), exports=True)

    service, export = objects.exported(probes, "west")

    assert objects.names(objects.of(probes, "west"))[-2:] == [
        "Service exported-west", "ServiceExport exported-west"
    ]  # fmt: skip
    assert "annotations" not in service["metadata"]
    assert (export["apiVersion"], export["kind"]) == ("multicluster.x-k8s.io/v1beta1", "ServiceExport")
