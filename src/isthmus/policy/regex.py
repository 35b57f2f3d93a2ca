"""Regular expressions of Go and RE2, as Cilium checks them and Envoy matches them, turned into Python's."""

from __future__ import annotations

import functools
import re
from typing import Final

CLASSES: Final = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
NAMED: Final = re.compile(r"\[:(\w+):\]")
FOREIGN: Final = re.compile(r"\\[1-9]|\(\?(?:=|!|<=|<!|>|P=|\()|(?<!\\)[*+?}]\+")
"""What Python knows and RE2 refuses: references back, looking around, atomic groups, possessive counts."""
MOST: Final = 1000
"""The highest count of RE2."""


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> re.Pattern[str]:
    """Return the expression; ValueError with the reason when RE2 would refuse it."""
    found = FOREIGN.search(_bare(text))
    if found:
        raise ValueError(f"'{found.group()}' at {found.start()} is not known to RE2")
    if any(int(count) > MOST for count in re.findall(r"\{(\d+)", text)):
        raise ValueError(f"counts above {MOST} are not allowed")
    try:
        return re.compile(_translated(text), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


def matches(text: str, value: str) -> bool:
    """Say whether an expression matches a whole value, as Envoy asks; one that is none matches nothing."""
    try:
        return parse(text).fullmatch(value) is not None
    except ValueError:
        return False


def _bare(text: str) -> str:
    """Return the text with its bracketed sets blanked, where signs mean themselves."""
    return re.sub(
        r"(?<!\\)\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]", lambda found: "_" * len(found.group()), text
    )


def _translated(text: str) -> str:
    named = NAMED.sub(lambda found: CLASSES.get(found[1], found[0]), text)
    # Go's \z is the very end, which Python before 3.14 writes \Z; `$` without (?m) is the very end too.
    ended = re.sub(r"(?<!\\)((?:\\\\)*)\\z", r"\1\\Z", named)
    return re.sub(r"(?<!\\)((?:\\\\)*)\$(?![^\[]*\])", r"\1\\Z", ended) if "(?m" not in ended else ended
