"""What `doctor` says for people: what is wrong, each with its remedy, and what was not checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from isthmus.render import table

Json = Mapping[str, Any]
Paint = Callable[[str, str], str]

SEVERITIES: Final = ("error", "warning", "info")
INDENT: Final = "  "


def plain(text: str, _: str) -> str:
    """Leave a text as it is, where nobody sees colours."""
    return text


def text(body: Json, *, paint: Paint = plain, width: int = table.WIDTH) -> str:
    """Return the ranked findings, the footer of what was not checked, and one line that sums up."""
    lines = [line for each in body["findings"] for line in _finding(each, paint, width)]
    lines += _footer(body["not_checked"], width)
    return "\n".join([*lines, _sum(body)])


def _finding(one: Json, paint: Paint, width: int) -> Iterator[str]:
    place = "/".join(part for part in (one["kind"], one["namespace"], one["name"]) if part)
    where = ": ".join(part for part in (one["cluster"] or "the mesh", place) if part)
    first, *more = table.wrapped(f"{one['severity']}: {where}: {one['message']} [{one['code']}]", width=width)
    yield paint(first, one["severity"])
    yield from (INDENT + line for text in more for line in table.wrapped(text, width=width - len(INDENT)))
    for words in one["evidence"]:
        yield from table.wrapped(f"read: {words}", indent=INDENT, width=width)
    yield from table.wrapped(f"→ {one['remedy']}", indent=INDENT, width=width)
    yield ""


def _footer(left: Sequence[Json], width: int) -> Iterator[str]:
    """Yield what was not checked, with one line for all clusters that lack the same for the same reason."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for each in left:
        key = (each["what"], each["why"], each["remedy"] or "")
        grouped.setdefault(key, []).append(each["cluster"])
    if not grouped:
        return
    yield "Not checked:"
    for (what, why, remedy), clusters in grouped.items():
        names = ", ".join(dict.fromkeys(clusters))
        more = f" (→ {remedy})" if remedy else ""
        yield from table.wrapped(f"- {names}: {what}: {why}{more}", indent=INDENT, width=width)
    yield ""


def _sum(body: Json) -> str:
    counts = [sum(each["severity"] == one for each in body["findings"]) for one in SEVERITIES]
    words = [
        f"{count} {one}{'s' * (count > 1)}" for one, count in zip(SEVERITIES, counts, strict=True) if count
    ]
    silent = sum(each["error"] is not None for each in body["clusters"])
    many = len(body["clusters"])
    parts = [f"{many} cluster{'s' * (many != 1)}", ", ".join(words) or "nothing found"]
    parts += [f"{silent} silent"] if silent else []
    partly = sum(each["state"] == "partly-checked" for each in body["troubles"])
    parts += [f"{partly} of {len(body['troubles'])} kinds of trouble only partly checked"] if partly else []
    return "; ".join(parts)
