from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.lab import spec
from isthmus.model import errors


@pytest.mark.parametrize(
    ("count", "names"),
    [(1, "west"), (3, "west east central"), (5, "west east central c4 c5")],
)
def test_clusters_nobody_named_are_west_east_central_and_then_numbered(count: int, names: str) -> None:
    assert [cluster.name for cluster in spec.default_clusters(count)] == names.split()


def test_a_context_nobody_named_is_lab_and_cluster() -> None:
    lab = spec.LabSpec(name="shop", clusters=spec.default_clusters(2))

    assert [cluster.context for cluster in lab.clusters] == ["shop-west", "shop-east"]


def test_a_context_of_a_fleet_stays() -> None:
    lab = spec.LabSpec(clusters=(spec.ClusterSpec(name="us", context="gke_shop_us"),))

    assert [cluster.context for cluster in lab.clusters] == ["gke_shop_us"]


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "../a", "a" * 41])
def test_a_name_that_cannot_be_a_folder_and_a_host_is_refused(name: str) -> None:
    with pytest.raises(errors.InputError, match="cannot name"):
        spec.LabSpec(name=name)


def test_two_clusters_of_one_context_are_refused() -> None:
    clusters = (spec.ClusterSpec(name="a", context="x"), spec.ClusterSpec(name="b", context="x"))

    with pytest.raises(errors.InputError, match="two clusters have the context 'x'"):
        spec.LabSpec(clusters=clusters)


def test_a_lab_of_no_clusters_is_refused() -> None:
    with pytest.raises(errors.InputError, match="a lab of 0 clusters"):
        spec.default_clusters(0)


@given(st.integers(1, 9), st.one_of(st.none(), st.integers(1, 2**40)))
def test_what_the_file_of_a_lab_keeps_reads_back_the_same(count: int, quota: int | None) -> None:
    lab = spec.LabSpec(name="shop", clusters=spec.default_clusters(count), etcd_quota=quota)

    assert spec.LabSpec.from_json(lab.to_json()) == lab
