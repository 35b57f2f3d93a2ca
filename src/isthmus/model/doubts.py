"""What is valid YAML and yet says something else than it seems to: fields of nothing, numbers in odd forms.

Only our own fields are looked at: in Helm values `null` takes a default away and `0644` is a mode of a file.
"""

from __future__ import annotations

import functools
import types as python
import typing
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.model import explain, types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import finding, source


class _Field(NamedTuple):
    """Whether a field may be left out as None, and the model inside, perhaps as the value of a mapping."""

    is_optional: bool
    below: type[types.Value] | None
    is_mapping: bool
    is_number: bool


@functools.cache
def _fields(model: type[types.Value]) -> dict[str, _Field]:
    return {each.alias or name: _field(each.annotation) for name, each in model.model_fields.items()}


def _field(annotation: Any) -> _Field:
    below, is_mapping = explain.model_in(annotation)
    parts = typing.get_args(annotation)
    is_optional = typing.get_origin(annotation) in {typing.Union, python.UnionType} and type(None) in parts
    is_number = int in {annotation, *parts, *(one for each in parts for one in typing.get_args(each))}
    return _Field(is_optional, below, is_mapping, is_number)


def findings(document: source.Document, model: type[types.Value]) -> Iterator[finding.Finding]:
    """Yield fields that are written and empty, and numbers whose form is ambiguous."""
    for path, value in _leaves((), document.data, model):
        if value is None:
            yield explain.about(
                document,
                path,
                code="empty",
                message="nothing is given",
                remedy="write a value, or take the field out",
            )
        elif document.has_odd_numbers and (raw := document.raw(path)) is not None and raw != str(value):
            yield explain.about(
                document,
                path,
                code="ambiguous-number",
                message=f"{raw} is {value} for YAML 1.1 and something else for others",
                remedy=f"write {value}",
            )


def _leaves(
    path: source.Path, data: Any, model: type[types.Value]
) -> Iterator[tuple[source.Path, int | None]]:
    """Yield the whole numbers of our own fields, and None for each optional field of nothing."""
    if not isinstance(data, dict):
        return
    fields = _fields(model)
    for key, value in data.items():
        field = fields.get(key)
        if field is None:
            continue
        if value is None and field.is_optional:
            yield (*path, key), None
        elif field.is_number and type(value) is int:
            yield (*path, key), value
        elif field.below is not None:
            for place, each in _parts(value, is_mapping=field.is_mapping):
                yield from _leaves((*path, key, *place), each, field.below)


def _parts(value: Any, *, is_mapping: bool) -> Iterator[tuple[source.Path, Any]]:
    """Yield what stands where a model is wanted: each item of a list or mapping, or the value itself."""
    if isinstance(value, list):
        yield from (((index,), each) for index, each in enumerate(value))
    elif is_mapping and isinstance(value, dict):
        yield from (((name,), each) for name, each in value.items())
    else:
        yield (), value
