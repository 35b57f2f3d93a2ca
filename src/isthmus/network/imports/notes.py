"""What a reader notes of one cluster: the first value of each field, where it stood, what was in the way."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

import pydantic

from isthmus.model import finding, types
from isthmus.network import imported
from isthmus.network.imports import blocks, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.address import prefix

Model = TypeVar("Model", bound=types.Value)
MOST = 100_000
"""The largest count of `fleet.Cluster`."""
SHOWN = 4
"""Ranges that a message lists before it counts."""


class Notes:
    """Collects the fields of one cluster; who comes first wins, so readers go from the best source down."""

    def __init__(self, *, file: str | None = None, line: int | None = None) -> None:
        """Take the place in a file."""
        self._file = file
        self._line = line
        self._values: dict[str, Any] = {}
        self._sources: dict[str, str] = {}
        self._inferred: set[str] = set()
        self._findings: list[finding.Finding] = []

    def has(self, field: str) -> bool:
        """Say whether a field was found already."""
        return field in self._values

    def put(self, field: str, value: Any, source: str) -> None:
        """Keep a value that is there, unless the field has one."""
        is_empty = not value.strip() if isinstance(value, str) else value in (None, ())
        if is_empty or field in self._values:
            return
        if isinstance(value, str) and not value.isprintable():
            self.say(
                "value-not-written",
                f"{source} has {_camel(field)} {ascii(value)[:60]}, with a control character in it",
                f"write `{_camel(field)}` by hand if it matters",
            )
            return
        self._values[field] = value
        self._sources[field] = source

    def count(self, field: str, value: Any, source: str) -> None:
        """Keep a whole number above 0, written as a number or as text."""
        text = str(value).strip()
        if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not text.strip("0"):
            return
        if len(text) > len(str(MOST)) or int(text) > MOST:
            self.say(
                "value-not-written",
                f"{source} has {_camel(field)} {text[:20]}, and a Fleet states at most {MOST:,}",
                f"write `{_camel(field)}` by hand if it matters",
            )
        else:
            self.put(field, int(text), source)

    def ranges(self, field: str, texts: Iterable[object], source: str) -> None:
        """Keep the ranges of a setting."""
        found, wrong = blocks.parse(texts)
        for word in wrong:
            self.say(
                "range-not-read",
                f"{source} has '{word}', which is no range of a cluster",
                f"write `{_camel(field)}` by hand",
            )
        self.around(field, found, source, is_setting=True)

    def around(
        self, field: str, parts: Iterable[prefix.Prefix], source: str, *, is_setting: bool = False
    ) -> None:
        """Keep the smallest ranges around some parts, and say where they hold more than those."""
        parts = list(parts)
        if self.has(field) or not parts:
            return
        found = blocks.whole(parts)
        if found.lost:
            self.say(
                "ranges-apart",
                f"{source} lies in places far apart, which one range cannot hold: {_listed(found.lost)}",
                f"write `{_camel(field)}` by hand: one range of each family",
            )
        if not found.ranges:
            return
        self.put(field, found.ranges, source)
        if not is_setting:
            self._inferred.add(field)
        if is_setting and not found.is_exact:
            self.say(
                "range-spans",
                f"{source} has several ranges, {_listed(parts)}, and {_listed(found.ranges)} is the smallest "
                "around them",
                f"keep it if nothing else lies between them, else write `{_camel(field)}` by hand",
            )

    def section(self, field: str, model: type[Model], raw: Mapping[str, Any], source: str) -> None:
        """Keep the values of a section that the Fleet can state, and name those that it cannot."""
        good: dict[str, Any] = {}
        for name, value in raw.items():
            if value is None:
                continue
            try:
                model.model_validate({name: value})
            except pydantic.ValidationError as error:
                why = str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
                self.say(
                    "value-not-written",
                    f"{source} has {_camel(name)} '{str(value)[:60]}', which a Fleet cannot state: {why}",
                    f"write `{field}.{_camel(name)}` by hand if it matters",
                )
            else:
                good[name] = value
        self.put(field, model.model_validate(good), source)

    def say(
        self,
        code: str,
        message: str,
        remedy: str,
        severity: finding.Severity = finding.Severity.WARNING,
    ) -> None:
        """Add a finding about this cluster."""
        self._findings.append(
            finding.Finding(
                code=code,
                severity=severity,
                file=self._file,
                line=self._line,
                message=message,
                remedy=remedy,
            )
        )

    def live(self, told: str, **more: Any) -> imported.Live:
        """Return the cluster by the name that it has where it was read."""
        name = names.label(told) or "cluster"
        if name != told:
            self.say(
                "name-changed",
                f"'{told[:60]}' has letters or a length that Cilium does not take: '{name}' is written",
                "keep it, or write another name",
                finding.Severity.INFO,
            )
        return imported.Live(
            name=name,
            file=self._file,
            **more,
            **{key: value for key, value in self._values.items() if key != "name"},
            sources=dict(self._sources),
            inferred=frozenset(self._inferred),
            findings=tuple(dataclasses.replace(each, cluster=name) for each in self._findings),
        )

    def value(self, field: str) -> Any:
        """Return the value of a field, or None."""
        return self._values.get(field)


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _listed(each: Iterable[prefix.Prefix]) -> str:
    texts = [str(one) for one in each]
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
