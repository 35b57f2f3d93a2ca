from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from isthmus.model import schema
from tests.model import worlds

FOLDER = Path(__file__).parents[2] / "docs" / "schema"


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}

    assert committed == schema.generate(), "run scripts/write_schema.py"


@pytest.mark.parametrize(
    ("kind", "text"), [("fleet", worlds.FLEET), ("app", worlds.APP), ("access", worlds.ACCESS)]
)
def test_what_parses_is_valid_by_the_schema(kind: str, text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), schema.generate()[f"{kind}.json"])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("fleet", worlds.FLEET.replace("podsPerNode", "podPerNode")),
        ("fleet", worlds.FLEET.replace("id: 2", "id: 0")),
        ("app", worlds.APP.replace("bake: 2m", "bake: 2")),
        ("app", worlds.APP.replace("optional", "never")),
        ("app", worlds.APP.replace("kind: App\n", "")),
    ],
)
def test_what_an_editor_can_see_is_invalid_by_the_schema(kind: str, text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema.generate()[f"{kind}.json"])


def test_defaults_stand_as_a_user_writes_them() -> None:
    rollout: dict[str, Any] = schema.generate()["app.json"]["$defs"]["Rollout"]["properties"]

    assert rollout["timeout"]["default"] == "10m"
    assert rollout["onFailure"]["default"] == "rollback-all"
