"""Reads all documents of a folder and collects everything that is wrong, never stopping at the first.

The order is: text to documents, documents to kinds, kinds to values, values among one another.
"""

from __future__ import annotations

import contextlib
import difflib
import gc
from typing import TYPE_CHECKING, Any, Final

import pydantic

from isthmus.model import (
    access,
    agree,
    app,
    document,
    doubts,
    explain,
    finding,
    fleet,
    folder,
    refer,
    source,
    types,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KINDS: Final[dict[str, type[types.Value]]] = {"Fleet": fleet.Fleet, "App": app.App, "Access": access.Access}
Placed = tuple[source.Document, types.Value]


def parse(files: Sequence[tuple[str, str]], told: Sequence[finding.Finding] = ()) -> folder.Parsed:
    """Return the folder, or None with the findings that say why not, after those that are told already."""
    with _uncollected():
        return _parse(files, told)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector out: it would walk all nodes again and again, and find nothing to free.

    Of 10,000 clusters it took two thirds of the time that reading took.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _parse(files: Sequence[tuple[str, str]], told: Sequence[finding.Finding]) -> folder.Parsed:
    findings = list(told)
    placed: list[Placed] = []
    count = 0
    for file, text in files:
        documents, problems = source.read(file, text)
        findings.extend(problems)
        count += len(documents)
        for each in documents:
            value = _value(each, findings)
            if value is not None:
                placed.append((each, value))
    findings.extend(agree.of_all(placed))
    known = next((value for _, value in placed if isinstance(value, fleet.Fleet)), None)
    apps = {value.name: value for _, value in placed if isinstance(value, app.App)}
    for each, value in placed:
        findings.extend(_agree(each, value, known, apps))
    names = [file for file, _ in files]
    findings.extend(_absent(placed, findings, count, names[0] if len(names) == 1 else None))
    findings.sort(key=lambda found: (found.file or "", found.line or 0))
    if known is None or finding.has_errors(findings):
        return folder.Parsed(None, tuple(findings))
    return folder.Parsed(_folder(known, placed), tuple(findings))


def _folder(known: fleet.Fleet, placed: Sequence[Placed]) -> folder.Folder:
    apps = [(each, value) for each, value in placed if isinstance(value, app.App)]
    accesses = [(each, value) for each, value in placed if isinstance(value, access.Access)]
    first = [(each, value) for each, value in placed if value is known]
    return folder.Folder(
        known,
        tuple(value for _, value in apps),
        tuple(value for _, value in accesses),
        tuple(each for each, _ in (*first, *apps, *accesses)),
    )


def _value(each: source.Document, findings: list[finding.Finding]) -> types.Value | None:
    """Return a document as a value of its kind; else add to the findings why it is none."""
    model = _kind(each, findings)
    if model is None:
        return None
    findings.extend(doubts.findings(each, model))
    try:
        return model.model_validate(each.data, context=types.WRITTEN, by_alias=True, by_name=False)
    except pydantic.ValidationError as error:
        findings.extend(explain.findings(error, each, model))
        return _salvage(each.data, error, model)


def _salvage(data: Any, error: pydantic.ValidationError, model: type[types.Value]) -> types.Value | None:
    """Return the value without the parts that were refused, so that the rest is checked in the same run."""
    copy = _copy(data)
    for details in error.errors(include_url=False, include_context=False):
        if "[key]" in details["loc"] or not _take_out(copy, details["loc"]):
            return None
    try:
        return model.model_validate(copy, by_alias=True, by_name=False)
    except pydantic.ValidationError:
        return None


def _copy(data: Any) -> Any:
    """Copy mappings and lists only; leaves are immutable."""
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _take_out(data: Any, path: source.Path) -> bool:
    """Take a path out; of a list the whole list, since the places of the others would move."""
    last = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
    *parents, key = path[:last] or ("",)
    for part in parents:
        data = data.get(part) if isinstance(data, dict) else None
    if isinstance(data, dict):
        data.pop(key, None)
    return isinstance(data, dict)


def _kind(each: source.Document, findings: list[finding.Finding]) -> type[types.Value] | None:
    data: Any = each.data
    if not isinstance(data, dict):
        message = f"a document is a mapping and this is {explain.shown(data)}"
        remedy = "begin it with `apiVersion:` and `kind:`"
        findings.append(explain.about(each, (), code="no-document", message=message, remedy=remedy))
        return None
    version, kind = data.get("apiVersion"), data.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if version != document.API_VERSION:
        findings.append(_version(each, version, is_ours=model is not None))
    elif model is None:
        near = difflib.get_close_matches(str(kind), KINDS, n=1, cutoff=0.5)
        remedy = f"did you mean `{near[0]}`?" if near else f"write one of {', '.join(KINDS)}"
        message = "a document needs a kind" if kind is None else f"no kind {explain.shown(kind)}"
        findings.append(explain.about(each, ("kind",), code="unknown-kind", message=message, remedy=remedy))
    return model if version == document.API_VERSION else None


def _version(each: source.Document, version: object, *, is_ours: bool) -> finding.Finding:
    remedy = f"write `apiVersion: {document.API_VERSION}`"
    if version is None:
        return explain.about(
            each, (), code="wrong-api-version", message="apiVersion is missing", remedy=remedy
        )
    if not is_ours:
        remedy += (
            ", or move a file that is not ours out of the folder (charts and hidden folders are skipped)"
        )
    message = f"{explain.shown(version)} is not known here"
    return explain.about(each, ("apiVersion",), code="wrong-api-version", message=message, remedy=remedy)


def _agree(
    each: source.Document, value: types.Value, known: fleet.Fleet | None, apps: Mapping[str, app.App]
) -> list[finding.Finding]:
    if isinstance(value, fleet.Fleet):
        return list(agree.of_fleet(each, value))
    if isinstance(value, app.App):
        return list(agree.of_app(each, value, known))
    assert isinstance(value, access.Access)
    return list(refer.of_access(each, value, known, apps))


def _absent(
    placed: Sequence[Placed], found: Sequence[finding.Finding], count: int, file: str | None
) -> list[finding.Finding]:
    """Return the finding for a folder that has nothing, or no Fleet, and nothing that explains it.

    `file` is the only file, which the finding names.
    """
    if any(isinstance(value, fleet.Fleet) for _, value in placed):
        return []
    if not count and not found:
        code, message = "empty-folder", "there is no document here"
    elif any(
        each.kind == "Fleet" or each.code.startswith(("yaml-", "unknown-kind", "file-")) for each in found
    ):
        return []  # a Fleet that cannot be read has been told already
    else:
        code, message = "no-fleet", "there is no Fleet here"
    return [
        finding.Finding(
            code=code,
            severity=finding.Severity.ERROR,
            file=file,
            line=None if file is None else 1,
            message=message,
            remedy="start with `isthmus init`, or give the folder with `-f DIR`",
        )
    ]
