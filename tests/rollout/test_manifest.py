"""Rendered manifests as objects: what counts, and what does not."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from isthmus.rollout import manifest
from tests.rollout import worlds

Json = dict[str, Any]

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab:./[]", max_size=3)
bodies = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[Json, ...]:
    names = draw(st.lists(st.sampled_from(["db", "web", "job"]), unique=True, min_size=1))
    return tuple(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": draw(bodies)}
        for name in names
    )


@hypothesis.given(found=objects(), data=st.data())
def test_the_digest_does_not_depend_on_order(found: tuple[Json, ...], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(found))
    turned = [dict(reversed(list(body.items()))) for body in shuffled]

    assert manifest.digest(turned) == manifest.digest(found)


@hypothesis.given(found=objects(), other=bodies)
def test_the_digest_does_not_depend_on_unstable_paths(found: tuple[Json, ...], other: Any) -> None:
    second = copy.deepcopy(found)
    second[0]["data"] = other
    shaky = manifest.unstable(found, second)

    assert manifest.digest(found, shaky) == manifest.digest(second, shaky)
    assert (shaky == ()) == (list(manifest.leaves(found[0])) == list(manifest.leaves(second[0])))


@hypothesis.given(found=objects(), other=bodies)
def test_the_digest_tells_everything_else_apart(found: tuple[Json, ...], other: Any) -> None:
    second = copy.deepcopy(found)
    second[-1]["data"] = other
    is_same = dict(manifest.leaves(found[-1])) == dict(manifest.leaves(second[-1]))
    kinds = [type(value) for _, value in manifest.leaves(found[-1])]

    hypothesis.assume(kinds == [type(value) for _, value in manifest.leaves(second[-1])] or not is_same)
    assert (manifest.digest(found) == manifest.digest(second)) == is_same


@hypothesis.given(one=bodies, two=bodies)
def test_differing_is_symmetric_and_empty_only_for_equals(one: Any, two: Any) -> None:
    assert manifest.differing(one, two) == manifest.differing(two, one)
    assert manifest.differing(one, one) == ()


def test_lists_are_unfolded_and_empty_documents_dropped() -> None:
    items = "[{kind: ConfigMap, metadata: {name: a}}]"
    text = f"---\n# nothing\n---\nkind: ConfigMapList\nitems: {items}\n---\nkind: Pod\n"

    assert [manifest.ref(body)[1:] for body in manifest.split(text)] == [
        ("ConfigMap", None, "a"),
        ("Pod", None, ""),
    ]


def test_a_kind_of_the_user_that_ends_in_list_is_no_list() -> None:
    text = "apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: friends}\nspec: {}\n"

    assert [str(manifest.ref(body)) for body in manifest.split(text)] == ["AllowList friends"]


@pytest.mark.parametrize(
    ("policy", "kept"), [("keep", True), ("Keep", True), ("delete", False), (None, False)]
)
def test_only_the_policy_keep_keeps(policy: str | None, kept: bool) -> None:
    annotations = {"helm.sh/resource-policy": policy} if policy else {}

    assert manifest.is_kept(worlds.config("1", annotations=annotations)) is kept


def test_an_object_is_marked_as_helm_marks_it_and_the_original_stays() -> None:
    body = worlds.config("1", labels={"app": "db"})

    marked = manifest.owned(body, "db", "data")

    assert marked["metadata"] == {
        "name": "db",
        "labels": {"app": "db", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "db", "meta.helm.sh/release-namespace": "data"},
    }
    assert body["metadata"] == {"name": "db", "labels": {"app": "db"}}


def test_an_object_that_only_one_render_has_is_unstable_as_a_whole() -> None:
    first, second = [worlds.config("1", "job-x")], [worlds.config("1", "job-y")]

    assert manifest.unstable(first, second) == ("ConfigMap/job-x", "ConfigMap/job-y")
