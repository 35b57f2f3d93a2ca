"""From what every cluster answered to a plan."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.model import finding, plan
from isthmus.rollout import plan as plans
from tests.rollout import worlds

if TYPE_CHECKING:
    from isthmus.model import app as apps
    from isthmus.rollout import observed, release

OLD, NEW = worlds.config("1"), worlds.config("2")


def up(app: apps.App, seen: dict[str, observed.Observed], wanted: Any = None, **asked: Any) -> plan.Plan:
    rendered = dict.fromkeys(seen, wanted or worlds.rendered(NEW))
    return plans.up(app, worlds.fleet(), rendered=rendered, observed=seen, **asked)


def everywhere(one: observed.Observed) -> dict[str, observed.Observed]:
    return {name: dataclasses.replace(one, cluster=name) for name in worlds.NAMES}


def actions(made: plan.Plan) -> list[list[tuple[str, str, int | None]]]:
    return [[(step.cluster, step.action.value, step.revision) for step in wave] for wave in made.waves]


def codes(made: plan.Plan) -> list[tuple[str, str | None]]:
    return [(found.code, found.cluster) for found in made.findings]


def test_each_cluster_gets_what_it_lacks() -> None:
    running = worlds.revision(3, OLD)
    seen = {
        "west": worlds.seen(),
        "east": worlds.seen(running, live=[(OLD, NEW)]),
        "central": worlds.seen(worlds.revision(7, NEW), live=[(NEW, NEW)]),
    }

    made = up(worlds.app(["west"], ["east", "central"]), seen)

    assert actions(made) == [
        [("west", "install", None)],
        [("east", "upgrade", 3), ("central", "keep", 7)],
    ]
    assert [step.undo.value for step in made.steps] == ["uninstall", "rollback", "keep"]
    assert not made.is_empty


@pytest.mark.parametrize(
    ("history", "action", "base"),
    [
        ([], "install", None),
        ([worlds.revision(1, OLD, status="pending-install")], "install", None),
        ([worlds.revision(1, OLD, status="failed")], "install", None),
        ([worlds.revision(1, OLD, status="uninstalled")], "install", None),
        ([worlds.revision(1, OLD), worlds.revision(2, NEW, status="pending-upgrade")], "upgrade", 1),
        ([worlds.revision(1, OLD), worlds.revision(2, NEW, status="failed")], "upgrade", 1),
        ([worlds.revision(1, OLD, status="superseded"), worlds.revision(2, NEW)], "keep", 2),
    ],
)
def test_the_way_back_leads_to_the_newest_revision_that_ran(
    history: list[release.Release], action: str, base: int | None
) -> None:
    made = up(worlds.app(["west"]), {"west": worlds.seen(*history, live=[(NEW, NEW)])})

    assert actions(made) == [[("west", action, base)]]


def test_a_pending_release_is_planned_and_said() -> None:
    history = worlds.revision(1, OLD), worlds.revision(2, NEW, status="pending-upgrade")

    made = up(worlds.app(["west"]), {"west": worlds.seen(*history, live=[(OLD, NEW)])})

    (said,) = made.findings
    assert (said.code, said.severity, said.cluster) == ("pending-release", "warning", "west")
    assert "pending-upgrade at revision 2 since 2026-11-22T10:00:00" in said.message


def test_drift_alone_is_a_reason_to_write() -> None:
    drifted = worlds.config("edited")

    made = up(worlds.app(["west"]), {"west": worlds.seen(worlds.revision(1, NEW), live=[(drifted, NEW)])})

    assert actions(made) == [[("west", "upgrade", 1)]]
    assert [(one.verb.value, one.fields) for one in made.steps[0].changes] == [("update", ("data.version",))]


def test_what_differs_on_every_render_is_named_and_changes_nothing() -> None:
    first, second, live = (
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": word}}
        for word in ("one", "two", "three")
    )
    stored = {**live, "data": {"password": "dGhyZWU="}}
    answered = {**first, "data": {"password": "b25l"}}
    for body in (stored, answered):
        del body["stringData"]

    made = up(
        worlds.app(["west"]),
        {"west": worlds.seen(worlds.revision(1, live), live=[(stored, answered)])},
        wanted=worlds.rendered(first, again=[second]),
    )

    assert actions(made) == [[("west", "keep", 1)]]
    assert made.steps[0].unstable == ("Secret/db:stringData.password",)
    assert codes(made) == [("unstable-render", "west")]


def test_a_new_namespace_is_part_of_the_plan_and_stays_on_the_way_back() -> None:
    made = up(worlds.app(["west"]), {"west": worlds.seen(exists=False, live=[(None, NEW)])})

    (step,) = made.steps
    assert [(one.verb.value, one.kind, one.name) for one in step.changes] == [
        ("create", "Namespace", "data"),
        ("create", "ConfigMap", "db"),
    ]
    assert step.stays == ("Namespace data",)


def test_what_the_chart_no_longer_has_is_deleted_and_what_is_kept_is_not() -> None:
    kept = worlds.config("1", "kept", annotations={"helm.sh/resource-policy": "keep"})
    history = worlds.revision(1, NEW, worlds.config("1", "gone"), kept)

    made = up(worlds.app(["west"]), {"west": worlds.seen(history, live=[(NEW, NEW)])})

    assert [(one.verb.value, one.name) for one in made.steps[0].changes] == [("delete", "gone")]


SILENT = worlds.seen(error="no answer", answers=False)


@pytest.mark.parametrize(
    ("membership", "severity", "left_out", "remedy"),
    [
        ("required", "error", (), "bring it back; or name the others with --only"),
        ("optional", "warning", (("east", "no answer"),), "level it later: isthmus deploy up db --only east"),
        ("catch-up", "warning", (("east", "no answer"),), "level it later: isthmus deploy up db --only east"),
    ],
)
def test_a_silent_cluster_stops_the_plan_only_where_it_is_required(
    membership: str, severity: str, left_out: tuple[tuple[str, str], ...], remedy: str
) -> None:
    app = worlds.app(["west"], ["east"], members={"east": membership})

    made = up(app, {"west": worlds.seen(live=[(None, NEW)]), "east": SILENT})

    assert actions(made) == [[("west", "install", None)]]
    assert made.left_out == left_out
    (said,) = made.findings
    assert (said.code, said.severity, said.cluster, said.remedy) == (
        "cluster-silent",
        severity,
        "east",
        remedy,
    )
    assert (said.kind, said.namespace, said.name) == ("App", "data", "db")


def test_a_plan_that_is_left_without_any_cluster_is_an_error() -> None:
    app = worlds.app(["west"], ["east"], members={"east": "optional"})

    made = up(app, {"east": SILENT}, only=["east"])

    assert actions(made) == []
    assert [(one.code, one.severity, one.cluster) for one in made.findings] == [
        ("cluster-silent", "error", "east")
    ]


OBSTACLES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a namespace that goes": ({"terminating": True}, "namespace-terminating", "error"),
    "an account that is not there": ({"account": False}, "no-service-account", "error"),
    "a server that refuses": ({"refused": ("ConfigMap db: denied",)}, "refused", "error"),
    "a user who may not fence": ({"fenced": False}, "not-fenced", "warning"),
    "a change that helm cannot take back": ({"stuck": ("immutable",)}, "no-return", "warning"),
}


@pytest.mark.parametrize("case", OBSTACLES)
def test_an_obstacle_is_a_finding_of_its_cluster(case: str) -> None:
    said, code, severity = OBSTACLES[case]

    made = up(worlds.app(["west"]), {"west": worlds.seen(worlds.revision(1, OLD), live=[(OLD, NEW)], **said)})

    assert [(one.code, one.severity, one.cluster) for one in made.findings] == [(code, severity, "west")]
    assert finding.has_errors(made.findings) is (severity == "error")


def test_a_cluster_that_answers_and_refuses_is_not_called_silent() -> None:
    made = up(worlds.app(["west"]), {"west": worlds.seen(error="forbidden")})

    assert codes(made) == [("cluster-refuses", "west")]


def test_two_voters_are_an_error() -> None:
    fleet = worlds.fleet("west", "east")

    made = plans.down(worlds.app(["west"]), fleet, observed={"west": worlds.seen()})

    assert codes(made) == [("two-voters", None)]


def test_only_some_clusters_keeps_their_waves_in_order() -> None:
    seen = everywhere(worlds.seen(worlds.revision(1, OLD), live=[(OLD, NEW)]))

    made = up(worlds.app(), {name: seen[name] for name in ("west", "central")}, only=("central", "west"))

    assert [[step.cluster for step in wave] for wave in made.waves] == [["west"], ["central"]]


def test_a_cluster_that_the_app_left_keeps_its_release_and_is_named() -> None:
    made = up(worlds.app(["west"]), {"west": worlds.seen(live=[(None, NEW)])}, strays=("east",))

    (said,) = made.findings
    assert (said.code, said.severity, said.cluster) == ("release-kept", "info", "east")
    assert said.remedy == "take it out: isthmus deploy down db --only east"


def test_down_takes_out_a_cluster_that_the_app_left() -> None:
    seen = {"east": worlds.seen(worlds.revision(4, OLD))}

    made = plans.down(worlds.app(["west"]), worlds.fleet(), observed=seen, only=("east",))

    assert actions(made) == [[("east", "uninstall", 4)]]


def test_down_goes_from_the_last_wave_to_the_first_and_holds_on_failure() -> None:
    claims = worlds.stateful("1", volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    seen = everywhere(worlds.seen(worlds.revision(2, claims))) | {"west": worlds.seen()}

    made = plans.down(worlds.app(gates=["ready", "approve"]), worlds.fleet(), observed=seen)

    assert actions(made) == [
        [("central", "uninstall", 2)],
        [("east", "uninstall", 2)],
        [("west", "keep", None)],
    ]
    assert (made.gates, made.on_failure) == ((), "hold")
    assert made.step("east").stays == ("PersistentVolumeClaim data-db-*",)


def back(history: list[release.Release], revision: int | None, **said: Any) -> plan.Plan:
    past = worlds.running(worlds.made([worlds.step("west", revision=revision)]), west="done")
    seen = {"west": worlds.seen(*history, **said)}
    return plans.rollback(worlds.app(["west"]), worlds.fleet(), past=past, observed=seen)


def test_rollback_goes_to_the_revision_before_the_operation() -> None:
    made = back([worlds.revision(1, OLD, status="superseded"), worlds.revision(2, NEW)], 1, live=[(NEW, OLD)])

    (step,) = made.steps
    assert (step.action, step.revision, step.target) == ("rollback", 2, 1)
    assert [one.fields for one in step.changes] == [("data.version",)]


def test_rollback_keeps_what_is_there_already() -> None:
    assert actions(back([worlds.revision(1, OLD)], 1)) == [[("west", "keep", 1)]]


def test_rollback_of_an_install_has_nowhere_to_go() -> None:
    made = back([worlds.revision(1, OLD)], None)

    assert actions(made) == [[("west", "keep", 1)]]
    assert codes(made) == [("no-earlier-revision", "west")]


@pytest.mark.parametrize("history", [[], [worlds.revision(9, NEW)]])
def test_rollback_to_a_revision_that_helm_forgot_is_refused(history: list[release.Release]) -> None:
    made = back(history, 1)

    assert codes(made) == [("revision-gone", "west")]
    assert finding.has_errors(made.findings)


def test_a_saved_plan_holds_while_the_world_does() -> None:
    seen = {"west": worlds.seen(worlds.revision(1, OLD), live=[(OLD, NEW)])}
    rendered = {"west": worlds.rendered(NEW)}
    saved = up(worlds.app(["west"]), seen)

    assert plans.moved(saved, rendered=rendered, observed=seen) == ()


MOVES: dict[str, tuple[observed.Observed, str]] = {
    "a new revision": (
        worlds.seen(worlds.revision(1, OLD, status="superseded"), worlds.revision(2, OLD), live=[(OLD, NEW)]),
        "west: release at revision 2, planned on 1",
    ),
    "a release that went": (worlds.seen(live=[(None, NEW)]), "west: release at revision none, planned on 1"),
    "an object edited by hand": (
        worlds.seen(worlds.revision(1, OLD), live=[(OLD | {"extra": 1}, NEW)]),
        "west: live objects changed since, the plan would now be another",
    ),
    "a server that does not answer": (worlds.seen(error="no answer"), "west: no answer"),
    "a server that now refuses": (
        worlds.seen(worlds.revision(1, OLD), live=[(OLD, NEW)], refused=("ConfigMap db: denied",)),
        "west: ConfigMap db: denied",
    ),
}


@pytest.mark.parametrize("case", MOVES)
def test_a_saved_plan_is_refused_when_the_world_has_moved(case: str) -> None:
    saved = up(worlds.app(["west"]), {"west": worlds.seen(worlds.revision(1, OLD), live=[(OLD, NEW)])})
    seen, why = MOVES[case]

    assert plans.moved(saved, rendered={"west": worlds.rendered(NEW)}, observed={"west": seen}) == (why,)


@pytest.mark.parametrize("verb", ["rollback", "down"])
def test_a_saved_plan_of_another_verb_is_checked_too(verb: str) -> None:
    history = [worlds.revision(1, OLD, status="superseded"), worlds.revision(2, NEW)]
    seen = {"west": worlds.seen(*history, live=[(NEW, OLD)])}
    past = worlds.running(worlds.made([worlds.step("west")]), west="done")
    saved = (
        plans.rollback(worlds.app(["west"]), worlds.fleet(), past=past, observed=seen)
        if verb == "rollback"
        else plans.down(worlds.app(["west"]), worlds.fleet(), observed=seen)
    )

    assert plans.moved(saved, rendered={}, observed=seen) == ()
