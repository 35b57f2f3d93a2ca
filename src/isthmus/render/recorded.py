"""What replays and recommendations say: for people, and as public JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from isthmus.model import flow as flows
from isthmus.policy import decide
from isthmus.policy.recorded import replay
from isthmus.policy.verdict import sentences
from isthmus.render import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.policy.recorded import recommend

MOST = 30
"""Kinds of flows that are listed; more are counted."""


def replayed(found: replay.Replay, *, width: int = table.WIDTH) -> str:
    """Return which kinds of flows would fare otherwise, the objects to blame, and one line that sums up."""
    lines = []
    for each in found.changes[:MOST]:
        word = "dropped" if each.after is flows.Fate.DENIED else "let through"
        ask = decide.Ask(each.source, each.destination, each.protocol, each.port)
        lines += table.wrapped(f"{each.count} × {sentences.hop(ask)}: would be {word}", width=width)
        lines += table.wrapped(sentences.why(each.decision, ask), indent="  ", width=width)
    if len(found.changes) > MOST:
        lines.append(f"and {len(found.changes) - MOST} more kinds of flows")
    blamed = [f"{name} ({count})" for name, count in replay.grouped(found.changes).items()]
    if blamed:
        lines += table.wrapped(f"to blame for drops: {', '.join(blamed)}", width=width)
    dropped = sum(each.count for each in found.changes if each.after is flows.Fate.DENIED)
    opened = sum(each.count for each in found.changes) - dropped
    told = f"{found.flows} flows of {found.kinds} kinds: {dropped} would be dropped, {opened} let through"
    return "\n".join([*lines, told])


def replayed_json(found: replay.Replay) -> dict[str, Any]:
    """Return the public JSON form of a replay."""
    return {
        "flows": found.flows,
        "kinds": found.kinds,
        "changes": [
            {
                "src": sentences.title(each.source),
                "dst": sentences.title(each.destination),
                "protocol": each.protocol.value,
                "port": each.port,
                "count": each.count,
                "before": each.before.value,
                "after": each.after.value,
                "side": each.decision.direction.value,
                "because": [
                    {"kind": one.kind, "namespace": one.namespace, "name": one.name, "cluster": one.cluster}
                    for one in each.decision.origins
                ],
            }
            for each in found.changes
        ],
        "blamed": dict(replay.grouped(found.changes)),
    }


def documents(found: recommend.Recommended) -> str:
    """Return the documents as YAML."""
    return "".join("---\n" + yaml.safe_dump(each, sort_keys=False) for each in found.documents)


def coverage(found: recommend.Recommended, *, width: int = table.WIDTH) -> Iterator[str]:
    """Yield how much the documents cover, and what they leave out."""
    share = 100 * found.covered / found.flows if found.flows else 100.0
    yield f"{len(found.documents)} intents cover {found.covered} of {found.flows} flows ({share:.1f} %)"
    for each in found.left:
        yield from table.wrapped(f"left out: {each.count} × {each.why}, such as {each.example}", width=width)


def recommended_json(found: recommend.Recommended) -> dict[str, Any]:
    """Return the public JSON form of a recommendation."""
    return {
        "documents": list(found.documents),
        "flows": found.flows,
        "covered": found.covered,
        "left": [{"why": each.why, "count": each.count, "example": each.example} for each in found.left],
    }
