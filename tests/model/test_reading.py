from __future__ import annotations

import pytest

from isthmus.model import app, errors, folder, types
from tests.model import worlds


def shop() -> folder.Folder:
    return worlds.read(worlds.FLEET, worlds.APP)


def test_a_folder_becomes_values_of_its_kinds() -> None:
    read = shop()

    assert [each.name for each in read.fleet.clusters] == ["west", "east"]
    assert read.fleet.cluster("west").growth == 3.0
    assert read.fleet.witness is not None
    assert read.app().waves == (("west",), ("east",))
    assert read.app().release == "cassandra"
    assert read.app().member("east").membership is app.Membership.OPTIONAL


def test_durations_become_seconds_and_gates_keep_their_order() -> None:
    rollout = shop().app().spec.rollout

    assert rollout.timeout == 90.0
    assert [(gate.name, gate.bake) for gate in rollout.gates] == [
        ("ready", 0.0),
        ("bake", 120.0),
        ("approve", 0.0),
    ]
    assert [str(gate) for gate in rollout.gates] == ["ready", "bake 2m", "approve"]


def test_an_app_without_a_rollout_has_one_wave_behind_ready() -> None:
    bare = worlds.read(worlds.FLEET, worlds.APP.split("  rollout:")[0]).app()

    assert bare.waves == (("west", "east"),)
    assert [gate.name for gate in bare.spec.rollout.gates] == ["ready"]
    assert bare.spec.rollout.on_failure is app.OnFailure.ROLLBACK_ALL
    assert bare.spec.rollout.timeout == 600.0


def test_several_documents_may_stand_in_one_file() -> None:
    read = worlds.read(worlds.FLEET + "---\n" + worlds.APP + "---\n")

    assert read.where(read.app()) == ("1.yaml", 15)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("spec", "addressing", "pods"), 6),
        (("spec", "clusters", 1, "pods"), 13),
        (("spec", "clusters", 1, "nodeRange"), 13),
        (("spec", "nothing", "below"), 4),
    ],
)
def test_every_path_has_a_line_or_that_of_its_nearest_parent(path: folder.Path, line: int) -> None:
    read = shop()

    assert read.where(read.fleet, path) == ("1.yaml", line)


def test_an_unknown_app_or_cluster_is_refused_with_near_names() -> None:
    read = shop()

    with pytest.raises(errors.InputError, match="cassandre") as unknown_app:
        read.app("cassandre")
    with pytest.raises(errors.InputError, match="wets") as unknown_cluster:
        read.fleet.cluster("wets")
    assert "cassandra" in unknown_app.value.remedy
    assert "west" in unknown_cluster.value.remedy


def test_the_only_app_needs_no_name_and_one_of_several_does() -> None:
    other = worlds.APP.replace("name: cassandra,", "name: redis,")
    read = worlds.read(worlds.FLEET, worlds.APP, other)

    assert shop().app().name == "cassandra"
    assert read.app("redis").name == "redis"
    with pytest.raises(errors.InputError, match="several"):
        read.app()


def test_values_of_an_app_do_not_show_in_its_repr() -> None:
    text = worlds.APP.replace("clusterName: shop", "note: hunter2").replace("dc: west", "note: hunter2")

    assert "hunter2" not in repr(worlds.read(worlds.FLEET, text))


@pytest.mark.parametrize("text", ["500ms", "10s", "2m", "1h", "90s", "24h"])
def test_a_duration_reads_back_as_it_is_shown(text: str) -> None:
    assert types.seconds(types.duration_text(types.seconds(text))) == types.seconds(text)
