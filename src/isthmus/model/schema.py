"""JSON Schema of what a user writes, for editors and for whoever generates documents.

Generated from the models and committed under docs/schema; a test compares. It says less than parsing does:
what documents must agree on among one another stands in no schema.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

from isthmus.model import access, app, fleet, types

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
KINDS: Final[dict[str, type[types.Value]]] = {"fleet": fleet.Fleet, "app": app.App, "access": access.Access}


def generate() -> dict[str, Any]:
    """Return the schemas by file name: one for each kind, and `isthmus.json` for a document of any kind."""
    schemas = {f"{name}.json": _of(model) for name, model in KINDS.items()}
    any_kind = {
        "$schema": DIALECT,
        "title": "Isthmus document",
        "oneOf": [{"$ref": name} for name in schemas],
    }
    return {**schemas, "isthmus.json": any_kind}


def _of(model: type[types.Value]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    # Parsing wants both words in every document; the models have them as defaults for values built in code.
    schema["required"] = ["apiVersion", "kind", *schema["required"]]
    return {"$schema": DIALECT, **_plain(schema)}


def _plain(schema: Any) -> Any:
    """Leave out what repeats names of fields, and defaults that nobody writes; say seconds as durations."""
    if isinstance(schema, dict):
        plain = {key: _plain(value) for key, value in schema.items() if not _is_noise(key, value)}
        if isinstance(plain.get("description"), str):
            plain["description"] = inspect.cleandoc(plain["description"])
        if isinstance(plain.get("default"), float) and plain.get("type") == "string":
            plain["default"] = types.duration_text(plain["default"])
        return plain
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema


def _is_noise(key: str, value: object) -> bool:
    if key == "default":
        return value is None or (isinstance(value, (dict, list)) and bool(value))
    return key == "title" and isinstance(value, str)
