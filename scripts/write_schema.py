"""Writes docs/schema from the models; a test says when it is due."""

from __future__ import annotations

import json
from pathlib import Path

from isthmus.model import schema

FOLDER = Path(__file__).parent.parent / "docs" / "schema"

if __name__ == "__main__":
    for name, each in schema.generate().items():
        (FOLDER / name).write_text(json.dumps(each, indent=2) + "\n", encoding="utf-8")
