"""What a release changes in one cluster."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.model import plan
from isthmus.rollout import diff
from tests.rollout import worlds

Json = dict[str, Any]


def test_what_is_not_there_is_created() -> None:
    assert diff.compare(None, worlds.config("1")) == plan.Change(
        verb=plan.Verb.CREATE, kind="ConfigMap", namespace=None, name="db"
    )


def test_a_change_names_its_fields_and_never_values() -> None:
    change = diff.compare(worlds.config("1"), worlds.config("secret"))

    assert change is not None
    assert (change.verb, change.fields) == (plan.Verb.UPDATE, ("data.version",))
    assert "secret" not in repr(change)


@pytest.mark.parametrize(
    "noise",
    [
        {
            "metadata": {
                "name": "db",
                "resourceVersion": "7",
                "generation": 2,
                "managedFields": [{"manager": "helm"}],
            }
        },
        {"metadata": {"name": "db", "uid": "u", "creationTimestamp": "2026-11-22T10:00:00Z"}},
        {"status": {"replicas": 1}},
    ],
)
def test_what_every_write_touches_is_no_change(noise: Json) -> None:
    assert diff.compare(worlds.config("1"), worlds.config("1") | noise) is None


def test_a_field_of_the_user_that_begins_like_noise_is_a_change() -> None:
    live = worlds.config("1") | {"statusPage": "old"}

    change = diff.compare(live, live | {"statusPage": "new"})

    assert change is not None
    assert change.fields == ("statusPage",)


def test_objects_that_the_chart_no_longer_has_go_and_kept_ones_stay() -> None:
    kept = worlds.config("1", "kept", annotations={"helm.sh/resource-policy": "keep"})
    old = [worlds.config("1"), worlds.config("1", "gone"), kept]

    assert [(one.verb, one.name) for one in diff.removed(old, [worlds.config("2")])] == [
        (plan.Verb.DELETE, "gone")
    ]


def test_an_object_under_a_newer_version_of_its_group_is_the_same_object() -> None:
    old = {**worlds.stateful("1"), "apiVersion": "apps/v1beta2"}

    assert diff.removed([old], [worlds.stateful("1")]) == ()


def test_an_uninstall_leaves_claims_kept_objects_and_definitions() -> None:
    claims = [{"metadata": {"name": "data"}}]
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    old = [
        worlds.stateful("1", volumeClaimTemplates=claims),
        worlds.config("1", "kept", annotations={"helm.sh/resource-policy": "keep"}),
        {**definition, "metadata": {"name": "rings.example.com"}},
        worlds.config("1"),
    ]

    assert diff.stays(old) == (
        "PersistentVolumeClaim data-db-*",
        "ConfigMap kept",
        "CustomResourceDefinition rings.example.com",
    )


def test_claims_that_go_with_their_set_do_not_stay() -> None:
    policy = {"whenDeleted": "Delete"}
    claims = [{"metadata": {"name": "data"}}]
    body = worlds.stateful("1", volumeClaimTemplates=claims, persistentVolumeClaimRetentionPolicy=policy)

    assert diff.stays([body]) == ()


ROLLING: list[tuple[Json, tuple[str, ...]]] = [
    ({}, ("db-2", "db-1", "db-0")),
    ({"updateStrategy": {"rollingUpdate": {"partition": 2}}}, ("db-2",)),
    ({"updateStrategy": {"type": "OnDelete"}}, ()),
    ({"ordinals": {"start": 5}}, ("db-7", "db-6", "db-5")),
    ({"ordinals": {"start": 5}, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, ("db-7", "db-6")),
]


@pytest.mark.parametrize(("spec", "pods"), ROLLING)
def test_a_stateful_set_restarts_from_its_highest_pod(spec: Json, pods: tuple[str, ...]) -> None:
    pairs = [(worlds.stateful("1", **spec), worlds.stateful("2", **spec))]

    assert diff.restarts(pairs) == (plan.Restart(kind="StatefulSet", name="db", pods=pods),)


def test_what_leaves_the_template_alone_restarts_nothing() -> None:
    pairs = [(worlds.stateful("1"), worlds.stateful("1", replicas=5)), (None, worlds.stateful("1"))]

    assert diff.restarts(pairs) == ()
