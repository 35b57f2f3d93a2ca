"""A Fleet as YAML that a person would write: a field a line for each cluster, comments for what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.model import source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Json = dict[str, Any]
OPEN = "  # not found: write it"


def text(document: Json, *, head: Collection[str] = (), open_fields: Mapping[str, Collection[str]]) -> str:
    """Return the document; `head` are lines of comment, and the open fields of a cluster are marked."""
    lines = [f"# {line}".rstrip() for line in head]
    lines += [f"apiVersion: {document['apiVersion']}", f"kind: {document['kind']}"]
    lines += [f"metadata: {_flow(document['metadata'])}", "spec:"]
    for key, value in document["spec"].items():
        if key == "clusters":
            lines.append("  clusters:")
            for each in value:
                lines += _cluster(each, open_fields.get(each["name"], ()))
        else:
            lines += _section(key, value, "  ")
    return "\n".join(lines) + "\n"


def _cluster(each: Json, missing: Collection[str]) -> Iterator[str]:
    start = "  - "
    for key, value in each.items():
        yield f"{start}{key}: {_flow(value)}{OPEN if key in missing else ''}"
        start = "    "
    for key in missing:
        if key not in each:
            yield f"    # {key}:{OPEN}"


def _section(key: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield f"{indent}{key}:"
        for name, below in value.items():
            yield from _section(name, below, indent + "  ")
    else:
        yield f"{indent}{key}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return scalar(value) if isinstance(value, str) else str(value)


def scalar(value: str) -> str:
    """Return a text as YAML takes it for text: plain where that is safe, else in quotes."""
    is_plain = (
        value.isascii() and all(each.isalnum() or each in "-_./" for each in value) and value[:1].isalnum()
    )
    if is_plain and source.scalar(value) == value:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in escaped) + '"'
