"""Verdicts for people: one line a layer, or the whole chain in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from isthmus.render import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.policy.verdict import answer, question


def verdict_text(found: answer.Answer, asked: question.Question, *, width: int = table.WIDTH) -> str:
    """Return the verdict, one line for each layer that was asked, and what was assumed."""
    lines = [f"{found.verdict.value}: {_headline(asked)}"]
    rows = [(f"  {each.layer}", each.side or "", each.verdict.value, each.why) for each in found.layers]
    lines += table.columns(rows, width=width) if rows else ["  no policy stands between them"]
    return "\n".join([*lines, *_notes(found, width)])


def explanation(found: answer.Answer, asked: question.Question, *, width: int = table.WIDTH) -> str:
    """Return the chain of sentences: hop by hop, what each layer says, why, and what would change it."""
    lines = [f"{_headline(asked)}: {found.verdict.value}", ""]
    hop = None
    for each in found.layers:
        if each.hop != hop:
            hop = each.hop
            lines += table.wrapped(f"On the wire: {hop}", width=width)
        side = f" on the {each.side} side" if each.side else ""
        says = f"{each.layer.capitalize()}{side} says {each.verdict.value}: {each.why}."
        lines += table.wrapped(says, indent="  ", width=width)
        if each.change:
            lines += table.wrapped(f"What would change it: {each.change}.", indent="    ", width=width)
    if not found.layers:
        lines.append("No policy stands between them.")
    return "\n".join([*lines, *_notes(found, width)])


def manifests(objects: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Return the YAML of each cluster's objects, documents one after another."""
    return {
        name: f"# {name}\n"
        + "".join(
            "---\n" + yaml.safe_dump(dict(each), sort_keys=False, default_flow_style=False) for each in found
        )
        for name, found in objects.items()
    }


def _headline(asked: question.Question) -> str:
    return f"{asked.source} → {asked.destination} {asked.protocol.upper()} {asked.port}"


def _notes(found: answer.Answer, width: int) -> Iterator[str]:
    for note in found.notes:
        yield from table.wrapped(f"note: {note}", width=width)
