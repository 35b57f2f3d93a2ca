"""Finds what should not stand in values: literal secrets, and words that YAML takes for booleans.

It looks at names of keys and never repeats a value. A secret under an innocent name is not found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from isthmus.model import explain, finding, source

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = re.compile(r"pass(word|wd|phrase)|secret|token|api-?key|private-?key|access-?key|credential")
REFERENCE: Final = re.compile(
    r"(name|names|ref|refs|key-?ref|file|path|dir|ttl|expiry|expiration|lifetime|length|policy|type|"
    r"class|enabled|annotations|labels|namespace|provider|audience|issuer|mount|url|host|port|algorithm|version)$"
)
HOLDERS: Final = re.compile(r"(secrets?|passwords?|tokens?|credentials|secret-?data)$")
INNOCENT: Final = re.compile(r"(^|-)(existing|use|create|pull|image-?pull|automount|generate)(-|$)")
SECRET_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
REMEDY: Final = (
    "keep it in a Secret of each cluster and name that: `valuesFrom: [{secret: NAME}]`, "
    "or give the chart the Secret's name"
)


def findings(
    document: source.Document, path: source.Path, values: object, *, cluster: str | None
) -> Iterator[finding.Finding]:
    """Yield a warning for each literal secret and each ambiguous word below `values`."""
    for place, value in source.leaves(path, values):
        if is_secret(place[len(path) :], value):
            yield explain.about(
                document,
                place,
                code="secret-in-values",
                message="this looks like a literal secret; whoever reads the folder reads it too",
                remedy=REMEDY,
                severity=finding.Severity.WARNING,
                cluster=cluster,
            )
        elif isinstance(value, bool) and (raw := document.raw(place)) in source.AMBIGUOUS:
            plain = "true" if value else "false"
            yield explain.about(
                document,
                place,
                code="ambiguous-boolean",
                message=f"YAML takes {raw} for the boolean {plain}",
                remedy=f'write {plain}, or "{raw}" in quotes when text is meant',
                severity=finding.Severity.WARNING,
                cluster=cluster,
            )


def is_secret(path: source.Path, value: object) -> bool:
    """Say whether a value of Helm values looks like a literal secret."""
    if not isinstance(value, str) or not value:
        return False
    if SECRET_KEY.search(value):
        return True
    keys = [_dashed(part) for part in path if isinstance(part, str)]
    if not keys or REFERENCE.search(keys[-1]) or INNOCENT.search(keys[-1]):
        return False
    if SECRET.search(keys[-1]):
        return True
    return (
        any(HOLDERS.search(key) and not INNOCENT.search(key) for key in keys[:-1]) and keys[-1] not in PARTS
    )


PARTS: Final = frozenset({"key", "keys", "id", "kind", "mode", "optional", "items"})
"""What stands below `secret:` when that is a reference and not the secret itself."""


def _dashed(key: str) -> str:
    """Return `api-key` for `apiKey`, `API_KEY` and `api.key`."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", key)
    return re.sub(r"[^a-z0-9]+", "-", split.lower())


def literals(values: object, path: source.Path = ()) -> tuple[str, ...]:
    """Return every string of Helm values that looks like a literal secret, to keep it from being shown."""
    if isinstance(values, Mapping):
        return tuple(found for key, value in values.items() for found in literals(value, (*path, str(key))))
    if isinstance(values, list | tuple):
        return tuple(
            found for number, value in enumerate(values) for found in literals(value, (*path, number))
        )
    return (str(values),) if is_secret(path, values) else ()
