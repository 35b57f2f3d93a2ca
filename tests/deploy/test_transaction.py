"""The main job on real servers: forward together, or back together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def test_an_app_goes_up_wave_by_wave(shop: shops.Shop) -> None:
    shop.run("up")

    shop.check_whole("1")
    (operation,) = shop.history()
    assert operation["outcome"] == "succeeded"
    assert [(run["cluster"], run["wave"], run["state"]) for run in operation["runs"]] == [
        ("west", 0, "done"),
        ("east", 1, "done"),
        ("central", 1, "done"),
    ]


def test_a_version_that_never_gets_ready_in_the_last_cluster_takes_all_of_them_back(shop: shops.Shop) -> None:
    shop.run("up")
    shop.spec["rollout"]["timeout"] = "6s"
    shop.set({"version": "2"}, central={"never": True})

    done = shop.run("up", code=1)

    assert "rolling back every cluster that was touched" in done.out
    shop.check_whole("1")
    assert [operation["outcome"] for operation in shop.history()] == ["succeeded", "rolled-back"]


def test_a_first_install_that_fails_is_taken_out_everywhere(shop: shops.Shop) -> None:
    shop.spec["rollout"]["timeout"] = "6s"
    shop.set({"version": "2"}, central={"never": True})

    shop.run("up", code=1)

    shop.check_whole(None)
    assert all(shop.releases(name) == [] for name in shop.clusters)
