"""Assignments of a `.tfvars` file as far as they are literals: text, numbers, lists and maps.

The language is HCL's native syntax (hashicorp/hcl hclsyntax/spec.md) without expressions: what has an
interpolation, a call or a heredoc is named as not read, and does not hide what follows it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Final

TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\f]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
      | (?P<newline>\n)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
      | (?P<word>[A-Za-z_][-\w]*)
      | (?P<mark>[][{}=:,])
      | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
WORDS: Final = {"true": True, "false": False, "null": None}
DEEPEST: Final = 60


@dataclasses.dataclass(frozen=True)
class Token:
    """A word of the file and its line, counted from 1."""

    kind: str
    text: str
    line: int


@dataclasses.dataclass(frozen=True)
class Read:
    """Values by variable, their lines, and (line, what) of what is no literal."""

    values: dict[str, Any]
    lines: dict[str, int]
    skipped: tuple[tuple[int, str], ...]


class _NoLiteralError(Exception):
    """What stands here is no literal."""


def read(text: str) -> Read:
    """Return the literal assignments of a file."""
    reader = _Reader(_tokens(text))
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    skipped: list[tuple[int, str]] = []
    while (first := reader.next_start()) is not None:
        try:
            values[first.text], lines[first.text] = reader.assignment(), first.line
        except _NoLiteralError:
            skipped.append((first.line, first.text))
            reader.skip()
    return Read(values, lines, tuple(skipped))


def _tokens(text: str) -> list[Token]:
    found, line = [], 1
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "blank":
            found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
    found.append(Token("end", "", line))
    return found


class _Reader:
    """Reads tokens from the left to the right."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def next_start(self) -> Token | None:
        """Return the first token of the next assignment, or None at the end."""
        self._newlines()
        token = self._tokens[self._at]
        return None if token.kind == "end" else token

    def assignment(self) -> Any:
        """Read `name = value` and the end of its line."""
        self._take("word")
        self._take("mark", "=")
        value = self._value(0)
        if self._tokens[self._at].kind not in {"newline", "end"}:
            raise _NoLiteralError
        return value

    def skip(self) -> None:
        """Go to the next line that begins like an assignment."""
        while self._tokens[self._at].kind != "end":
            self._at += 1
            before, token = self._tokens[self._at - 1], self._tokens[self._at]
            if before.kind == "newline" and token.kind == "word" and self._tokens[self._at + 1].text == "=":
                return

    def _take(self, kind: str, text: str | None = None) -> Token:
        token = self._tokens[self._at]
        if token.kind != kind or (text is not None and token.text != text):
            raise _NoLiteralError
        return self._next()

    def _next(self) -> Token:
        """Return the token that stands here and go on; never beyond the end."""
        token = self._tokens[self._at]
        if token.kind == "end":
            raise _NoLiteralError
        self._at += 1
        return token

    def _newlines(self) -> None:
        while self._tokens[self._at].kind == "newline":
            self._at += 1

    def _value(self, depth: int) -> Any:
        token = self._tokens[self._at]
        if depth > DEEPEST:
            raise _NoLiteralError
        if token.text == "[" and token.kind == "mark":
            return self._list(depth)
        if token.text == "{" and token.kind == "mark":
            return self._map(depth)
        self._next()
        if token.kind == "word" and token.text in WORDS:
            return WORDS[token.text]
        if token.kind == "number":
            is_whole = re.fullmatch(r"-?\d{1,18}", token.text) is not None
            return int(token.text) if is_whole else float(token.text)
        if token.kind == "text":
            return _unquoted(token.text)
        raise _NoLiteralError

    def _list(self, depth: int) -> list[Any]:
        self._take("mark", "[")
        found: list[Any] = []
        while not self._closed("]"):
            found.append(self._value(depth + 1))
            self._newlines()
            if self._tokens[self._at].text != "]":
                self._take("mark", ",")
        return found

    def _map(self, depth: int) -> dict[str, Any]:
        self._take("mark", "{")
        found: dict[str, Any] = {}
        while not self._closed("}"):
            key = self._next()
            if key.kind not in {"word", "text"} or self._tokens[self._at].text not in {"=", ":"}:
                raise _NoLiteralError
            self._next()
            found[_unquoted(key.text) if key.kind == "text" else key.text] = self._value(depth + 1)
            if self._tokens[self._at].text == ",":
                self._at += 1
            elif self._tokens[self._at].kind != "newline" and self._tokens[self._at].text != "}":
                raise _NoLiteralError
        return found

    def _closed(self, mark: str) -> bool:
        self._newlines()
        token = self._tokens[self._at]
        if token.kind == "mark" and token.text == mark:
            self._at += 1
            return True
        return False


def _unquoted(text: str) -> str:
    if "${" in text or "%{" in text:
        raise _NoLiteralError
    try:
        return str(json.loads(text))  # the escapes of HCL but \U, which no range has
    except ValueError:
        raise _NoLiteralError from None
