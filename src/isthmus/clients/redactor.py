"""Keeps secrets out of what other programs say before it becomes an error.

It replaces exact strings and their usual encodings; it does not guess what looks like a secret.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "***"
_GO = {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"}
"""What Go's JSON escapes beyond JSON's own needs."""
CUT = " …"
"""How a text ends that was longer than we keep."""
STUMP = 3  # characters of a secret's beginning that are hidden at a cut; fewer say nothing
SHORTEST = 4  # characters; shorter strings ("no", "on") would blank ordinary words


@dataclasses.dataclass(frozen=True)
class Redactor:
    """Replaces secret strings of at least four characters by `***`."""

    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        """Return a redactor for the strings and their lines, as JSON, Go, YAML, URLs and base64 have them."""
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        return cls(tuple(sorted(forms, key=lambda form: (-len(form), form))))  # the longest match goes first

    @classmethod
    def of_values(cls, values: Any) -> Redactor:
        """Return a redactor for every string in a tree of values."""
        return cls.of(_strings(values))

    def joined(self, other: Redactor) -> Redactor:
        """Return a redactor for the secrets of both."""
        both = {*self.secrets, *other.secrets}
        return Redactor(tuple(sorted(both, key=lambda form: (-len(form), form))))

    def clean(self, text: str) -> str:
        """Return the text without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return self._without_stump(text) if text.endswith(CUT) else text

    def _without_stump(self, text: str) -> str:
        """Hide the beginning of a secret at the end of a text that was cut there."""
        body = text.removesuffix(CUT)
        stumps = (
            length
            for secret in self.secrets
            for length in range(min(len(secret), len(body)), 0, -1)
            if body.endswith(secret[:length])
        )
        longest = max(stumps, default=0)
        return body[: len(body) - longest] + MASK + CUT if longest >= STUMP else text


def _forms(secret: str) -> Iterator[str]:
    for part in (secret, *(line.strip() for line in secret.splitlines())):
        if len(part) < SHORTEST:
            continue
        yield part
        yield from _quoted(part)
        yield from _encoded(part.encode())


def _quoted(part: str) -> Iterator[str]:
    for text in (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]):
        yield text
        yield "".join(_GO.get(letter, letter) for letter in text)
        yield text.replace(r"\"", '"').replace("'", r"\'")  # helm's JSON schema, between single quotes
    yield part.replace("'", "''")  # YAML between single quotes
    yield urllib.parse.quote(part, safe="")
    yield urllib.parse.quote_plus(part)


def _encoded(raw: bytes) -> Iterator[str]:
    """Yield base64 of the bytes, alone and in the middle of others: three bytes make four letters.

    Letters at the edges depend on the neighbours too: inside a longer text only those between are known.
    """
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        yield alphabet(raw).decode()
        for lead in range(3):
            inner = alphabet(b"\0" * lead + raw).decode().rstrip("=")
            first, last = (0, 2, 3)[lead], (8 * (lead + len(raw))) // 6
            yield inner[first:last]


def _strings(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from _strings(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _strings(value)
