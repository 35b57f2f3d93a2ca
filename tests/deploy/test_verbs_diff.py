"""`deploy diff`, saved plans, and what a plan has to say, on real servers."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def patience(shop: shops.Shop) -> None:
    """Give clusters time on a busy machine; tests of failures say how long they wait."""
    shop.spec["rollout"]["timeout"] = "90s"
    shop.write()


def changes(plan: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Return (verb, kind, name) of every change by cluster."""
    return {
        step["cluster"]: [(one["verb"], one["kind"], one["name"]) for one in step["changes"]]
        for wave in plan["waves"]
        for step in wave
    }


def codes(plan: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(found["code"], found["cluster"]) for found in plan["findings"]]


CREATED = [("create", "ConfigMap", "db"), ("create", "StatefulSet", "db")]


def test_diff_shows_what_would_change_and_changes_nothing(shop: shops.Shop) -> None:
    told = shop.run("diff").out

    assert "3 of 3 clusters change, in 2 waves" in told
    assert "+ StatefulSet db" in told
    assert "The way back, when a required cluster or a gate fails" in told
    assert shop.run("diff", "--exit-code", code=1).out == told
    assert all(shop.releases(name) == [] for name in shop.clusters)
    assert yaml.safe_load(shop.run("diff", "-o", "yaml").out)["intent"] == "up"

    only = shop.run("diff", "--only", "east", "-o", "json").json()

    assert changes(only) == {"east": CREATED}
    assert "--only names no cluster 'mars'" in shop.run("diff", "--only", "mars", code=2).err


def test_diff_after_up_shows_drift_restarts_and_what_the_chart_dropped(shop: shops.Shop) -> None:
    shop.set({"extra": 1})
    shop.run("up")

    clean = shop.run("diff", "--exit-code")

    assert "0 of 3 clusters change" in clean.out
    path = f"/api/v1/namespaces/{shop.namespace}/configmaps/db"
    edited = shop.get("east", path)
    edited["data"]["version"] = "edited"
    assert shop.lab.api("east").ask("PUT", path, edited)[0] == 200

    drift = shop.run("diff", "-o", "json").json()

    assert changes(drift) == {"west": [], "east": [("update", "ConfigMap", "db")], "central": []}
    shop.set({"extra": 0, "version": "2"})

    found = shop.run("diff", "-o", "json").json()

    assert ("delete", "ConfigMap", "db-0") in changes(found)["west"]
    assert found["waves"][0][0]["restarts"] == [
        {"kind": "StatefulSet", "name": "db", "pods": ["db-1", "db-0"]}
    ]
    told = shop.run("diff").out
    assert "- ConfigMap db-0" in told
    assert "db-1, then db-0" in told


def test_a_namespace_that_is_not_there_is_planned_and_made(shop: shops.Shop) -> None:
    shop.namespace = f"{shop.namespace}-new"
    shop.write()

    found = shop.run("diff", "-o", "json").json()

    assert changes(found)["west"] == [("create", "Namespace", shop.namespace), *CREATED]
    shop.run("up")
    shop.check_whole("1")
    shop.run("down")
    for name in shop.clusters:
        shop.lab.api(name).delete(f"/api/v1/namespaces/{shop.namespace}")


def test_a_saved_plan_runs_its_bundle_and_not_the_folder(shop: shops.Shop, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    saved = shop.run("diff", "--save", str(file))
    assert f"isthmus deploy up --plan {file}" in saved.err
    shop.set({"version": "2"})
    shutil.rmtree(shop.folder / "charts")

    refused = shop.run("up", "--plan", str(file), "--only", "west", code=2)
    shop.run("up", "--plan", str(file))

    assert "a saved plan is run as it is" in refused.err
    shop.check_whole("1")
    again = shop.run("up", "--plan", str(file), code=1)
    assert "the world has moved since the plan was saved" in again.err
    assert "west: release at revision 1, planned on none" in again.err


def test_a_saved_plan_that_was_edited_or_lost_its_bundle_is_refused(shop: shops.Shop, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    shop.set({"word": "lost"})  # a bundle of its own: equal content is one Secret, also of other Apps
    shop.run("diff", "--save", str(file))
    body = json.loads(file.read_text(encoding="utf-8"))
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps({**body, "timeout": 1.0}), encoding="utf-8")
    junk = tmp_path / "junk.json"
    junk.write_text("[]", encoding="utf-8")

    assert "was changed after it was saved" in shop.run("up", "--plan", str(edited), code=2).err
    assert "is no saved plan" in shop.run("up", "--plan", str(junk), code=2).err

    digest = body["waves"][0][0]["bundle"][:12]
    shop.lab.api("west").delete(
        f"/api/v1/namespaces/isthmus-system/secrets/bundle.{shop.namespace}.db.{digest}"
    )

    lost = shop.run("up", "--plan", str(file), code=1)

    assert f"the pinned bundle {digest} cannot be used" in lost.err
    assert "isthmus deploy diff --save" in lost.err
    assert shop.releases("west") == []


def test_nobody_there_to_confirm_is_a_refusal(shop: shops.Shop) -> None:
    command = [word for word in shop.command("up") if word != "--yes"]

    done = subprocess.run(
        command, env=dict(shop.env), cwd=shop.folder, capture_output=True, text=True, timeout=100,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert (done.returncode, "repeat with --yes" in done.stderr) == (2, True)
    assert shop.releases("west") == []
    shop.run("up", "--dry-run")
    assert shop.releases("west") == []


def test_generated_values_are_listed_and_left_out_of_the_hash(shop: shops.Shop) -> None:
    template = shop.folder / "charts" / "db" / "templates" / "secret.yaml"
    template.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: {{ randAlphaNum 12 }}}\n",
        encoding="utf-8",
    )
    shop.run("up", "--only", "west")

    found = shop.run("diff", "--only", "west", "--exit-code", "-o", "json").json()

    assert found["waves"][0][0]["unstable"] == ["Secret/db:stringData.password"]
    assert codes(found) == [("unstable-render", "west")]
    assert found["waves"][0][0]["action"] == "keep"


def test_up_tells_its_story_as_a_stream_of_documents(shop: shops.Shop) -> None:
    told = list(yaml.safe_load_all(shop.run("up", "-o", "yaml").out))

    assert {next(iter(document)) for document in told[:-1]} == {"event"}
    assert told[-1]["operation"]["outcome"] == "succeeded"
    assert [event["event"]["text"] for event in told if "event" in event][-1] == "succeeded"
    assert shop.run("up", "-o", "json").json() == {"operation": None}
