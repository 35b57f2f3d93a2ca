"""Values to the text of files: YAML and JSON, the same for the same Fleet, with a line on their source.

No time and no version is written, so a file changes only when the Fleet does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 110


def header(target: str, notes: Iterable[str] = (), *, mark: str = "#") -> str:
    """Return the comment that opens a file."""
    first = f"rendered by `isthmus plan render {target}`; change the Fleet, not this file"
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in (first, *notes))


def yaml_text(target: str, documents: Sequence[Any], notes: Iterable[str] = ()) -> str:
    """Return documents as YAML, keys in the order given."""
    told = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=WIDTH,
        explicit_start=len(documents) > 1,
    )
    return header(target, notes) + told


def json_text(value: Any) -> str:
    """Return a value as JSON, keys in the order given; JSON has no comments."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


class _Dumper(yaml.SafeDumper):
    """Writes every value in full, since readers stumble over aliases, and long texts as they are."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
