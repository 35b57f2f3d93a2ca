"""Turns what pydantic says of a document into findings: the path, the value, why, what to write instead.

The words are ours; pydantic's types of error are only looked at.
"""

from __future__ import annotations

import difflib
import typing
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding, later, source, types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pydantic
    import pydantic_core

Details = Any
"""One entry of `ValidationError.errors()`."""

EXAMPLES: Final[Mapping[str, str]] = {
    "name": "name: west",
    "id": "id: 1",
    "context": "context: lab-west (one of `kubectl config get-contexts`)",
    "nodes": "nodes: 3",
    "supernets": "supernets: [10.0.0.0/10]",
    "metadata": "metadata: {name: shop}",
    "chart": "chart: {path: charts/cassandra}",
    "clusters": "clusters: with at least one cluster",
    "spec": "spec: with the fields of this kind",
    "port": "port: 9042",
    "from": "from: {namespace: shop}",
    "to": "to: {app: cassandra}",
    "allow": "allow: [{port: 9042}]",
    "verbs": "verbs: [select]",
    "tables": "tables: [shop.orders]",
}

BOTH: Final = "[us-west4, us-east1]"
"""The ends of a path, the only list of a fixed length."""

WANTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


def findings(
    error: pydantic.ValidationError, document: source.Document, model: type[pydantic.BaseModel]
) -> list[finding.Finding]:
    """Return one finding for each thing that is wrong with a document."""
    return [
        _finding(details, document, model) for details in error.errors(include_url=False) if _is_own(details)
    ]


def _is_own(details: pydantic_core.ErrorDetails) -> bool:
    """Say whether an error is a problem of its own, and does not follow from another one.

    A list is also 'too short' when its items are refused; a default that looks at other fields is not made
    when one of those is.
    """
    if details["type"] == "default_factory_not_called":
        return False
    if details["type"] == "missing" and isinstance(details["loc"][-1], int):
        return bool(details["loc"][-1] == len(details["input"]))  # the first of those that are missing
    return details["type"] != "too_short" or not details["input"]


def _finding(
    details: pydantic_core.ErrorDetails, document: source.Document, model: type[pydantic.BaseModel]
) -> finding.Finding:
    path = tuple(part for part in details["loc"] if part != "[key]")
    explain = EXPLAIN.get(details["type"], _other)
    code, message, remedy = explain(details, path, document, model)
    return about(document, path, code=code, message=message, remedy=remedy)


def about(
    document: source.Document,
    path: source.Path,
    *,
    code: str,
    message: str,
    remedy: str,
    severity: finding.Severity = finding.Severity.ERROR,
    cluster: str | None = None,
) -> finding.Finding:
    """Return a finding about a path of a document, with its line and the document's own name."""
    data = document.data if isinstance(document.data, dict) else {}
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return finding.Finding(
        code=code,
        severity=severity,
        kind=_text(data.get("kind")),
        namespace=_text(metadata.get("namespace")),
        name=_text(metadata.get("name")),
        cluster=cluster,
        file=document.file,
        line=document.line(path),
        message=f"{dotted(path)}: {message}" if path else message,
        remedy=remedy,
    )


def dotted(path: source.Path) -> str:
    """Return `spec.clusters[0].id`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """Return a value short enough for a sentence; what a mapping or a list holds is not shown."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"'{plain(value)}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def plain(text: str) -> str:
    """Return a text with control characters written out, so that it moves no cursor and breaks no line."""
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _missing(
    _details: Details, path: source.Path, document: source.Document, _model: object
) -> tuple[str, str, str]:
    name = path[-1]
    if isinstance(name, int):
        return "wrong-value", f"two names are wanted and {name} is given", f"write both: {BOTH}"
    example = EXAMPLES.get(name, name + ": ...")
    if name == "id":
        example = f"id: {_free_id(document.data)}"
    return "missing-field", "this field is missing", f"add `{example}`"


def _free_id(data: Any) -> int:
    """Return the id after the highest of a Fleet's clusters."""
    spec = data.get("spec")
    clusters = spec.get("clusters") if isinstance(spec, dict) else None
    ids = (
        [each.get("id") for each in clusters if isinstance(each, dict)] if isinstance(clusters, list) else []
    )
    return max((each for each in ids if type(each) is int), default=0) + 1


def _long(details: Details, *_: object) -> tuple[str, str, str]:
    given = details["ctx"]["actual_length"]
    return "wrong-value", f"two names are wanted and {given} are given", f"write both: {BOTH}"


def _unknown(
    _details: Details, path: source.Path, _document: object, model: type[pydantic.BaseModel]
) -> tuple[str, str, str]:
    name = str(path[-1])
    owner = _owner(model, path[:-1])
    purpose = later.FIELDS.get(owner.__name__, {}).get(name)
    if purpose is not None:
        return "not-implemented", later.message(name, purpose), later.REMEDY
    known = [field.alias or key for key, field in owner.model_fields.items()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    remedy = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
    return "unknown-field", "no such field", remedy


def _wrong_type(
    details: Details, path: source.Path, document: source.Document, _model: object
) -> tuple[str, str, str]:
    wanted = WANTED[details["type"]]
    value = details["input"]
    raw = document.raw(path)
    found = shown(value)
    remedy = f"write {wanted}"
    if wanted == "text" and raw is not None and isinstance(value, (bool, int, float)):
        found = f"{found}" if raw == found else f"{found} (that is what YAML takes {raw} for)"
        remedy = f'put it in quotes: "{raw}"'
    elif wanted == "a whole number" and isinstance(value, str) and value.strip().isdecimal():
        remedy = f"write it without quotes: {value.strip()}"
    elif wanted == "a list" and not isinstance(value, (dict, type(None))):
        remedy = "put it in brackets: [...]"
    return "wrong-type", f"{wanted} is wanted and {found} is given", remedy


def _range(details: Details, *_: object) -> tuple[str, str, str]:
    limits = details["ctx"]
    low, high = limits.get("ge"), limits.get("le")
    wanted = f"{low} or more" if low is not None else f"{high} or less"
    return "out-of-range", f"{shown(details['input'])} is out of range", f"write {wanted}"


def _choice(details: Details, *_: object) -> tuple[str, str, str]:
    expected = str(details.get("ctx", {}).get("expected", "")).replace("'", "")
    value = details["input"]
    choices = {each.lower(): each for each in expected.replace(" or ", ", ").split(", ")}
    near = difflib.get_close_matches(value.lower(), choices, n=1) if isinstance(value, str) else []
    remedy = f"did you mean `{choices[near[0]]}`? known here: {expected}" if near else f"write {expected}"
    return "unknown-value", f"{shown(value)} is not known here", remedy


def _refused(details: Details, *_rest: object) -> tuple[str, str, str]:
    why, _, remedy = str(details["ctx"]["error"]).partition("; ")
    value = details["input"]
    is_whole = isinstance(value, (dict, list))
    return "wrong-value", why if is_whole else f"{shown(value)}: {why}", remedy or "change it"


def _later(details: Details, *_: object) -> tuple[str, str, str]:
    return "not-implemented", str(details["msg"]), later.REMEDY


def _short(*_: object) -> tuple[str, str, str]:
    return "empty", "this is empty", "write at least one"


def _other(details: Details, *_: object) -> tuple[str, str, str]:
    return (
        "wrong-value",
        f"{shown(details['input'])}: {details['msg']}",
        "write a value that the schema allows",
    )


Explain: typing.TypeAlias = (
    "Callable[[Details, source.Path, source.Document, type[pydantic.BaseModel]], tuple[str, str, str]]"
)

EXPLAIN: Final[dict[str, Explain]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "greater_than_equal": _range,
    "less_than_equal": _range,
    "literal_error": _choice,
    "enum": _choice,
    "value_error": _refused,
    "later": _later,
    "too_short": _short,
    "too_long": _long,
    **dict.fromkeys(WANTED, _wrong_type),
}


def _owner(model: type[pydantic.BaseModel], path: source.Path) -> type[pydantic.BaseModel]:
    """Return the model that holds the field at the end of a path."""
    owner = model
    is_key = False
    for part in path:
        if isinstance(part, int) or is_key:  # an index, or a key of a mapping of models
            is_key = False
            continue
        field = next((each for key, each in owner.model_fields.items() if part in {each.alias, key}), None)
        below, is_key = model_in(field.annotation) if field else (None, False)
        owner = below or owner
    return owner


def model_in(annotation: Any) -> tuple[type[types.Value] | None, bool]:
    """Return the model inside an annotation, and whether it is the value of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, types.Value):
        return annotation, False
    is_mapping = typing.get_origin(annotation) is dict
    for part in typing.get_args(annotation):
        found, _ = model_in(part)
        if found is not None:
            return found, is_mapping
    return None, False
