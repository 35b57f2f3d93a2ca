"""Texts of files to objects: documents one by one, lists opened, what cannot be read told with its line."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding, quick, source
from isthmus.policy import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SUFFIXES: Final = (".yaml", ".yml", ".json")
BREAK: Final = re.compile(r"^---(?:[ ]*(?:#.*)?)$", re.MULTILINE)
"""A line that ends one document and begins the next, with nothing of the next on it."""
ODD: Final = re.compile(r"^(?:---(?!\n|[ ]*(?:#.*)?$)|\.\.\.|%)", re.MULTILINE)
"""Lines by which a file must be split by the whole parser."""
PATIENCE: Final = 5_000_000
"""Empty lines that may be put before odd documents of one file, to keep their lines, until the rest is read
as a whole."""


def objects(
    texts: Iterable[tuple[str, str]],
) -> tuple[tuple[world.Object, ...], tuple[finding.Finding, ...]]:
    """Return the objects of files, given as (name, text), and a finding for all that cannot be read.

    A document without `kind` and `apiVersion` is no object: values of a chart, say; it is left out.
    """
    found: list[world.Object] = []
    findings: list[finding.Finding] = []
    kept: dict[str, Any] = {}
    for file, text in texts:
        for line, data in _documents(file, text, kept, findings):
            found.extend(_objects(file, line, data, findings))
    return tuple(found), tuple(findings)


def _documents(
    file: str, text: str, kept: dict[str, Any], findings: list[finding.Finding]
) -> Iterator[tuple[int, Any]]:
    """Yield the line and data of each document."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if ODD.search(text):
        yield from _slowly(file, text, findings)
        return
    parts = BREAK.split(text)
    line, patience = 1, PATIENCE
    for number, part in enumerate(parts):
        try:
            data = quick.read(part, kept)
        except quick.OddError:
            patience -= line
            if patience < 0:
                yield from _slowly(file, "\n" * (line - 1) + "---".join(parts[number:]), findings)
                return
            yield from _slowly(file, "\n" * (line - 1) + part, findings)
        else:
            if data is not None:
                yield line + _lead(part), data
        line += part.count("\n")


def _slowly(file: str, text: str, findings: list[finding.Finding]) -> Iterator[tuple[int, Any]]:
    documents, told = source.read(file, text)
    findings.extend(told)
    yield from ((document.line(), document.data) for document in documents)


def _lead(part: str) -> int:
    """Return how many lines stand before the first that is neither empty nor a comment."""
    for number, line in enumerate(part.split("\n")):
        rest = line.lstrip(" ")
        if rest and rest[0] != "#":
            return number
    return 0


def _objects(file: str, line: int, data: Any, findings: list[finding.Finding]) -> Iterator[world.Object]:
    if not isinstance(data, dict):
        found = _problem(file, line, "the document is no mapping", "write `apiVersion` and `kind`")
        # A folder may hold other files too: what a tool put out, values of a chart.
        findings.append(dataclasses.replace(found, severity=finding.Severity.WARNING))
        return
    kind, items = data.get("kind"), data.get("items")
    if not isinstance(kind, str) or not kind:
        if "apiVersion" in data:
            findings.append(_problem(file, line, "the document has no `kind`", "write which kind it is"))
        return
    if not (kind.endswith("List") and "items" in data):
        yield world.Object(data, file, line)
        return
    if items is None:
        return
    if not isinstance(items, list):
        findings.append(_problem(file, line, f"`items` of this {kind} is no list", "write a list of objects"))
        return
    above = {"kind": kind.removesuffix("List"), "apiVersion": data.get("apiVersion")}
    for item in items:
        yield from _item(file, line, item, above, findings)


def _item(
    file: str, line: int, item: Any, above: Mapping[str, Any], findings: list[finding.Finding]
) -> Iterator[world.Object]:
    if not isinstance(item, dict):
        findings.append(_problem(file, line, "an item of the list is no mapping", "write whole objects"))
    elif item.get("kind"):
        yield from _objects(file, line, item, findings)
    elif above["kind"]:
        yield world.Object({**above, **item}, file, line)
    else:
        findings.append(_problem(file, line, "an item of the list has no `kind`", "write which kind it is"))


def _problem(file: str, line: int, message: str, remedy: str) -> finding.Finding:
    return source.problem("manifest-shape", file, line, message, remedy)
