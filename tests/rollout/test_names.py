"""Pods of one name in two clusters of a mesh: nobody can tell them apart."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.model import fleet as fleets
from isthmus.model import plan
from isthmus.rollout import plan as plans
from tests.rollout import worlds

STATEFUL = worlds.stateful("1")
CILIUM: dict[str, Any] = {"network": {}}
ISTIO: dict[str, Any] = {"network": {"cni": "none"}, "mesh": {"istio": {}}}


def up(sections: dict[str, Any], **objects: list[worlds.Json]) -> plan.Plan:
    known = worlds.fleet().model_dump(mode="json", by_alias=True, exclude_unset=True)
    known["spec"] |= sections
    return plans.up(
        worlds.app([*objects]),
        fleets.Fleet.model_validate(known),
        rendered={name: worlds.rendered(*each) for name, each in objects.items()},
        observed={name: worlds.seen() for name in objects},
    )


def named(name: str, namespace: str | None = None) -> worlds.Json:
    return {**STATEFUL, "metadata": {"name": name} | ({"namespace": namespace} if namespace else {})}


@pytest.mark.parametrize(
    ("sections", "west", "east", "told"),
    [
        (CILIUM, [STATEFUL], [STATEFUL], ["data/db is in west, east: each has a pod db-0"]),
        (ISTIO, [STATEFUL], [STATEFUL], ["data/db"]),
        (CILIUM, [named("a"), named("b")], [named("b"), named("a")], ["data/a", "data/b"]),
        (CILIUM, [named("db", "data")], [named("db")], ["data/db"]),
        (CILIUM, [named("db", "one")], [named("db", "two")], []),
        (CILIUM, [named("db-west")], [named("db-east")], []),
        (CILIUM, [worlds.config("1")], [worlds.config("1")], []),
        ({"network": {"cni": "none"}}, [STATEFUL], [STATEFUL], []),
        ({"network": {"cni": "none"}, "mesh": {"istio": {"enabled": False}}}, [STATEFUL], [STATEFUL], []),
        ({}, [STATEFUL], [STATEFUL], []),
    ],
)
def test_a_mesh_needs_names_that_are_unique_over_clusters(
    sections: dict[str, Any], west: list[worlds.Json], east: list[worlds.Json], told: list[str]
) -> None:
    made = up(sections, west=west, east=east)
    found = [each for each in made.findings if each.code == "statefulset-name-twice"]

    assert len(found) == len(told)
    for each, words in zip(found, told, strict=True):
        assert words in each.message
        assert (each.severity.value, each.kind, each.name, each.namespace) == ("warning", "App", "db", "data")
        assert "{fullnameOverride: db-NAME}" in each.remedy


def test_one_cluster_shares_its_names_with_nobody() -> None:
    assert "statefulset-name-twice" not in [each.code for each in up(CILIUM, west=[STATEFUL]).findings]
