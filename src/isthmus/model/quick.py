"""Documents of plain shape, read many times faster than by a whole YAML parser.

Manifests are nearly always block mappings and lists with scalars on one line. Such documents are read here,
a line at a time, each distinct line once; for all others `read` raises OddError and `source.read` has the
word, which also knows every line and says what is wrong. What is read here means exactly what it means there.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NamedTuple

from isthmus.model import source, yamltext

PRINTABLE: Final = re.compile(r"[\n\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*")
"""What every parser of YAML takes as it stands; tabs, returns and the rest are left to the whole parser."""
KEY: Final = re.compile(r"([A-Za-z_./][\w./-]*|\"[^\"\\]*\"|'[^']*'):(?: +|$)", re.ASCII)
QUOTED: Final = re.compile(r"(?:\"([^\"\\]*)\"|'([^']*)')(?: *$| +#)")
ITEM: Final = re.compile(r" *(?:\"([^\"\\]*)\"|'([^']*)'|([A-Za-z0-9_.][A-Za-z0-9_./-]*)) *", re.ASCII)
PAIR: Final = re.compile(
    r" *([A-Za-z_./][\w./-]*): +(?:\"([^\"\\]*)\"|'([^']*)'|([A-Za-z0-9_.][\w./-]*)) *", re.ASCII
)
DEPTH: Final = yamltext.MAX_DEPTH - 5
"""Levels of nesting that are read here; the whole parser counts those at its limit."""
INDICATORS: Final = frozenset(",[]{}#&*!|>'\"%@`")


class OddError(Exception):
    """The document is of another shape: the whole parser must read it."""


class _Token(NamedTuple):
    """One part of a line: `key` is None for a list's dash and for a lone scalar."""

    indent: int
    is_dash: bool
    key: str | None
    is_whole: bool
    value: Any


def read(text: str, kept: dict[str, tuple[_Token, ...]]) -> Any:
    """Return the data of one document; OddError when it is of another shape.

    `kept` holds what lines mean, for many documents. Values are shared between documents: they are to be
    read only.
    """
    if text.lstrip(" \n").startswith("{"):
        return _json(text)
    if PRINTABLE.fullmatch(text) is None:
        raise OddError
    tokens: list[_Token] = []
    for line in text.split("\n"):
        found = kept.get(line)
        if found is None:
            found = kept[line] = _tokens(line)
        if found:
            tokens.extend(found)
    if not tokens:
        return None
    value, end = _value(tokens, 0, 1)
    if end != len(tokens):
        raise OddError
    return value


def _json(text: str) -> Any:
    if "\\ud" in text.lower():  # perhaps half a pair of surrogates, which cannot be written again
        raise OddError
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise OddError from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise OddError
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise OddError
    return value


def _refuse(_: str) -> Any:
    raise OddError


def _tokens(line: str) -> tuple[_Token, ...]:
    rest = line.lstrip(" ")
    if not rest or rest[0] == "#":
        return ()
    indent = len(line) - len(rest)
    found: list[_Token] = []
    while rest[0] == "-" and (rest == "-" or rest[1] == " "):
        found.append(_Token(indent, is_dash=True, key=None, is_whole=False, value=None))
        below = rest[1:].lstrip(" ")
        if not below or below[0] == "#":
            return tuple(found)
        indent, rest = indent + len(rest) - len(below), below
    match = KEY.match(rest)
    if match is None:
        return (*found, _Token(indent, is_dash=False, key=None, is_whole=True, value=_scalar(rest)))
    key, value = match[1], rest[match.end() :]
    if key[0] in "\"'":
        key = key[1:-1]
    if not value or value[0] == "#":
        return (*found, _Token(indent, is_dash=False, key=key, is_whole=False, value=None))
    return (*found, _Token(indent, is_dash=False, key=key, is_whole=True, value=_scalar(value)))


def _scalar(text: str) -> Any:
    """Return what stands behind a key or a dash, to the end of the line."""
    first = text[0]
    if first in "\"'":
        quoted = QUOTED.match(text)
        if quoted is None:
            raise OddError
        return quoted[1] if quoted[1] is not None else quoted[2]
    if first in "[{":
        return _flow(text.partition(" #")[0].rstrip(" "))
    plain = text.partition(" #")[0].rstrip(" ")
    if first in INDICATORS or (first in "-?:" and plain[1:2] in {"", " "}):
        raise OddError
    if ": " in plain or plain.endswith(":"):
        raise OddError
    return _plain(plain)


def _plain(text: str) -> Any:
    try:
        value = source.scalar(text)
    except ValueError:
        raise OddError from None
    if isinstance(value, float) and not math.isfinite(value):
        raise OddError
    return value


def _flow(text: str) -> Any:
    """Return a list or mapping written on one line with nothing but scalars in it."""
    inner = text[1:-1]
    if text[0] + text[-1] == "[]":
        return [_item(ITEM.fullmatch(part), 1) for part in _parts(inner)]
    if text[0] + text[-1] == "{}":
        found = {}
        for part in _parts(inner):
            pair = PAIR.fullmatch(part)
            if pair is None or pair[1] in found:
                raise OddError
            found[pair[1]] = _item(pair, 2)
        return found
    raise OddError


def _parts(inner: str) -> list[str]:
    return inner.split(",") if inner.strip(" ") else []


def _item(match: re.Match[str] | None, first: int) -> Any:
    if match is None:
        raise OddError
    for quoted in (match[first], match[first + 1]):
        if quoted is not None:
            return quoted
    return _plain(match[first + 2])


def _value(tokens: list[_Token], place: int, depth: int) -> tuple[Any, int]:
    """Return the value that begins at a token, and the place of the token behind it."""
    if depth > DEPTH:
        raise OddError
    first = tokens[place]
    if first.is_dash:
        return _list(tokens, place, depth)
    if first.key is not None:
        return _mapping(tokens, place, depth)
    return first.value, place + 1


def _mapping(tokens: list[_Token], place: int, depth: int) -> tuple[dict[str, Any], int]:
    indent, count = tokens[place].indent, len(tokens)
    found: dict[str, Any] = {}
    while place < count:
        at, _, key, is_whole, value = tokens[place]
        if at < indent:
            break
        if at > indent or key is None or key in found:
            raise OddError
        place += 1
        if not is_whole and place < count:
            below = tokens[place]
            if below.indent > indent or (below.indent == indent and below.is_dash):
                value, place = _value(tokens, place, depth + 1)
        found[key] = value
    return found, place


def _list(tokens: list[_Token], place: int, depth: int) -> tuple[list[Any], int]:
    indent, count = tokens[place].indent, len(tokens)
    found: list[Any] = []
    while place < count:
        token = tokens[place]
        if token.indent < indent or (token.indent == indent and not token.is_dash):
            break
        if token.indent > indent:
            raise OddError
        place += 1
        value = None
        if place < count and tokens[place].indent > indent:
            value, place = _value(tokens, place, depth + 1)
        found.append(value)
    return found, place
