"""Objects on a real API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.clients import kinds, kube
from isthmus.model import errors
from tests.clients import conftest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.lab

Json = dict[str, Any]


async def test_what_is_missing_is_none(west: kube.Cluster, namespace: str) -> None:
    assert await west.get(kinds.CONFIG_MAP, "none", namespace) is None
    assert (
        await west.get(kinds.Kind("none.dev", "v1", "None", "nones", namespaced=True), "x", namespace) is None
    )
    assert await west.delete(kinds.CONFIG_MAP, "none", namespace) is False


async def test_creating_twice_is_a_conflict(west: kube.Cluster, config_map: Callable[..., Json]) -> None:
    await west.create(kinds.CONFIG_MAP, config_map())

    with pytest.raises(errors.ConflictError, match="already exists") as caught:
        await west.create(kinds.CONFIG_MAP, config_map())

    assert caught.value.where == "west"


async def test_of_two_who_replace_one_version_one_wins(
    west: kube.Cluster, config_map: Callable[..., Json]
) -> None:
    made = await west.create(kinds.CONFIG_MAP, config_map())

    answers = await asyncio.gather(
        *(west.replace(kinds.CONFIG_MAP, made | {"data": {"by": str(one)}}) for one in range(2)),
        return_exceptions=True,
    )

    assert {type(answer) for answer in answers} == {errors.ConflictError, dict}


async def test_apply_takes_fields_over_only_by_force(
    west: kube.Cluster, config_map: Callable[..., Json]
) -> None:
    await west.apply(kinds.CONFIG_MAP, config_map(color="red"), manager="first")

    with pytest.raises(errors.ConflictError, match=r"first|\.data\.color"):
        await west.apply(kinds.CONFIG_MAP, config_map(color="blue"), manager="second", force=False)
    taken = await west.apply(kinds.CONFIG_MAP, config_map(color="blue"), manager="second")

    assert taken["data"] == {"color": "blue"}


async def test_a_dry_run_changes_nothing(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json]
) -> None:
    would_be = await west.apply(kinds.CONFIG_MAP, config_map(color="red"), dry_run=True)

    assert would_be["data"] == {"color": "red"}
    assert await west.get(kinds.CONFIG_MAP, "one", namespace) is None


async def test_an_object_read_can_be_applied(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json]
) -> None:
    await west.create(kinds.CONFIG_MAP, config_map(color="red"))
    read = await west.get(kinds.CONFIG_MAP, "one", namespace)
    assert read is not None

    assert (await west.apply(kinds.CONFIG_MAP, read, dry_run=True))["data"] == {"color": "red"}


async def test_another_object_of_the_same_name_is_not_deleted(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json]
) -> None:
    made = await west.create(kinds.CONFIG_MAP, config_map())

    with pytest.raises(errors.ConflictError):
        await west.delete(kinds.CONFIG_MAP, "one", namespace, uid="0b8c5f1e-0000-0000-0000-000000000000")

    assert await west.delete(kinds.CONFIG_MAP, "one", namespace, uid=made["metadata"]["uid"])


async def test_lists_are_read_page_by_page_and_items_know_their_kind(
    west: kube.Cluster, namespace: str, config_map: Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "PAGE", 2)
    await asyncio.gather(*(west.create(kinds.CONFIG_MAP, config_map(f"map-{n}")) for n in range(5)))

    found = await west.list(kinds.CONFIG_MAP, namespace, fields="metadata.name!=kube-root-ca.crt")

    assert [one["metadata"]["name"] for one in found] == [f"map-{n}" for n in range(5)]
    assert {(one["apiVersion"], one["kind"]) for one in found} == {("v1", "ConfigMap")}


async def test_labels_select(west: kube.Cluster, namespace: str, config_map: Callable[..., Json]) -> None:
    labelled = config_map("two")
    labelled["metadata"]["labels"] = {"app": "shop"}
    await west.create(kinds.CONFIG_MAP, config_map("one"))
    await west.create(kinds.CONFIG_MAP, labelled)

    found = await west.list(kinds.CONFIG_MAP, namespace, labels="app=shop")

    assert [one["metadata"]["name"] for one in found] == ["two"]


async def test_kinds_are_found_by_asking_the_server(west: kube.Cluster) -> None:
    assert await west.resolve("apps/v1", "StatefulSet") == kinds.STATEFUL_SET
    assert await west.resolve("v1", "Namespace") == kinds.NAMESPACE
    assert await west.resolve("apps/v1", "Nothing") is None
    assert await west.resolve("none.dev/v1", "None") is None


BROUGHT = {"cert-manager.io", "cilium.io", "networking.istio.io", "security.istio.io"}
"""Groups that charts bring: meshes of real nodes read and write them in their own tests."""


async def test_every_constant_is_as_the_server_serves_it(west: kube.Cluster) -> None:
    constants = [
        value
        for value in vars(kinds).values()
        if isinstance(value, kinds.Kind) and value.group not in BROUGHT
    ]

    assert [await west.resolve(one.api_version, one.kind) for one in constants] == constants


async def test_a_kind_that_appears_later_is_found(west: kube.Cluster) -> None:
    assert await west.resolve("tests.isthmus.dev/v1", "Later") is None
    crd = kinds.Kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
    )
    schema = {"openAPIV3Schema": {"type": "object"}}
    await west.apply(
        crd,
        {
            "metadata": {"name": "laters.tests.isthmus.dev"},
            "spec": {
                "group": "tests.isthmus.dev",
                "names": {"kind": "Later", "plural": "laters"},
                "scope": "Namespaced",
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        },
    )
    try:
        async with asyncio.timeout(10):
            while (found := await west.resolve("tests.isthmus.dev/v1", "Later")) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # a server tells nobody when it has found a new kind
    finally:
        await west.delete(crd, "laters.tests.isthmus.dev")

    assert found == kinds.Kind("tests.isthmus.dev", "v1", "Later", "laters", namespaced=True)


async def test_versions_are_told_as_helm_wants_them(west: kube.Cluster) -> None:
    found = await west.api_versions()

    assert {"v1", "v1/Pod", "apps/v1", "apps/v1/StatefulSet", "apps/v1/Scale"} <= set(found)
    assert (await west.server_version()).startswith("v1.")


async def test_rights_are_asked_of_the_server(west: kube.Cluster, namespace: str) -> None:
    token = await conftest.issue(west, namespace)

    async with west.as_token(token) as nobody:
        assert await nobody.allows("create", kinds.SECRET, namespace) is False
    assert await west.allows("create", kinds.SERVICE_ACCOUNT, namespace, subresource="token")


async def test_rights_are_listed_by_the_server_in_one_answer(west: kube.Cluster, namespace: str) -> None:
    token = await conftest.issue(west, namespace)

    async with west.as_token(token) as nobody:
        mine = await nobody.rights(namespace)
    assert not mine.include("create", kinds.SECRET)
    assert (await west.rights(namespace)).include("create", kinds.SERVICE_ACCOUNT, subresource="token")


async def test_a_token_acts_as_its_account_and_not_as_the_user(west: kube.Cluster, namespace: str) -> None:
    token = await conftest.issue(west, namespace)

    async with west.as_token(token) as nobody:
        with pytest.raises(errors.DeniedError, match="system:serviceaccount") as caught:
            await nobody.list(kinds.SECRET, namespace)

    assert token not in repr(nobody)
    assert "isthmus permissions" in caught.value.remedy


async def test_many_requests_at_once_are_answered(west: kube.Cluster, namespace: str) -> None:
    answers = await asyncio.gather(*(west.get(kinds.NAMESPACE, namespace) for _ in range(100)))

    assert all(answer is not None for answer in answers)
