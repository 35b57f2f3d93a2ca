from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from isthmus.lab import labs

pytestmark = pytest.mark.lab


def test_the_shared_lab_has_three_clusters_that_run(lab: labs.Lab) -> None:
    assert tuple(lab.clusters) == ("west", "east", "central")
    assert lab.is_up


def test_a_new_namespace_is_in_every_cluster(lab: labs.Lab, namespace: str) -> None:
    found = [lab.api(cluster).get(f"/api/v1/namespaces/{namespace}") for cluster in lab.clusters]

    assert [each["metadata"]["name"] for each in found] == [namespace] * 3
