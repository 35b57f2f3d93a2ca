"""Values as the text of Terraform's language, laid out as `terraform fmt` leaves it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Raw(str):
    """An expression, written as it is; any other text is quoted."""

    __slots__ = ()


Value = str | int | tuple[str, ...]
Attribute = tuple[str, Value]


@dataclasses.dataclass(frozen=True)
class Block:
    """`resource "type" "name" { ... }`; a comment stands above it."""

    kind: str
    labels: tuple[str, ...] = ()
    attributes: Sequence[Attribute] = ()
    blocks: Sequence[Block] = ()
    comment: str = ""


def text(blocks: Iterable[Block]) -> str:
    """Return blocks with a blank line between."""
    return "\n".join("\n".join(_lines(each)) + "\n" for each in blocks)


def quoted(value: str) -> str:
    """Return a string of Terraform: `${` and `%{` would begin a template, so they are doubled."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _lines(block: Block, indent: str = "") -> Iterator[str]:
    if block.comment:
        yield f"{indent}# {block.comment}"
    labels = "".join(f" {quoted(label)}" for label in block.labels)
    yield f"{indent}{block.kind}{labels} {{"
    yield from _attributes(block.attributes, indent + "  ")
    for number, each in enumerate(block.blocks):
        if number or block.attributes:
            yield ""
        yield from _lines(each, indent + "  ")
    yield f"{indent}}}"


def _attributes(attributes: Sequence[Attribute], indent: str) -> Iterator[str]:
    """Yield attributes, the equals signs of neighbours in one line each under one another."""
    group: list[tuple[str, str]] = []
    for name, value in attributes:
        if isinstance(value, tuple) and len(value) > 1:
            yield from _aligned(group, indent)
            group = []
            yield f"{indent}{name} = ["
            yield from (f"{indent}  {quoted(each)}," for each in value)
            yield f"{indent}]"
        else:
            group.append((name, _text(value)))
    yield from _aligned(group, indent)


def _aligned(group: list[tuple[str, str]], indent: str) -> Iterator[str]:
    width = max((len(name) for name, _ in group), default=0)
    for name, value in group:
        yield f"{indent}{name:<{width}} = {value}"


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(quoted, value))}]"
    if isinstance(value, (int, Raw)):
        return str(value)
    return quoted(value)
