"""Reads the Services of an App in every cluster, for what is written on them across clusters.

It changes nothing. A cluster that does not let itself be read says why and hides no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import world as worlds
from isthmus.rollout import exposure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import app as apps
    from isthmus.model import errors
    from isthmus.rollout import part


async def parts(
    world: worlds.World, app: apps.App, clusters: Sequence[str]
) -> dict[str, tuple[part.Part, ...] | errors.IsthmusError]:
    """Return what to write on the App's Services in each cluster."""

    async def one(name: str) -> tuple[part.Part, ...]:
        return exposure.of(app, await world.cluster(name).list(kinds.SERVICE, app.namespace))

    return await worlds.each(tuple(clusters), one)
