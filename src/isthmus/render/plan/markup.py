"""Builds markup in which everything that is not markup already is escaped; there is no way around it.

The elements are those of HTML and SVG alike, closed as XML asks, so that a picture can stand on its own.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_FOREIGN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry, not even escaped (section 2.2)."""

_EMPTY: Final = frozenset({"meta", "input", "br", "col", "rect", "line", "path", "circle", "polygon"})
"""Elements without an end tag."""


class Safe(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(text: object) -> Safe:
    """Return a text as markup: what is markup stays, everything else is escaped."""
    if isinstance(text, Safe):
        return text
    return Safe(html.escape(_FOREIGN.sub("\ufffd", str(text)), quote=True))


def tag(name: str, /, *children: object, **attributes: object) -> Safe:
    """Return an element; `class_` is class, `stroke_width` stroke-width; one of None is left out."""
    opened = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Safe(f"<{opened}/>")
    return Safe(f"<{opened}>{''.join(map(escape, children))}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Safe:
    """Return parts as one piece of markup."""
    return Safe(between.join(map(escape, parts)))


def prose(text: str) -> Safe:
    """Return a sentence in which what stands between backquotes is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return join(tag("code", part) if number % 2 else part for number, part in enumerate(parts))


def _number(value: object) -> object:
    """Return a number in a few digits, so that a picture is the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
