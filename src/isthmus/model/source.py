"""Documents as written: plain data, and the line of every path.

Scalars mean what they mean to Helm and kubectl, with two cares: times stay text, and a key is always
text. Nothing here knows a kind; that is `check.py`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.model import finding, yamltext

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
AMBIGUOUS = (TRUE | FALSE) - {"true", "True", "TRUE", "false", "False", "FALSE"}
"""Words that YAML 1.1 takes for booleans and people for text."""

DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
BASED = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+)")
FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?")
INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
TEXT_TAGS = {yamltext.QUOTED, "tag:yaml.org,2002:str", "!"}
PLAIN_TAGS = {yamltext.PLAIN, *(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))}
COLLECTION_TAGS = {"seq", "map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}
SPREAD = 10
"""Aliases may make a document this many times larger than it is written."""


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
    """One document of a file: plain data and the node tree that knows the lines."""

    file: str
    data: Any = dataclasses.field(repr=False)
    node: yaml.Node = dataclasses.field(repr=False)
    has_odd_numbers: bool = False
    """Whether a number is octal, hexadecimal, binary, or has `_`: not everybody reads those alike."""

    def line(self, path: Path = ()) -> int:
        """Return the line, counted from 1, of a path or of its nearest written parent."""
        node, line = self.node, int(self.node.start_mark.line) + 1
        for part in path:
            found = child(node, part)
            if found is None:
                break
            line, node = found
        return line

    def raw(self, path: Path) -> str | None:
        """Return the text of a plain scalar as it was written, before it became a value."""
        node = self.node
        for part in path:
            found = child(node, part)
            if found is None:
                return None
            node = found[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag == yamltext.PLAIN else None


def child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """Return line and node of one key or index below a node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return int(key.start_mark.line) + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return int(item.start_mark.line) + 1, item
    return None


def read(file: str, text: str) -> tuple[list[Document], list[finding.Finding]]:
    """Return the documents of one file that can be read, and a finding for each thing that cannot."""
    nodes, broken = yamltext.compose(text.removeprefix("\ufeff"))
    documents: list[Document] = []
    findings: list[finding.Finding] = []
    for node in nodes:
        builder = _Builder(file)
        data = builder.value(node)
        findings.extend(builder.findings)
        if data is not None and not builder.is_lost:
            documents.append(Document(file, data, node, builder.has_odd_numbers))
    if broken is not None:
        findings.append(problem("yaml-syntax", file, broken.line, broken.why, broken.remedy))
    return documents, findings


def problem(code: str, file: str, line: int, message: str, remedy: str) -> finding.Finding:
    """Return an error finding about a place in a file."""
    severity = finding.Severity.ERROR
    return finding.Finding(code=code, severity=severity, file=file, line=line, message=message, remedy=remedy)


class _Builder:
    """Turns one node tree into plain data; `is_lost` when the data must not be used at all."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[finding.Finding] = []
        self.is_lost = False
        self.has_odd_numbers = False
        self._done: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        data, size = self._value(node)
        if not self.is_lost and size > SPREAD * len(self._done) + 100_000:
            much = f"aliases make {size} values of this document"
            self._lose(node, "yaml-size", much, "write fewer aliases")
        return data

    def _value(self, node: yaml.Node) -> tuple[Any, int]:
        if id(node) in self._open:
            self._lose(node, "yaml-recursion", "an alias stands inside its own anchor", "take the alias out")
            return None, 1
        if id(node) not in self._done:
            self._open.add(id(node))
            self._done[id(node)] = self._build(node)
            self._open.discard(id(node))
        return self._done[id(node)]

    def _build(self, node: yaml.Node) -> tuple[Any, int]:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node), 1
        if node.tag not in COLLECTION_TAGS:
            self._refuse_tag(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        items = [self._value(item) for item in node.value]
        return [data for data, _ in items], 1 + sum(size for _, size in items)

    def _mapping(self, node: yaml.MappingNode) -> tuple[dict[str, Any], int]:
        own: dict[str, Any] = {}
        below: dict[str, Any] = {}
        lines: dict[str, int] = {}
        total = 1
        for key, value in node.value:
            data, size = self._value(value)
            total += size
            if not isinstance(key, yaml.ScalarNode):
                self._find(key, "yaml-key", "a key is a list or a mapping", "write a text key")
            elif key.value == "<<" and key.tag == yamltext.PLAIN:
                below |= self._merged(value, data)
            elif key.value in own:
                first = f"the key '{_short(key.value)}' was already given in line {lines[key.value]}"
                self._find(key, "duplicate-key", first, "keep one of the two")
            else:
                own[key.value] = data
                lines[key.value] = int(key.start_mark.line) + 1
        return below | own if below else own, total

    def _merged(self, node: yaml.Node, data: Any) -> dict[str, Any]:
        parts = data if isinstance(data, list) else [data]
        merged: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, dict):
                merged = part | merged
            else:
                self._find(node, "yaml-merge", "'<<' merges what is no mapping", "give it a mapping")
        return merged

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag in TEXT_TAGS:
            return node.value
        if node.tag not in PLAIN_TAGS:
            self._refuse_tag(node)
            return node.value
        try:
            data = scalar(node.value)
        except ValueError:
            data = None
        if isinstance(data, float) and not math.isfinite(data):
            data = None
        if data is None and node.value not in NULLS:
            self._find(node, "yaml-number", f"no number of JSON: {_short(node.value)}", "put it in quotes")
        if type(data) is int and str(data) != node.value:
            self.has_odd_numbers = True
        return data

    def _refuse_tag(self, node: yaml.Node) -> None:
        self._find(node, "yaml-tag", f"the tag '{_short(node.tag)}' has no meaning here", "leave the tag out")

    def _lose(self, node: yaml.Node, code: str, message: str, remedy: str) -> None:
        self.is_lost = True
        self._find(node, code, message, remedy)

    def _find(self, node: yaml.Node, code: str, message: str, remedy: str) -> None:
        self.findings.append(problem(code, self.file, int(node.start_mark.line) + 1, message, remedy))


def scalar(text: str) -> Any:
    """Return what a plain scalar means; ValueError when it is a number too long to read."""
    first = text[:1]
    if first in "0123456789+-." and first:
        return _number(text)
    if text in NULLS:
        return None
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    return text


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    if DECIMAL.fullmatch(text):
        return int(plain)
    if BASED.fullmatch(text):
        return _based(plain)
    if FLOAT.fullmatch(text):
        return float(plain)
    if INFINITE.fullmatch(text):
        return float(text.replace(".", "").lower())
    return text


def _based(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits[1:2] in "xob" and digits[1:2]:
        return sign * int(digits, 0)
    return sign * int(digits, 8)


def leaves(path: Path, data: Any) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of every scalar below a path."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves((*path, key), value)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from leaves((*path, index), value)
    else:
        yield path, data


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
