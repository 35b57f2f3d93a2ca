"""What an App's Services say across clusters: which annotations and exports, and how they are taken back."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.model import app as apps
from isthmus.model import document
from isthmus.rollout import exposure, part

GLOBAL = {exposure.GLOBAL: "true"}


def app(*services: dict[str, Any]) -> apps.App:
    """Return an App in two clusters that exposes these Services."""
    spec = {"chart": {"path": "chart"}, "clusters": {"west": {}, "east": {}}, "services": list(services)}
    return apps.App(
        metadata=document.Metadata(name="shop", namespace="data"), spec=apps.AppSpec.model_validate(spec)
    )


def live(
    name: str, ours: dict[str, str] | None = None, others: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return a Service as a server has it: annotations of ours, and of others."""
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in ours or {}}}}
    managed = [{"manager": "helm", "fieldsV1": {}}]
    managed += [{"manager": part.MANAGER, "fieldsV1": fields}] if ours else []
    metadata = {"name": name, "annotations": {**(ours or {}), **(others or {})}, "managedFields": managed}
    return {"kind": "Service", "metadata": metadata}


def written(found: tuple[part.Part, ...]) -> list[tuple[str, Any, Any]]:
    """Return each part with what it writes, forward and back; of a Service its annotations."""

    def shown(each: part.Part, one: Any) -> Any:
        return one["metadata"]["annotations"] if each.kind == "Service" else one

    return [(str(each), shown(each, each.body), shown(each, each.before)) for each in found]


@pytest.mark.parametrize(
    ("stated", "notes"),
    [
        ({"global": True}, GLOBAL),
        ({"global": True, "shared": False}, {**GLOBAL, exposure.SHARED: "false"}),
        ({"global": True, "affinity": "local"}, {**GLOBAL, exposure.AFFINITY: "local"}),
        ({"export": True}, {exposure.EXPORTED: "true"}),
        ({"global": True, "export": True}, {**GLOBAL, exposure.EXPORTED: "true"}),
    ],
)
def test_a_service_carries_what_the_app_says_and_no_default(
    stated: dict[str, Any], notes: dict[str, str]
) -> None:
    assert exposure.notes(app({"name": "db", **stated}).spec.services[0]) == notes


MARKED = {exposure.EXPORTED: "true"}
FORWARD: list[tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[str, Any, Any]]]] = [
    ([], [live("db"), live("other", others=GLOBAL)], []),
    ([{"name": "db", "global": True}], [], [("Service data/db", GLOBAL, {})]),
    ([{"name": "db", "global": True}], [live("db", GLOBAL)], [("Service data/db", GLOBAL, GLOBAL)]),
    ([], [live("db", GLOBAL)], [("Service data/db", {}, GLOBAL)]),
    (
        [{"name": "db", "export": True}],
        [live("db")],
        [("Service data/db", MARKED, {}), ("ServiceExport data/db", {}, None)],
    ),
    (
        [{"name": "db", "global": True}],
        [live("db", MARKED)],
        [("Service data/db", GLOBAL, MARKED), ("ServiceExport data/db", None, {})],
    ),
]


@pytest.mark.parametrize(("stated", "seen", "parts"), FORWARD)
def test_what_the_app_no_longer_says_is_taken_away_and_what_others_wrote_stays(
    stated: list[dict[str, Any]], seen: list[dict[str, Any]], parts: list[tuple[str, Any, Any]]
) -> None:
    found = exposure.of(app(*stated), seen)

    assert written(found) == parts
    assert written(tuple(each.reversed for each in found)) == [(name, old, new) for name, new, old in parts]
    assert [part.Part.from_json(each.to_json()) for each in found] == list(found)
    assert all(each.only_on for each in found if each.kind == "Service")


def test_a_chart_that_has_no_such_service_or_says_otherwise_is_an_error() -> None:
    told = app({"name": "db", "global": True}, {"name": "web", "global": True})
    ports = {"spec": {"ports": [{"name": "cql", "port": 9042}]}}
    west = [{**live("db", others={exposure.GLOBAL: "false"}), **ports}]
    east = [{**live("db"), "spec": {"ports": [{"name": "cql", "port": 9043}]}}, live("web")]

    found = list(exposure.findings(told, {"west": west, "east": east}))

    assert [(each.code, each.name, each.cluster, each.severity.value) for each in found] == [
        ("annotation-in-chart", "db", "west", "error"),
        ("service-ports-differ", "db", None, "warning"),
        ("service-not-rendered", "web", "west", "error"),
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "db"}, "exposes nothing"),
        ({"name": "db", "export": True, "shared": False}, "`shared` is of a global Service"),
        ({"name": "db", "global": True, "affinity": "none"}, "local"),
    ],
)
def test_an_entry_that_says_nothing_or_a_default_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        apps.Exposed.model_validate(entry)


def test_a_service_is_written_once() -> None:
    with pytest.raises(ValueError, match="'db' is written twice"):
        app({"name": "db", "global": True}, {"name": "db", "export": True})
