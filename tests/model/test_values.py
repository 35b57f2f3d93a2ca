from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import app, secrets
from tests.model import worlds

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
TREES = st.recursive(
    LEAVES, lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=8
)
MAPS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"x": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
    ],
)
def test_maps_merge_and_all_else_is_replaced(base: Any, over: Any, merged: Any) -> None:
    assert app.merge_values(base, over) == merged


def test_a_null_stays_so_that_helm_deletes_the_default_of_the_chart() -> None:
    assert app.merge_values({"a": {"x": 1}}, {"a": {"x": None}}) == {"a": {"x": None}}


@given(MAPS, MAPS, MAPS)
def test_laying_over_twice_is_laying_over_the_merged(one: Any, two: Any, three: Any) -> None:
    # Not associative in general (a scalar between two maps hides the first), so: the last one always wins.
    merged = app.merge_values(app.merge_values(one, two), three)

    assert app.merge_values(merged, three) == merged


@given(MAPS)
def test_nothing_laid_over_changes_nothing(values: Any) -> None:
    assert app.merge_values(values, {}) == values
    assert app.merge_values({}, values) == values


def test_the_cluster_wins_over_the_app_and_inline_over_references() -> None:
    text = worlds.APP.replace(
        "{values: {dc: west}}", "{values: {dc: west}, valuesFrom: [{configMap: tuning}]}"
    )
    read = worlds.read(worlds.FLEET, text).app()

    layers = [
        each if isinstance(each, dict) else each.secret or each.config_map for each in read.layers("west")
    ]
    assert layers == ["cassandra-secrets", {"clusterName": "shop"}, "tuning", {"dc": "west"}]
    assert read.values_for("west") == {"clusterName": "shop", "dc": "west"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("adminPassword",), "hunter2"),
        (("auth", "password"), "hunter2"),
        (("apiKey",), "hunter2"),
        (("API_TOKEN",), "hunter2"),
        (("tls", "privateKey"), "hunter2"),
        (("secrets", "db"), "hunter2"),
        (("env", 0, "clientSecret"), "hunter2"),
        (("tls", "data"), "-----BEGIN RSA PRIVATE KEY-----\nMII"),
    ],
)
def test_a_literal_secret_is_recognised_by_its_key(path: tuple[str | int, ...], value: object) -> None:
    assert secrets.is_secret(path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("existingSecret",), "cassandra"),
        (("secretName",), "cassandra"),
        (("auth", "secretKeyRef", "name"), "cassandra"),
        (("auth", "secretKeyRef", "key"), "password"),
        (("imagePullSecrets", 0), "registry"),
        (("automountServiceAccountToken",), False),
        (("tokenTTL",), "1h"),
        (("password",), ""),
        (("passwordLength",), "16"),
        (("clusterName",), "shop"),
    ],
)
def test_a_name_or_reference_of_a_secret_is_none(path: tuple[str | int, ...], value: object) -> None:
    assert not secrets.is_secret(path, value)


def test_a_literal_secret_is_a_warning_that_does_not_repeat_it() -> None:
    parsed = worlds.parse(worlds.FLEET, worlds.APP.replace("clusterName: shop", "adminPassword: hunter2"))

    [found] = parsed.findings
    assert parsed.folder is not None
    assert (found.code, found.severity.value, found.file, found.line) == (
        "secret-in-values",
        "warning",
        "2.yaml",
        7,
    )
    assert "valuesFrom" in found.remedy
    assert "hunter2" not in repr(found)


def test_a_word_that_yaml_takes_for_a_boolean_is_a_warning_in_values() -> None:
    [found] = worlds.parse(worlds.FLEET, worlds.APP.replace("dc: west", "country: no")).findings

    assert (found.code, found.line, found.cluster) == ("ambiguous-boolean", 10, "west")
