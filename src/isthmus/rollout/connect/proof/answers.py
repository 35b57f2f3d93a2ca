"""Reads what the probe prints: one JSON object for each try, with who answered or why nobody did."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST = 300
"""Characters of what an error page says, at most."""
_BETWEEN = r'{}(?=(?:[^"]*"[^"]*")*[^"]*$)'
"""A character outside of quotes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """What a stream has shown: who read it, bytes, milliseconds, busy processors of the node that sent."""

    answer: str = ""
    size: int = 0
    millis: float = 0.0
    before: float = 0.0
    during: float = 0.0
    error: str = ""

    @property
    def megabits(self) -> float:
        """Mbit/s of data."""
        return self.size * 8 / self.millis / 1000 if self.millis else 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Try:
    """One try: the cluster that answered, the bytes it saw (over UDP), milliseconds, or an error.

    `caller` is whom the other side saw, a SPIFFE id; empty where nobody told it.
    """

    answer: str = ""
    size: int | None = None
    millis: float = 0.0
    error: str = ""
    caller: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether somebody answered."""
        return bool(self.answer) and not self.error


def read(text: str) -> tuple[Try, ...]:
    """Return the tries; ValueError for what no probe prints."""
    return tuple(_read(line) for line in text.splitlines() if line.strip())


def stream(text: str) -> Stream:
    """Return what came of a stream; ValueError for what no probe prints."""
    found = json.loads(text)
    if not isinstance(found, dict) or "bytes" not in found:
        raise ValueError("no outcome of a stream")
    return Stream(
        answer=str(found.get("answer") or ""),
        size=int(found["bytes"]),
        millis=float(found["millis"]),
        before=float(found["before"]),
        during=float(found["during"]),
        error=str(found.get("error") or ""),
    )


def counts(tries: Sequence[Try]) -> dict[str, int]:
    """Return how often each cluster answered."""
    return dict(sorted(Counter(each.answer for each in tries if each.is_answered).items()))


def callers(tries: Sequence[Try]) -> dict[str, int]:
    """Return how often the other side saw which caller, the most frequent first; "" is nobody."""
    return dict(Counter(each.caller for each in tries if each.is_answered).most_common())


def why(tries: Sequence[Try]) -> str:
    """Return the error that came most often."""
    said = Counter(each.error for each in tries if each.error)
    return said.most_common(1)[0][0] if said else "nobody answered"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _read(line: str) -> Try:
    found = json.loads(line)
    if not isinstance(found, dict) or "millis" not in found:
        raise ValueError("no outcome of a probe")
    name, _, size = str(found.get("answer") or "").partition(" ")
    error = str(found.get("error") or "")
    status = found.get("status")
    if not error and status is not None and status != 200:
        said = str(found.get("answer") or "")[:MOST]
        return Try(
            millis=float(found["millis"]), error=f"HTTP {status}: {said}" if said else f"HTTP {status}"
        )
    return Try(
        answer=name,
        size=int(size) if size else None,
        millis=float(found["millis"]),
        error=error,
        caller=_caller(str(found.get("identity") or "")),
    )


def _caller(header: str) -> str:
    """Return the client of the last hop in X-Forwarded-Client-Cert, by its URI; "" where it showed none.

    Each hop adds an element behind a comma, its fields behind semicolons (Envoy, HTTP headers). What the
    caller itself has sent stands before what the sidecar adds that was asked, and does not count.
    """
    last = re.split(_BETWEEN.format(","), header)[-1]
    parts = (each.partition("=") for each in re.split(_BETWEEN.format(";"), last))
    fields = {name: value for name, _, value in parts}
    return fields.get("URI", "").strip('"')
