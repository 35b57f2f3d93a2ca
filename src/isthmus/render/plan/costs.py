"""What the headers of a datapath cost, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.mesh import overheads
from isthmus.render.plan import words

if TYPE_CHECKING:
    from isthmus.network.paths import mtu


def told(paths: mtu.Paths) -> list[str]:
    """Return what each packet carries, what that takes of throughput, and what must offload it."""
    cost = paths.cost
    if cost is None or not cost.headers:
        return []
    alone = len(cost.headers) == 1
    names = " and ".join(each.name if alone else f"{each.name} {each.size}" for each in cost.headers)
    lost = ", ".join(f"{words.percent(cost.lost(each))} at MTU {each}" for each in overheads.SHOWN)
    return [
        f"Headers take {cost.size} bytes of each packet ({names}): of full ones {lost}.",
        *(f"{each.name}, offload: {each.offload}." for each in cost.headers),
    ]
