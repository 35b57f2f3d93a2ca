"""Does a request pass an HTTP rule of Cilium: what Envoy is told to compare (`pkg/envoy/policy`).

Method, path and host are whole matches of RE2 against `:method`, `:path` (query included) and `:authority`;
header values are compared letter by letter, header names without regard to case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.policy import regex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.policy import layer7


def passes(rules: Iterable[layer7.Http], request: layer7.Request) -> bool:
    """Say whether any rule lets the request through."""
    return any(matches(each, request) for each in rules)


def matches(each: layer7.Http, request: layer7.Request) -> bool:
    """Say whether a request meets every part of a rule; what the question leaves out meets no demand."""
    asked = ((each.method, request.method), (each.path, request.path), (each.host, request.host))
    if any(wanted and not (given is not None and regex.matches(wanted, given)) for wanted, given in asked):
        return False
    headers = _joined(request.headers)
    return all(_has(headers, name, value) for name, value in (*map(header, each.headers), *each.values))


def header(text: str) -> tuple[str, str | None]:
    """Return name and wanted value of a `Name: value` text; without a blank it asks for the name alone."""
    name, blank, value = text.partition(" ")
    return (name.rstrip(":"), value) if blank else (text, None)


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        # Envoy compares several headers of one name as one, joined by commas.
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _has(headers: dict[str, str], name: str, value: str | None) -> bool:
    found = headers.get(name.lower())
    return found is not None and (value is None or found == value)
